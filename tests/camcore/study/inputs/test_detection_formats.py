"""Files of boxes as other programs write them: each is read, its odd entries are noted, and fuzzed ones are refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camcore.errors import BoxesError
from camcore.study.inputs.detections import CONFIDENCE, Detections, read_detections
from camcore.types import Box, PixelBox, in_fractions
from tests.test_boundaries import ROOT

BBOX = [0.1, 0.2, 0.3, 0.4]
BOX = Box(0.1, 0.2, 0.4, 0.6000000000000001)
CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}


def read(folder: Path, content: Any, **options: Any) -> Detections:
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return read_detections(path, **options)


def image(file: str, *detections: tuple[str, float, list[float]], **more: Any) -> dict[str, Any]:
    entries = [{"category": category, "conf": conf, "bbox": bbox} for category, conf, bbox in detections]
    return {"file": file, "detections": entries, **more}


def megadetector(*images: dict[str, Any], categories: Any = CATEGORIES, **info: Any) -> dict[str, Any]:
    return {"info": {"format_version": "1.4", **info}, "detection_categories": categories, "images": list(images)}


def test_no_category_and_no_detection_means_that_nothing_was_found(tmp_path: Path) -> None:
    detections = read(tmp_path, megadetector(image("a.jpg"), image("b.jpg"), categories={}))
    assert detections == Detections({"a.jpg": (), "b.jpg": ()}, {})


def test_species_as_categories_are_all_animals_but_not_people_and_vehicles(tmp_path: Path) -> None:
    categories = {"1": "unidentified animal", "2": "person", "3": "vehicle", "4": "eagle", "5": "kite"}
    content = megadetector(
        image("a.jpg", ("4", 0.97, BBOX)), image("b.jpg", ("2", 0.8, BBOX), ("1", 0.9, BBOX)),
        image("c.jpg", ("3", 1, BBOX)), categories=categories,
    )  # fmt: skip
    detections = read(tmp_path, content)
    assert detections.boxes == {"a.jpg": (BOX,), "b.jpg": (BOX,), "c.jpg": ()}
    assert detections.notes == ("has no category 'animal': its categories eagle, unidentified animal are used",)
    assert read(tmp_path, content, category="Eagle").boxes == {"a.jpg": (BOX,), "b.jpg": (), "c.jpg": ()}
    with pytest.raises(BoxesError, match=r"has no category 'owl': choose one of its categories \(unidentified animal,"):
        read(tmp_path, content, category="owl")


@pytest.mark.parametrize(("number", "categories"), [("0", None), ("1", None), ("0", {}), ("1", {})])
def test_categories_without_names_are_those_of_the_detector(number: str, categories: Any, tmp_path: Path) -> None:
    person = str(int(number) + 1)
    content = megadetector(image("a.jpg", (number, 0.9, BBOX), (person, 0.9, BBOX)), categories=categories)
    detections = read(tmp_path, content)
    assert detections.boxes == {"a.jpg": (BOX,)}
    assumed = f"{number} for animal, {person} for person, {int(number) + 2} for vehicle are assumed"
    assert detections.notes == (f"does not name its categories: {assumed}",)


def test_a_list_in_pixels_waits_for_the_size_of_the_photo(tmp_path: Path) -> None:
    entry = {"file": "a.jpg", "detections": [{"category": "animal", "confidence": 0.93, "bbox": [50, 75, 200, 225]}]}
    person = {"category": "person", "confidence": 0.9, "bbox": [0, 0, 9, 9]}
    detections = read(tmp_path, [entry, {"file": "b.jpg", "detections": [person]}])
    assert detections.boxes == {"a.jpg": (PixelBox(50, 75, 200, 225),), "b.jpg": ()}
    assert in_fractions(detections.boxes["a.jpg"], (500, 300)) == (Box(0.1, 0.25, 0.4, 0.75),)
    assert in_fractions(detections.boxes["a.jpg"], (40, 40)) == ()


def test_what_is_odd_among_many_is_left_out_and_noted(tmp_path: Path) -> None:
    content = megadetector(
        image("a.jpg", ("1", 0.9, [0.1, 0.1, 1.02, 0.5])),
        image("b.jpg", ("1", 0.9, BBOX), ("1", 0.9, [12, 40, 300, 200])),
        image("c.jpg", ("1", 0.9, BBOX)),
        {"detections": []},
        {"file": "d.jpg", "detections": [{"category": "1", "bbox": BBOX}]},
        {"file": "e.jpg", "detections": "none"},
    )
    detections = read(tmp_path, content)
    assert detections.boxes == {"b.jpg": (BOX,), "c.jpg": (BOX,)}
    assert detections.failures == {
        "a.jpg": "its box cannot be used", "d.jpg": "its box cannot be used", "e.jpg": "its entry is damaged",
    }  # fmt: skip
    assert detections.notes == (
        "has a box that leaves the photo, which is left out, for 1 photo: a.jpg",
        "has a box in pixels, which is left out, for 1 photo: b.jpg",
        'has an entry without a "file", which is left out, for 1 photo: entry 4',
        'has a detection without a "conf", which is left out, for 1 photo: d.jpg',
        "has detections that are not a list of objects, which are left out, for 1 photo: e.jpg",
    )


def test_a_photo_that_is_listed_twice_has_the_boxes_of_both_entries(tmp_path: Path) -> None:
    other = [0.5, 0.5, 0.25, 0.25]
    twin, failed = image("a.jpg", ("1", 0.9, BBOX)), {"file": "b.jpg", "failure": "Failure image access"}
    content = megadetector(twin, twin, failed, image("b.jpg", ("1", 0.9, BBOX)), image("b.jpg", ("1", 0.9, other)))
    detections = read(tmp_path, content)
    assert detections.boxes == {"a.jpg": (BOX,), "b.jpg": (BOX, Box(0.5, 0.5, 0.75, 0.75))}
    assert detections.failures == {}
    assert detections.notes == ("lists more than once, with different boxes, which are all used, 1 photo: b.jpg",)
    after = megadetector(image("b.jpg", ("1", 0.9, BBOX)), failed)
    assert read(tmp_path, after).failures == {}


def test_the_detectors_own_threshold_is_the_default(tmp_path: Path) -> None:
    content = megadetector(image("a.jpg", ("1", 0.3, BBOX)), detector_metadata={"typical_detection_threshold": 0.6})
    assert (read(tmp_path, content).boxes, read(tmp_path, content).confidence) == ({"a.jpg": ()}, 0.6)
    assert read(tmp_path, content, confidence=0.25).boxes == {"a.jpg": (BOX,)}
    for threshold in (None, "high", 7, True):
        odd = megadetector(image("a.jpg"), detector_metadata={"typical_detection_threshold": threshold})
        assert read(tmp_path, odd).confidence == CONFIDENCE


def test_coco_camera_traps(tmp_path: Path) -> None:
    content = {
        "images": [
            {"id": "1", "file_name": "site1/a.jpg", "width": 1000, "height": 500, "location": 43},
            {"id": "2", "file_name": "site1/b.jpg", "location": "43"},
            {"id": "3", "file_name": "site2/c.jpg"},
            {"id": "4", "file_name": "site2/d.jpg"},
            {"id": "5", "file_name": "site2/e.jpg"},
        ],
        "annotations": [
            {"image_id": "1", "category_id": 7, "bbox": [100, 100, 300, 200]},
            {"image_id": "1", "category_id": 1, "bbox": [0, 0, 10, 10]},
            {"image_id": "2", "category_id": 7, "bbox": [100, 100, 300, 200]},
            {"image_id": "3", "category_id": 0},
            {"image_id": "4", "category_id": 7, "sequence_level_annotation": True},
            {"image_id": "5", "category_id": 7, "bbox_relative": BBOX},
        ],
        "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "human"}, {"id": 7, "name": "deer"}],
    }
    detections = read(tmp_path, content)
    assert detections.boxes == {
        "site1/a.jpg": (Box(0.1, 0.2, 0.4, 0.6),), "site1/b.jpg": (PixelBox(100, 100, 400, 300),), "site2/c.jpg": (),
        "site2/e.jpg": (BOX,),
    }  # fmt: skip
    assert detections.failures == {"site2/d.jpg": "a label without a box"}
    assert detections.sites == {"site1/a.jpg": "43", "site1/b.jpg": "43"}
    assert detections.notes == ("has no category 'animal': its categories deer are used",)


def camtrap_dp(folder: Path) -> Path:
    folder.mkdir()
    (folder / "datapackage.json").write_text("{}")
    (folder / "media.csv").write_text(
        "mediaID,deploymentID,filePath,fileName\n"
        "m1,d1,media/d1/IMG_1.JPG,IMG_1.JPG\nm2,d1,https://example.org/media/77,IMG_2.JPG\nm3,d2,media/d2/IMG_3.JPG,\n"
        "m4,d2,media/d2/IMG_4.JPG,\n"
    )
    (folder / "observations.csv").write_text(
        "observationID,mediaID,observationType,scientificName,bboxX,bboxY,bboxWidth,bboxHeight\n"
        "o1,m1,animal,Vulpes vulpes,0.1,0.2,0.3,0.4\no2,m1,human,,0.5,0.5,0.1,0.1\no3,m2,blank,,,,,\n"
        "o4,m3,animal,Meles meles,,,,\no5,,animal,Cervus elaphus,,,,\n"
    )
    (folder / "deployments.csv").write_text("deploymentID,locationID,locationName\nd1,l1,Ridge\nd2,l2,\n")
    return folder


@pytest.mark.parametrize("name", ["", "datapackage.json", "observations.csv", "media.csv"])
def test_camtrap_dp(name: str, tmp_path: Path) -> None:
    detections = read_detections(camtrap_dp(tmp_path / "package") / name)
    assert detections.boxes == {"media/d1/IMG_1.JPG": (BOX,), "IMG_2.JPG": ()}
    assert detections.failures == {
        "media/d2/IMG_3.JPG": "a label without a box", "media/d2/IMG_4.JPG": "neither a label nor a box",
    }  # fmt: skip
    sites = {
        "media/d1/IMG_1.JPG": "Ridge",
        "IMG_2.JPG": "Ridge",
        "media/d2/IMG_3.JPG": "l2",
        "media/d2/IMG_4.JPG": "l2",
    }
    assert detections.sites == sites
    assert detections.notes == ("has 1 observations of events, not of single photos, which are left out",)


def test_a_damaged_table_of_camtrap_dp_is_one_sentence(tmp_path: Path) -> None:
    folder = camtrap_dp(tmp_path / "package")
    (folder / "media.csv").write_text("mediaID\nm1\n")
    with pytest.raises(
        BoxesError, match=r"media\.csv, line 1: the columns are mediaid, but the table needs mediaid and filepath"
    ):
        read_detections(folder)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 900) | st.floats() | st.sampled_from(["1", "animal", "a.jpg", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["file", "bbox", "category"]), inner),
    max_leaves=6,
)
DETECTION = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("category", "conf", "bbox", "label", "confidence"), VALUES)
)
LISTED = st.lists(DETECTION | VALUES, max_size=3)
ENTRY_KEYS = ("file", "filepath", "file_name", "id", "width", "height", "failure", "failures")
ENTRY = st.fixed_dictionaries({}, optional=dict.fromkeys(ENTRY_KEYS, VALUES) | {"detections": VALUES | LISTED})
ANNOTATION_KEYS = ("image_id", "category_id", "bbox", "bbox_relative")
ANNOTATION = st.fixed_dictionaries({}, optional=dict.fromkeys(ANNOTATION_KEYS, VALUES))
ENTRIES = VALUES | st.lists(ENTRY | VALUES, max_size=3)
CATEGORY_NAMES = VALUES | st.dictionaries(st.sampled_from("0123"), VALUES)
FILE_KEYS = {
    "images": ENTRIES, "predictions": ENTRIES, "annotations": VALUES | st.lists(ANNOTATION | VALUES, max_size=3),
    "categories": VALUES, "detection_categories": CATEGORY_NAMES, "info": VALUES,
}  # fmt: skip
CONTENT = ENTRIES | st.fixed_dictionaries({}, optional=FILE_KEYS)


@settings(max_examples=200, deadline=None)
@given(content=CONTENT, category=st.sampled_from(["animal", "1"]))
def test_any_content_gives_boxes_or_one_sentence(
    content: Any, category: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    boxes, sentence = [], ""
    try:
        detections = read(tmp_path_factory.getbasetemp(), content, category=category)
        boxes = [box for listed in detections.boxes.values() for box in in_fractions(listed, (640, 480))]
    except BoxesError as error:
        sentence = str(error)
    assert "\n" not in sentence
    for box in boxes:
        assert 0 <= box.left < box.right <= 1
        assert 0 <= box.top < box.bottom <= 1


READ_ALL = """
import sys, time
from pathlib import Path
from camcore.study.inputs.detections import read_detections
detections = read_detections(Path(sys.argv[1]))
print(len(detections.among(list(detections.boxes))), time.process_time(), Path("/proc/self/status").read_text())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_three_hundred_thousand_detections_are_read_within_fifteen_seconds_and_150_megabytes(tmp_path: Path) -> None:
    images = [
        image(f"site{number // 1000}/IMG_{number:06}.JPG", ("1", 0.9, BBOX), ("1", 0.8, BBOX), ("2", 0.7, BBOX))
        for number in range(100_000)
    ]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(megadetector(*images)))
    command = [sys.executable, "-c", READ_ALL, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=ROOT)
    count, seconds, *status = done.stdout.split()
    assert int(count) == 100_000
    assert float(seconds) < 15  # half of it because the file is read in a stream, and its boxes are kept on disk
    assert 1024 * int(status[status.index("VmHWM:") + 1]) < 150e6
