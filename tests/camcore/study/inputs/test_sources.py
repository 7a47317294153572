"""Photos from folders, lists, tables and data sets."""

import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from camcore.errors import StudyError
from camcore.study.inputs.load import InputPaths, StudyInputs, StudyItem, load_inputs
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.species import GroundTruth, Species
from camcore.types import Box, PixelBox
from tests.camcore.study.inputs.test_detection_formats import camtrap_dp
from tests.test_boundaries import ROOT

LABELS = ("red fox", "badger", "Vulpes vulpes")


def load(source: Path, *, boxes: Path | None = None, truth: Path | None = None, **options: Any) -> StudyInputs:
    return load_inputs(InputPaths(source, boxes, truth, None, "animal", **options), LABELS, source.parent / "study")


def refusal(source: Path, **options: Any) -> str:
    with pytest.raises(StudyError) as caught:
        load(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{source.parent}/", "")


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def summary(inputs: StudyInputs) -> dict[str, tuple[Any, ...]]:
    return {file: (item.boxes, item.truth.class_name, item.site, item.taken_at) for file, item in inputs.items.items()}


def test_the_photos_of_a_folder_are_in_alphabetical_order_of_their_paths(tmp_path: Path) -> None:
    choice = random.Random(5)
    for _ in range(300):
        parts = ["".join(choice.choices("aAb-!.é", k=choice.randint(1, 2))).strip(".") or "x" for _ in range(3)]
        file = tmp_path / "photos" / Path(*parts[: choice.randint(0, 2)], parts[2] + choice.choice([".jpg", ".JPG"]))
        if not any(parent.is_file() for parent in file.parents):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    walked = sorted((tmp_path / "photos").rglob("*.*"), key=lambda path: path.parts)
    files = [
        path.relative_to(tmp_path / "photos") for path in walked if path.is_file() and path.suffix.lower() == ".jpg"
    ]
    expected = sorted((file.as_posix() for file in files), key=str.casefold)
    inputs = load(tmp_path / "photos")
    assert [*inputs.items] == expected
    assert len({item.photo.stem.casefold() for item in inputs.items.values()}) == len(expected)


def test_a_list(tmp_path: Path) -> None:
    source = tmp_path / "list.txt"
    absolute = (tmp_path / "other" / "3.jpg").as_posix()
    source.write_text(f"\ufeffred fox/1.jpg\r\n\r\n  b\\2.jpg \n{absolute}\nred fox/1.jpg\n./b/2.jpg\n../4.jpg\n")
    inputs = load(source)
    photos = [item.photo for item in inputs.items.values()]
    assert [(photo.file, photo.species, photo.stem) for photo in photos] == [
        ("red fox/1.jpg", "red fox", "red fox-1"), ("b/2.jpg", "b", "b-2"),
        (absolute, "", "-".join(Path(absolute).with_suffix("").parts[1:])), ("../4.jpg", "", "4"),
    ]  # fmt: skip
    assert photos[0].path == tmp_path / "red fox" / "1.jpg"
    assert photos[2].path == Path(absolute)
    assert inputs.notes[0] == (
        "list.txt lists more than once, which counts as one photo each, 2 photos: b/2.jpg, red fox/1.jpg"
    )
    assert next(iter(load(source, root=tmp_path / "far").items.values())).photo.path == tmp_path / "far/red fox/1.jpg"
    assert [item.site for item in load(source, site_from="folder:1").items.values()][:2] == ["red fox", "b"]


@pytest.mark.parametrize("address", ["https://example.org/1.jpg", "s3://bucket/1.jpg", "gs://b/1.jpg", "file:///1.jpg"])
def test_addresses_are_refused(address: str, tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "list.txt", f"a.jpg\n{address}\n")) == (
        f"list.txt, line 2: {address!r} is an address, from which no photo is read: download the photos, and list "
        "their paths on this computer"
    )


