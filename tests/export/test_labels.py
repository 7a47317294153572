"""Names of classes, from a file or ImageNet's."""

from pathlib import Path

import pytest

from export.errors import LabelsError
from export.labels import imagenet_labels, labels_for, numbered_labels


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "labels.txt"
    path.write_bytes(content)
    return path


def test_imagenet_names_a_thousand_classes() -> None:
    labels = imagenet_labels()
    assert len(labels) == 1000
    assert (labels[0], labels[291], labels[999]) == ("tench", "lion", "toilet tissue")


def test_classes_that_nobody_named_are_numbered() -> None:
    assert numbered_labels(3) == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(
    "content",
    [b"wren\nrobin\nblue tit", b"wren\nrobin\nblue tit\n", b"wren\r\nrobin\r\n  blue tit \r\n\r\n\r\n",
     b"\xef\xbb\xbfwren\nrobin\nblue tit\n"],
    ids=["bare", "newline", "windows", "byte-order-mark"],
)  # fmt: skip
def test_one_name_a_line(content: bytes, tmp_path: Path) -> None:
    assert labels_for(_file(tmp_path, content), 3) == ("wren", "robin", "blue tit")


def test_names_are_any_utf8_and_only_a_line_ends_them(tmp_path: Path) -> None:
    content = "Grünfink\nmésange\u2028bleue\nヤマガラ\x0b\n"
    assert labels_for(_file(tmp_path, content.encode()), 3) == ("Grünfink", "mésange\u2028bleue", "ヤマガラ")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"wren\nrobin\n", "names 2 classes, but the model has 3"), (b"", "names 0 classes"), (b"\n\n", "names 0"),
     (b"wren\nrobin\ntit\ncrow\n", "names 4 classes"), (b"wren\n\ntit\n", "an empty line 2"),
     (b"wren\n\xff\xfe\ntit", "cannot be read as UTF-8")],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(LabelsError, match=says) as refusal:
        labels_for(path, 3)
    assert str(path) in str(refusal.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="there is no labels file"):
        labels_for(tmp_path / "none.txt", 3)
    with pytest.raises(LabelsError, match="cannot be read"):
        labels_for(tmp_path, 3)


def test_one_score_is_two_classes_of_which_one_name_may_be_given() -> None:
    assert labels_for(None, 1) == ("class 0", "class 1")
    assert labels_for(["wren"], 1) == ("not wren", "wren")
    assert labels_for(["no bird", "bird"], 1) == ("no bird", "bird")
    with pytest.raises(
        LabelsError, match=r"names 3 classes, but the model has 2 \(absent and present\), from one score"
    ):
        labels_for(["a", "b", "c"], 1)


def test_names_given_as_a_list_must_fit_too() -> None:
    assert labels_for(["wren", "robin"], 2) == ("wren", "robin")
    with pytest.raises(LabelsError, match="the list of labels names 1 classes, but the model has 2"):
        labels_for(["wren"], 2)
    with pytest.raises(LabelsError, match="the list of labels has an empty line 2"):
        labels_for(["wren", ""], 2)
