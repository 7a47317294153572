"""Addresses of photos in lists, tables and on the command line. No photo is read here."""

import json
import re
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import pytest

from camcore.cli.main import main
from camcore.errors import StudyError
from camcore.study import remote
from camcore.study.inputs.addresses import (
    argument_without_secrets,
    is_address,
    is_complete,
    join,
    parse_location,
    path_in,
    public_name,
)
from camcore.study.inputs.load import InputPaths, StudyInputs, load_inputs
from camcore.study.remote import RemoteFiles
from camcore.types import Box
from tests.camcore.study.inputs.test_sources import LABELS, written

WEB = "https://user:pa55word@example.org:8000/site%20a/1.jpg?X-Amz-Signature=signature#part"


def load(source: Path | str, folder: Path, *, boxes: Path | None = None, **options: Any) -> StudyInputs:
    paths = InputPaths(source, boxes, options.pop("truth", None), None, "animal", remote=RemoteFiles(), **options)
    return load_inputs(paths, LABELS, folder / "study")


def refusal(source: Path | str, folder: Path, **options: Any) -> str:
    with pytest.raises(StudyError) as caught:
        load(source, folder, **options)
    message = str(caught.value).replace(f"{folder}/", "")
    assert "\n" not in message
    assert not re.search("pa55word|signature", message)
    return message


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (WEB, "https://example.org:8000/site a/1.jpg"),
        ("HTTP://token@h/a@b/%C3%A9%25.jpg", "http://h/a@b/é%.jpg"),
        ("https://h/%00.jpg", "https://h/%00.jpg"),
        ("https://h/%ff.jpg", "https://h/%ff.jpg"),
        ("https://h", "https://h"),
        ("s3://key:pa55word@bucket/a b#1%20.jpg?signature", "s3://bucket/a b#1%20.jpg"),
        ("az://container@account/1.jpg", "az://container@account/1.jpg"),
        ("https:/user:pa55word@h/1.jpg", "https:/h/1.jpg"),
    ],
)
def test_the_public_name_has_no_secrets(address: str, public: str) -> None:
    assert public_name(address) == public
    assert argument_without_secrets(f"--root={address}") == f"--root={public}"
    assert argument_without_secrets(address) == public
    assert argument_without_secrets("--seed=1") == "--seed=1"


