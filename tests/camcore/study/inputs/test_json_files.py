"""Large JSON files are read in a stream, and give what they give when they are read whole."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings

from camcore.errors import CamError
from camcore.study.inputs import json_files
from camcore.study.inputs.detections import read_detections
from camcore.study.inputs.json_files import JsonFile
from camcore.study.inputs.species import read_species
from camcore.study.inputs.truths import load_truths
from tests.camcore.study.inputs.test_detection_formats import CONTENT, megadetector
from tests.camcore.study.inputs.test_detection_formats import image as entry

BBOX = [0.1, 0.2, 0.3, 0.4]
DEER = {"id": 7, "name": "deer"}
COCO = {
    "annotations": [{"image_id": 1, "category_id": 7, "bbox": [10, 10, 20, 20]}, {"image_id": 2, "category_id": 7}],
    "images": [
        {"id": 1, "file_name": "a.jpg", "width": 100, "height": 50, "location": 3, "date_captured": "2024-05-06 07:08"},
        {"id": 2, "file_name": "b.jpg"},
    ],
    "categories": [DEER],
}
FORMATS: dict[str, Any] = {
    "megadetector": megadetector(entry("a.jpg", ("1", 0.9, BBOX)), {"file": "b.jpg", "failure": "no image"}),
    "last categories": {"images": [entry("a.jpg", ("2", 0.9, BBOX))], "detection_categories": {"2": "animal"}},
    "unnamed": {"images": [entry("é.jpg", ("1", 0.9, BBOX))], "detection_categories": None},
    "speciesnet": {"predictions": [{"filepath": "a.jpg", "detections": [], "prediction": "red fox"}]},
    "list": [{"file": "a.jpg", "detections": [{"category": "animal", "confidence": 0.9, "bbox": [1, 2, 30, 40]}]}],
    "coco": COCO,
    "version": megadetector(format_version="2.0"),
    "object": {"images": {"item": 1}, "detection_categories": {}},
    "number": 7,
    "empty": {},
}


def outcomes(path: Path) -> list[Any]:
    """Return what a file gives as boxes and as true classes, or the sentences that refuse it."""
    results: list[Any] = []
    for read in (read_detections, lambda path: load_truths(path, read_species(), ("deer", "red fox"))):
        try:
            results.append(read(path))
        except CamError as error:
            results.append(str(error))
    return results


def both_ways(path: Path) -> list[list[Any]]:
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for bound in (10**9, 0):
            patch.setattr(json_files, "STREAMED_FROM", bound)
            results.append(outcomes(path))
    return results


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_either_way(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(FORMATS[name], ensure_ascii=False), encoding=encoding)
    whole, streamed = both_ways(path)
    assert streamed == whole


@settings(max_examples=100, deadline=None)
@given(content=CONTENT)
def test_any_content_gives_the_same_either_way(content: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "either.json"
    try:
        path.write_text(json.dumps(content, allow_nan=False))
    except ValueError:  # NaN and infinity are not JSON
        assume(False)
    whole, streamed = both_ways(path)
    assert streamed == whole


@pytest.mark.parametrize(
    "content", [b"file,x_min\n", b"", b'{"images": [', b"\xff\xd8\xff\xe0", b"[" * 10**5, b"{} {}"]
)
def test_a_damaged_file_is_refused_either_way(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_bytes(content)
    whole, streamed = both_ways(path)
    assert streamed == whole
    assert "is not valid JSON" in streamed[0]


def test_not_a_number_in_a_large_file_is_refused_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "STREAMED_FROM", 0)
    path = tmp_path / "boxes.json"
    path.write_text('{"images": [{"location": NaN}]}')
    with pytest.raises(CamError, match="has NaN or Infinity, which JSON does not have: write null in its place"):
        JsonFile(path)


def test_without_ijson_a_large_file_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "boxes.json"
    path.write_text('{"info": {"a": NaN}, "images": [{"file": "a.jpg"}, 2]}')
    monkeypatch.setattr(json_files, "STREAMED_FROM", 1)
    monkeypatch.setattr(json_files, "find_spec", lambda name: None)
    file = json_files.JsonFile(path)
    assert list(file.items("images")) == [{"file": "a.jpg"}, 2]
    assert file.has_array("images")