def test_a_source_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "empty.txt", "\n")) == (
        "empty.txt lists no photos: add them, or give a folder of photos"
    )
    assert refusal(written(tmp_path / "odd.txt", "a\0.jpg")).endswith(
        "is not the path of a photo: correct or remove it"
    )
    assert refusal(written(tmp_path / "a.jpg", "")).startswith("a.jpg is a file: give a folder of photos, with one")
    assert refusal(tmp_path / "none.csv").startswith("there is no file none.csv: give a folder of photos, or a file")
    assert "has no column of photos: call it file or filename" in refusal(written(tmp_path / "t.csv", "a,b\n1,2\n"))
    assert refusal(written(tmp_path / "md.json", {"images": []})).startswith("md.json lists no photos to study: give")
    assert refusal(written(tmp_path / "cut.json", "{")).startswith("cut.json is not valid JSON: give the complete")
    (tmp_path / "latin.txt").write_bytes(b"\xfc.jpg")
    assert refusal(tmp_path / "latin.txt").startswith("latin.txt is not UTF-8 text: save the list in UTF-8")


ROWS = [
    {"RelativePath": "north", "File": "1.jpg", "Species": "badger", "Station": "N", "DateTime": "2024-05-06 07:08:09"},
    {"RelativePath": "south", "File": "1.jpg", "Species": "", "Station": "", "DateTime": ""},
]
OF_ROWS = {"north/1.jpg": (None, "badger", "N", "2024-05-06T07:08:09"), "south/1.jpg": (None, "", "", "")}


def as_table(path: Path, separator: str) -> Path:
    lines = [ROWS[0].keys(), *(row.values() for row in ROWS)]
    return written(path, "\n".join(map(separator.join, lines)) + "\n")