def test_parts_of_addresses() -> None:
    assert path_in(r"https://h:8000/a%5C..%5Cb/c?d") == PurePosixPath("h-8000/a-..-b/c")
    assert [is_address(text) for text in ("s3://b/1.jpg", "data:/1", r"C:\1.jpg", "C:/1.jpg", "a/b://c")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert parse_location("S3://B/A") == "s3://B/A"
    assert parse_location("https:/h/1.jpg") == "https:/h/1.jpg"
    assert parse_location("birds/1") == Path("birds/1")
    for complete in (WEB, "s3://arn:aws:s3:us-west-2:1:accesspoint/a/1.jpg", "http://[::1]:80/"):
        assert is_complete(complete)
    for incomplete in (
        "https:/h",
        "https:///a",
        "https://user:pa55word@/a",
        "http://[::1/",
        "http://h:x/",
        "http://h/\n",
    ):
        assert not is_complete(incomplete)
    assert join("https://h/a/?signature#b", "c d/#?%é.jpg") == "https://h/a/c%20d/%23%3F%25%C3%A9.jpg?signature"
    assert join("s3://b/a/", "c d/#?%é.jpg") == "s3://b/a/c d/#?%é.jpg"


@pytest.mark.parametrize("kind", ["txt", "csv", "parquet", "json"])
def test_addresses_are_listed_beside_paths(kind: str, tmp_path: Path) -> None:
    addresses, source = [WEB, "MEMORY://b/2.jpg", "a/3.jpg"], tmp_path / f"source.{kind}"
    if kind == "parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({"file": addresses}), source)
    elif kind == "json":
        images = [{"id": number, "file_name": address} for number, address in enumerate(addresses)]
        written(source, {"images": images, "annotations": [], "categories": []})
    else:
        written(source, "\n".join([*(["file"] if kind == "csv" else []), *addresses, ""]))
    photos = [item.photo for item in load(source, tmp_path).items.values()]
    assert [(photo.path, photo.file, photo.species, photo.stem) for photo in photos] == [
        (WEB, "https://example.org:8000/site a/1.jpg", "", "example.org-8000-site a-1"),
        ("memory://b/2.jpg", "memory://b/2.jpg", "", "b-2"),
        (tmp_path / "a/3.jpg", "a/3.jpg", "a", "a-3"),
    ]


def test_boxes_true_classes_and_sites_are_matched_by_the_path(tmp_path: Path) -> None:
    """The table of the photos may have their species, and the detector may have been run on a copy of them."""
    table = f"file,species\n{WEB},badger\nhttps://h/b/2.jpg?signature,red fox\nhttps://h/b/3.jpg,\n"
    box = [{"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4]}]
    files = ["site a/1.jpg", "https://user:pa55word@h/b/2.jpg?other-signature", "https://h/4.jpg?signature"]
    images = [{"file": file, "detections": box} for file in files]
    boxes = written(tmp_path / "boxes.json", {"detection_categories": {"1": "animal"}, "images": images})
    inputs = load(written(tmp_path / "t.csv", table), tmp_path, boxes=boxes, site_from="folder:1")
    expected = (Box(0.1, 0.2, 0.4, 0.6000000000000001),)
    assert [(item.boxes, item.truth.class_name, item.site) for item in inputs.items.values()] == [
        (expected, "badger", "site a"), (expected, "red fox", "b"), (None, "", "b"),
    ]  # fmt: skip
    assert "boxes.json lists 1 photo not in " in inputs.notes[0]
    assert inputs.notes[0].endswith(": https://h/4.jpg")
    assert not re.search("pa55word|signature", json.dumps(inputs.notes))
    twice = written(tmp_path / "truth.csv", f"file,class\n{WEB},badger\n{WEB.replace('signature', 'other')},red fox\n")
    message = refusal(tmp_path / "t.csv", tmp_path, truth=twice)
    assert message.startswith("truth.csv, line 3: https://example.org:8000/site a/1.jpg has another class")


def test_a_root_may_be_an_address(tmp_path: Path) -> None:
    source = written(tmp_path / "t.csv", "file\nbadger/é 1.jpg\n/far/2.jpg\nmemory://b/3.jpg\n")
    for root, path in {
        "https://h/a?signature": "https://h/a/badger/%C3%A9%201.jpg?signature",
        "memory://b": "memory://b/badger/é 1.jpg",
    }.items():
        items = load(source, tmp_path, root=root).items
        assert [item.photo.path for item in items.values()] == [path, Path("/far/2.jpg"), "memory://b/3.jpg"]
        assert items["badger/é 1.jpg"].photo.species == "badger"
    assert refusal(source, tmp_path, root="https://user:pa55word@/a").startswith("--root: this https:// address is")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "ftp://user:pa55word@h/1.jpg",
            "photos cannot be read from ftp:// addresses: use s3://, gs://, az://, https://",
        ),
        ("file:///home/1.jpg", "photos cannot be read from file:// addresses: use"),
        ("data:/1.jpg", "photos cannot be read from data:// addresses: use"),
        ("https:///1.jpg", "this https:// address is damaged or has no host: correct or remove it"),
        ("https://user:pass/pa55word@h/1.jpg", "this https:// address is damaged or has no host"),
        ("http://[::1/1.jpg?signature", "this http:// address is damaged or has no host"),
        ("https://h/\0.jpg", "this https:// address is damaged or has no host"),
        (
            "https://h/1.jpg?other-signature",
            "https://h/1.jpg is also an earlier photo, apart from what reports leave out",
        ),
        ("https://user:pa55word@h/1.jpg", "https://h/1.jpg is also an earlier photo"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    source = written(tmp_path / "list.txt", f"https://h/1.jpg\n{line}\n")
    assert refusal(source, tmp_path).startswith(f"list.txt, line 2: {message}")


def test_a_photo_that_is_listed_twice_is_one(tmp_path: Path) -> None:
    inputs = load(written(tmp_path / "list.txt", f"{WEB}\nHTTPS{WEB[5:]}\n"), tmp_path)
    assert len(inputs.items) == 1
    assert inputs.notes == (
        "list.txt lists more than once, which counts as one photo each, 1 photo: https://example.org:8000/site a/1.jpg",
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("https://user:pa55word@h/photos", "https://h/photos: a web server does not list its photos: give a list"),
        ("https://h/t.csv?signature", "https://h/t.csv is a file: download it, and give its path"),
        ("https:/user:pa55word@h", "SOURCE: this https:// address is damaged or has no host: correct or remove it"),
        ("memory://none", "there is no folder memory://none: correct the address"),
        ("memory://b/1.jpg", "memory://b/1.jpg contains no photos: give the address of a folder"),
        ("memory://b/words", "memory://b/words contains no photos: give the address of a folder"),
        ("ftp://h/photos", "SOURCE: photos cannot be read from ftp:// addresses: use s3://"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(source: str, message: str, tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    for name in ("1.jpg", "words/a.txt"):
        files.pipe_file(f"/b/{name}", b"")
    assert refusal(source, tmp_path).startswith(message)
    files.rm("/b", recursive=True)


def test_a_missing_driver_is_one_sentence_before_any_photo_is_read(
    quick_artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote, "find_spec", lambda name: None if name == "s3fs" else find_spec(name))
    source = written(tmp_path / "list.txt", "a.jpg\ns3://bucket/1.jpg\n")
    command = ["study", str(source), "--artifacts", str(quick_artifacts), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert capsys.readouterr().err == (
        f"error: {source}, line 2: photos at s3:// addresses need a package: pip install fsspec s3fs\n"
    )
    assert not (tmp_path / "out").exists()
