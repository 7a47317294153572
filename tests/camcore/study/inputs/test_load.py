"""Notes on inputs of a study that do not fit together."""

import json
from pathlib import Path

import pytest

from camcore.study.inputs.load import InputPaths, StudyInputs, load_inputs

LABELS = ("crane", "coot", "crane")


def load(folder: Path, *files: str, boxes: Path | None = None, truth: Path | None = None) -> StudyInputs:
    for file in files:
        path = folder / "birds" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return load_inputs(InputPaths(folder / "birds", boxes, truth, None, "animal", 0.2), LABELS, folder / "study")


@pytest.mark.parametrize(
    ("code", "notes"),
    [
        ("coot", ()),
        (
            "yeti",
            ("the species yeti is unknown, so predictions for its photos are not checked: add it with --species",),
        ),
        (
            "crane",
            (
                "several classes are named crane, so predictions for its photos are not checked: "
                "give its class with --species, 0 or 2",
            ),
        ),
    ],
)
def test_a_subfolder_without_a_known_species_has_one_note(tmp_path: Path, code: str, notes: tuple[str, ...]) -> None:
    assert load(tmp_path, f"{code}/1.jpg", f"{code}/2.jpg", "3.jpg").notes == notes


def test_a_subfolder_of_which_every_photo_has_a_true_class_has_no_note(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("file,class\n1.jpg,coot\n")
    inputs = load(tmp_path, "yeti/1.jpg", truth=tmp_path / "truth.csv")
    assert inputs.notes == ()
    assert [item.truth.class_idx for item in inputs.items.values()] == [1]
    assert inputs.species == (
        {
            "code": "yeti", "title": "yeti", "scientific_name": "", "told": False, "class_idx": None,
            "class_name": None,
        },
    )  # fmt: skip


def test_ambiguous_entries_and_rows_are_not_used(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("file,class\n1.jpg,coot\n")
    content = {"detection_categories": {"1": "animal"}, "images": [{"file": "1.jpg", "detections": []}]}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    inputs = load(tmp_path, "coot/1.jpg", "other/1.jpg", boxes=tmp_path / "boxes.json", truth=tmp_path / "truth.csv")
    assert [item.boxes for item in inputs.items.values()] == [None, None]
    assert [item.truth.class_idx for item in inputs.items.values()] == [1, None]
    assert inputs.notes[:2] == (
        "boxes.json has no unambiguous entry for 2 photos, so no box is used: coot/1.jpg, other/1.jpg",
        "truth.csv has no unambiguous row for 2 photos, so the subfolder counts: coot/1.jpg, other/1.jpg",
    )


def test_ignored_files_are_counted(tmp_path: Path) -> None:
    inputs = load(tmp_path, "coot/1.jpg", "notes.txt", "coot/more.txt", ".hidden.jpg", "empty/.hidden.jpg")
    assert inputs.notes == (
        "the subfolder empty contains no photos",
        "ignored files without the suffix of a photo: 2, of the suffixes .txt (2)",
    )