@pytest.mark.parametrize(("name", "separator"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t")])
def test_a_table_has_sites_dates_and_species(name: str, separator: str, tmp_path: Path) -> None:
    source = as_table(tmp_path / name, separator)
    assert summary(load(source)) == OF_ROWS
    truth = written(tmp_path / "truth.csv", "file,class\nnorth/1.jpg,red fox\n")
    assert summary(load(source, truth=truth))["north/1.jpg"][1:] == ("red fox", "N", "2024-05-06T07:08:09")


def test_a_parquet_file_is_a_table(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist([{**row, "Picture": b"\xff\xd8"} for row in ROWS])
    parquet.write_table(table, tmp_path / "t.parquet")
    assert summary(load(tmp_path / "t.parquet")) == OF_ROWS
    truths = load(written(tmp_path / "l.txt", "north/1.jpg\n"), truth=tmp_path / "t.parquet")
    assert summary(truths)["north/1.jpg"][1] == "badger"
    damaged = written(tmp_path / "damaged.parquet", "PAR1")
    assert refusal(damaged) == "damaged.parquet is not a valid Parquet file: write it again, or save the table as CSV"


def test_a_parquet_file_without_pyarrow_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refusal(written(tmp_path / "t.parquet", "")) == (
        "t.parquet is a Parquet file, for which the package pyarrow is missing: run `pip install pyarrow`, or save the "
        "table as CSV"
    )


@pytest.mark.parametrize("name", ["", "datapackage.json", "media.csv"])
def test_camtrap_dp_brings_boxes_species_sites_and_dates(name: str, tmp_path: Path) -> None:
    package = camtrap_dp(tmp_path / "package")
    media = package / "media.csv"
    rows = "m1,d1,a/1.jpg,,2024-05-06T07:08:09+0200\nm2,d1,a/2.jpg,,\nm3,d2,b/3.jpg,,\nm4,d2,b/4.mp4,,\n"
    media.write_text("mediaID,deploymentID,filePath,fileName,timestamp\n" + rows)
    inputs = load(package / name)
    assert summary(inputs) == {
        "a/1.jpg": ((Box(0.1, 0.2, 0.4, 0.6000000000000001),), "Vulpes vulpes", "Ridge", "2024-05-06T07:08:09"),
        "a/2.jpg": ((), "", "Ridge", ""),
        "b/3.jpg": (None, "", "l2", ""),
    }
    assert next(iter(inputs.items.values())).photo.path == package / "a" / "1.jpg"
    assert "ignored files without the suffix of a photo: 1, of the suffixes .mp4 (1)" in inputs.notes
    boxes = written(
        tmp_path / "b.json", {"detection_categories": {}, "images": [{"file": "a/1.jpg", "detections": []}]}
    )
    assert summary(load(package / name, boxes=boxes))["a/1.jpg"][:2] == ((), "Vulpes vulpes")


def test_coco_camera_traps_brings_boxes_species_sites_and_dates(tmp_path: Path) -> None:
    coco = {
        "images": [
            {"id": 1, "file_name": "a/1.jpg", "location": 4, "date_captured": "2024-05-06 07:08:09"},
            {"id": 2, "file_name": "a/2.jpg"},
        ],
        "annotations": [{"image_id": 1, "category_id": 3, "bbox": [1, 2, 10, 20]}, {"image_id": 2, "category_id": 0}],
        "categories": [{"id": 0, "name": "empty"}, {"id": 3, "name": "badger"}],
    }
    source = written(tmp_path / "coco.json", coco)
    assert summary(load(source)) == {
        "a/1.jpg": ((PixelBox(1, 2, 11, 22),), "badger", "4", "2024-05-06T07:08:09"), "a/2.jpg": ((), "", "", ""),
    }  # fmt: skip
    assert next(iter(load(source, root=tmp_path / "far").items.values())).photo.path == tmp_path / "far/a/1.jpg"


def test_a_folder_of_an_upload_is_a_folder_whatever_it_contains(tmp_path: Path) -> None:
    """So that no visitor of the page makes the server read a file outside the upload."""
    upload, secret = camtrap_dp(tmp_path / "upload"), tmp_path / "secret.jpg"
    secret.touch()
    (upload / "media.csv").write_text(
        f"mediaID,filePath\nm1,{secret}\nm2,../secret.jpg\nm3,https://example.org/1.jpg\n"
    )
    written(upload / "list.txt", f"{secret}\n")
    written(upload / "table.csv", f"file\n{secret}\n")
    written(upload / "coco.json", {"images": [{"file_name": str(secret)}], "annotations": []})
    (upload / "own.jpg").touch()
    inputs = load(upload, source_kind="folder")
    assert [item.photo.path for item in inputs.items.values()] == [upload / "own.jpg"]
    assert (inputs.confidence, inputs.items["own.jpg"].boxes) == (None, None)
    for name in ("list.txt", "table.csv", "coco.json", "media.csv"):
        assert "is a file: give a folder of photos" in refusal(upload / name, source_kind="folder")


def test_an_item_is_pickled_small_and_whole() -> None:
    photo = StudyPhoto(Path("/data/site1/IMG_0001.JPG"), "site1/IMG_0001.JPG", "site1", "site1-IMG_0001")
    truth = GroundTruth(Species("fox", "Red Fox", "Vulpes vulpes"), 3, True, "red fox")
    for item in (
        StudyItem(photo, (Box(0, 0.1, 0.2, 0.3),), truth, "n", "2024-05-06T07:08:09"),
        StudyItem(photo, None, GroundTruth()),
    ):
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        assert pickle.loads(data) == item
        assert len(data) < 400


LOAD = """
import sys
from pathlib import Path
from camcore.study.inputs import json_files
from camcore.study.inputs.load import InputPaths, load_inputs
def memory():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
json_files.STREAMED_FROM = 0
folder, growth = Path(sys.argv[1]), []
for count in map(int, sys.argv[2:]):
    paths = InputPaths(folder / f"{count}.csv", folder / f"{count}.json", None, None, "animal")
    inputs = load_inputs(paths, ("badger", "red fox"), folder / "study")
    assert len(inputs.items) == count
    assert sum(len(item.boxes) for item in inputs.items.values()) == count
    growth.append(memory())
print(growth[1] - growth[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_photos(tmp_path: Path) -> None:
    many, allowed = (50_000, 6000) if "SOAK" in os.environ else (20_000, 4000)  # photos, and kB for these
    for count in (2000, many):
        files = [f"badger/camera{number // 1000}/IMG_{number:06}.JPG" for number in range(count)]
        written(tmp_path / f"{count}.csv", "file,site,datetime\n" + "".join(f"{f},n,2024-05-06 07:08\n" for f in files))
        box = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4]}
        images = [{"file": file, "detections": [box]} for file in files]
        written(tmp_path / f"{count}.json", {"detection_categories": {"1": "animal"}, "images": images})
    command = [sys.executable, "-c", LOAD, str(tmp_path), "2000", str(many)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=120)
    assert int(done.stdout) < allowed
