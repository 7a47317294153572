"""Boxes of photos from a detector's file."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camcore.errors import BoxesError
from camcore.study.inputs.detection_formats import EXPECTED_FORMAT
from camcore.study.inputs.detections import Detections, read_detections
from camcore.study.inputs.path_matching import PathMatcher
from camcore.types import Box

BBOX = [0.25, 0.5, 0.5, 0.25]
BOX = Box(0.25, 0.5, 0.75, 0.75)
CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
NO_DETECTOR = "DETECTOR, CLASSIFIER failed"


def detection(category: str = "1", conf: Any = 0.9, bbox: Any = BBOX, **more: Any) -> dict[str, Any]:
    return {"category": category, "conf": conf, "bbox": bbox, **more}


def megadetector(*images: Any, version: Any = "1.4", **more: Any) -> dict[str, Any]:
    return {"info": {"format_version": version}, "detection_categories": CATEGORIES, "images": list(images), **more}


def image(file: Any, *detections: Any, **more: Any) -> dict[str, Any]:
    return {"file": file, "detections": list(detections), **more}


def write(folder: Path, content: Any) -> Path:
    path = folder / "boxes.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def refusal(folder: Path, content: Any, **options: Any) -> str:
    path = write(folder, content)
    with pytest.raises(BoxesError) as caught:
        read_detections(path, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith(f"{path} ")
    return sentence.removeprefix(f"{path} ")


def named(*files: str) -> Detections:
    """Return detections with one box per entry, which is n tenths wide for entry n."""
    return Detections({file: (Box(0, 0, number / 10, 1),) for number, file in enumerate(files, 1)}, {})


def test_a_megadetector_file_by_hand(tmp_path: Path) -> None:
    content = megadetector(
        image("bonegl/001.jpg", detection(), detection("2"), detection(conf=0.2), detection(conf=0.19)),
        image("bonegl/002.jpg"),
        image("himbul/001.jpg", detection("2"), max_detection_conf=0.9),
    )
    detections = read_detections(write(tmp_path, content))
    assert detections == Detections({"bonegl/001.jpg": (BOX, BOX), "bonegl/002.jpg": (), "himbul/001.jpg": ()}, {})
    assert isinstance(detections.boxes["bonegl/001.jpg"][0], Box)
    assert detections.among(["bonegl/002.jpg", "bonegl/003.jpg"]) == {"bonegl/002.jpg": ()}


def test_a_speciesnet_file_by_hand(tmp_path: Path) -> None:
    predictions = [
        {"filepath": "/data/a.jpg", "detections": [detection(label="animal"), detection("2", label="human")]},
        {"filepath": "/data/b.jpg", "detections": [], "failures": ["CLASSIFIER"], "prediction": "blank"},
        {"filepath": "/data/c.jpg", "failures": ["DETECTOR", "CLASSIFIER"]},
    ]
    path = write(tmp_path, {"predictions": predictions})
    assert read_detections(path) == Detections({"/data/a.jpg": (BOX,), "/data/b.jpg": ()}, {"/data/c.jpg": NO_DETECTOR})
    assert read_detections(path, "Human").boxes == {"/data/a.jpg": (BOX,), "/data/b.jpg": ()}
    assert refusal(tmp_path, {"predictions": predictions}, category="person") == (
        "has no category 'person': choose one of its categories (animal, human, vehicle)"
    )


@pytest.mark.parametrize(
    ("entry", "failure"),
    [
        ({"file": "a.jpg", "detections": None, "failure": "Failure image access"}, "Failure image access"),
        ({"file": "a.jpg", "failure": "Failure image access"}, "Failure image access"),
        ({"file": "a.jpg", "detections": [], "failure": "Failure image access"}, "Failure image access"),
        ({"file": "a.jpg", "detections": None}, "the detector gave no result"),
    ],
)
def test_a_photo_on_which_the_detector_failed_is_not_one_without_boxes(
    tmp_path: Path, entry: dict[str, Any], failure: str
) -> None:
    detections = read_detections(write(tmp_path, megadetector(entry, image("b.jpg"))))
    assert (detections.failure_of("a.jpg"), detections.failure_of("b.jpg")) == (failure, None)
    assert detections.among(["a.jpg", "b.jpg"]) == {"b.jpg": ()}
    assert list(detections.paths.match(["b.jpg"]).unmatched()) == ["a.jpg"]


def test_the_categories_are_read_from_the_file(tmp_path: Path) -> None:
    content = megadetector(image("a.jpg", detection("0"), detection("1", bbox=[0, 0, 1, 1])))
    content["detection_categories"] = {"0": "Animal", "1": "person"}
    assert read_detections(write(tmp_path, content), "ANIMAL").boxes == {"a.jpg": (BOX,)}


@pytest.mark.parametrize("info", [{}, {"detector": "megadetector_v5"}, None])
def test_a_file_without_a_version_is_read_because_timelapse_files_have_none(tmp_path: Path, info: Any) -> None:
    content = {**megadetector(image("a.jpg", detection(), max_detection_conf="")), "info": info}
    assert read_detections(write(tmp_path, content)).boxes == {"a.jpg": (BOX,)}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_saved_by_windows_is_read(tmp_path: Path, encoding: str) -> None:
    content = json.dumps(megadetector(image("bonegl\\Ö.jpg", detection())), ensure_ascii=False)
    detections = read_detections(write(tmp_path, content.encode(encoding)))
    assert detections.among(["bonegl/Ö.jpg"]) == {"bonegl/Ö.jpg": (BOX,)}


@pytest.mark.parametrize(
    ("bbox", "boxes"),
    [
        ([-0.005, 0, 0.5, 1.005], (Box(0, 0, 0.495, 1),)),
        ([0.5, 0.5, 0.506, 0.506], (Box(0.5, 0.5, 1, 1),)),
        ([0, 0, 1, 1], (Box(0, 0, 1, 1),)),
        ([0.2, 0.2, 0, 0.5], ()),
        ([0.2, 0.2, 0.5, -0.1], ()),
        ([1, 0.2, 0.005, 0.5], ()),
        ([0.1, -0.005, 0.5, 0.004], ()),
    ],
)
def test_boxes_are_clipped_and_those_without_area_dropped(tmp_path: Path, bbox: list[float], boxes: Any) -> None:
    detections = read_detections(write(tmp_path, megadetector(image("a.jpg", detection(bbox=bbox)))))
    assert detections.boxes["a.jpg"] == boxes


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_every_box_that_is_kept_is_valid(tmp_path_factory: pytest.TempPathFactory, bbox: list[float]) -> None:
    path = write(tmp_path_factory.getbasetemp(), megadetector(image("a.jpg", detection(bbox=bbox))))
    try:
        boxes = read_detections(path).boxes["a.jpg"]
    except BoxesError:  # the only box leaves the photo
        boxes = ()
    for box in boxes:
        assert 0 <= box.left < box.right <= 1
        assert 0 <= box.top < box.bottom <= 1


@pytest.mark.parametrize(
    "content", [b"file,x_min\na.jpg,0.1\n", b"", b'{"images": [', b"\xff\xd8\xff\xe0", b"[" * 10**5]
)
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal(tmp_path, content) == (
        "is not valid JSON: give the complete JSON file that MegaDetector or SpeciesNet wrote"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a.jpg", "is JSON in an unknown format"),
        ({}, "is JSON in an unknown format"),
        ({"images": []}, "is JSON in an unknown format"),
        ({"images": {}, "detection_categories": CATEGORIES}, "is JSON in an unknown format"),
        ({"predictions": {}}, "is JSON in an unknown format"),
        (megadetector(version="2.0"), "is in MegaDetector's format 2.0, not 1.x"),
        (megadetector(version=10), "is in MegaDetector's format 10, not 1.x"),
    ],
)
def test_another_format_is_refused_with_the_expected_ones(tmp_path: Path, content: Any, problem: str) -> None:
    assert refusal(tmp_path, content) == f"{problem}: {EXPECTED_FORMAT}"


@pytest.mark.parametrize(
    ("bbox", "problem"),
    [
        ([0.1, 0.2, 0.3], "a box that is not four finite numbers, [0.1, 0.2, 0.3], for the photo himbul/7.jpg"),
        (
            [0.1, 0.2, 0.3, float("nan")],
            "a box that is not four finite numbers, [0.1, 0.2, 0.3, nan], for the photo himbul/7.jpg",
        ),
        (
            [0.1, 0.2, 0.3, float("inf")],
            "a box that is not four finite numbers, [0.1, 0.2, 0.3, inf], for the photo himbul/7.jpg",
        ),
        (
            [0.1, 0.2, 0.3, True],
            "a box that is not four finite numbers, [0.1, 0.2, 0.3, True], for the photo himbul/7.jpg",
        ),
        (None, "a box that is not four finite numbers, None, for the photo himbul/7.jpg"),
        (
            [12, 40, 300, 200],
            "a box in pixels, [12, 40, 300, 200], for the photo himbul/7.jpg, where fractions of the photo are needed",
        ),
    ],
)
def test_a_box_that_is_not_valid_is_refused_with_its_photo(tmp_path: Path, bbox: Any, problem: str) -> None:
    for category in ("1", "2"):
        content = megadetector(image("a.jpg"), image("himbul/7.jpg", detection(category, bbox=bbox)))
        assert refusal(tmp_path, content) == f"has {problem}: {EXPECTED_FORMAT}"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"detections": []}, 'is damaged, entry 1 has no "file": run the detector again'),
        (image(7), 'is damaged, entry 1 has no "file": run the detector again'),
        ("a.jpg", 'is damaged, entry 1 has no "file": run the detector again'),
        (
            {"file": "a.jpg", "detections": "none"},
            "is damaged, the detections of a.jpg are not a list of objects: run the detector again",
        ),
        (
            image("a.jpg", BBOX),
            "is damaged, the detections of a.jpg are not a list of objects: run the detector again",
        ),
        (
            image("a.jpg", detection(conf="high")),
            'is damaged, a detection of a.jpg has no "conf": run the detector again',
        ),
    ],
)
def test_a_damaged_entry_is_refused(tmp_path: Path, entry: Any, problem: str) -> None:
    assert refusal(tmp_path, megadetector(entry)) == problem


@pytest.mark.parametrize("bbox", [[0, 0, 1, 1.02], [0.5, 0.5, 0.6, 0.6], [-0.1, 0, 0.5, 0.5]])
def test_a_file_of_which_the_only_box_leaves_the_photo_is_refused(tmp_path: Path, bbox: list[float]) -> None:
    sentence = refusal(tmp_path, megadetector(image("a.jpg", detection(bbox=bbox))))
    assert sentence == f"has a box that leaves the photo, {bbox}, for the photo a.jpg: run the detector again"


def test_an_unknown_category_is_refused_with_those_of_the_file(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, megadetector(), category="bird")
    assert sentence == "has no category 'bird': choose one of its categories (animal, person, vehicle)"
    nothing = {**megadetector(), "detection_categories": {}}
    assert refusal(tmp_path, nothing, category="bird").endswith("choose one of its categories (none)")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BoxesError) as caught:
        read_detections(tmp_path / "none.json")
    assert str(caught.value) == (
        f"there is no file {tmp_path / 'none.json'}: give the JSON file that MegaDetector or SpeciesNet wrote"
    )
    with pytest.raises(BoxesError, match=r"cannot be read \(Is a directory\): give a JSON file with boxes$"):
        read_detections(tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        "bonegl/001.jpg",
        "./bonegl/001.jpg",
        "study/bonegl/001.jpg",
        "/data/study/bonegl/001.jpg",
        "C:\\Data\\Study\\BONEGL\\001.JPG",
        "001.jpg",
    ],
)
def test_a_photo_fits_an_entry_by_whole_components_at_the_end(entry: str) -> None:
    detections = named(entry)
    assert detections.among(["bonegl/001.jpg"]) == {"bonegl/001.jpg": detections.boxes[entry]}
    assert (
        list(detections.paths.match(["bonegl/001.jpg"]).ambiguous()),
        list(detections.paths.match(["bonegl/001.jpg"]).unmatched()),
    ) == ([], [])


@pytest.mark.parametrize(
    "entry", ["himbul/001.jpg", "xbonegl/001.jpg", "1.jpg", "bonegl", "bonegl/001.jpg/x", "/", "."]
)
def test_a_similar_path_does_not_fit(entry: str) -> None:
    detections = named(entry)
    assert detections.among(["bonegl/001.jpg"]) == {}
    assert (
        list(detections.paths.match(["bonegl/001.jpg"]).ambiguous()),
        list(detections.paths.match(["bonegl/001.jpg"]).unmatched()),
    ) == (
        [],
        [entry],
    )


def test_accented_letters_fit_in_either_encoding() -> None:
    assert named("e\u0301le\u0300ve/1.jpg").among(["\u00e9l\u00e8ve/1.jpg"])


@pytest.mark.parametrize(
    ("entries", "best"),
    [
        (("a/1.jpg", "x/a/1.jpg"), "a/1.jpg"),
        (("x/a/1.jpg", "A/1.JPG", "a/1.jpg"), "a/1.jpg"),
        (("1.jpg", "x/a/1.jpg"), "x/a/1.jpg"),
        (("1.jpg", "b/1.jpg", "A/1.JPG"), "A/1.JPG"),
        (("x/a/1.jpg", "y/a/1.jpg"), None),
        (("x/a/1.jpg", "x/A/1.jpg"), None),
        (("a/1.jpg", "a\\1.jpg"), None),
    ],
)
def test_an_identical_path_takes_precedence_and_then_the_longest_common_end(
    entries: tuple[str, ...], best: str | None
) -> None:
    detections = named(*entries)
    assert detections.among(["a/1.jpg"]) == ({"a/1.jpg": detections.boxes[best]} if best else {})
    assert list(detections.paths.match(["a/1.jpg", "c/2.jpg"]).ambiguous()) == ([] if best else ["a/1.jpg"])


def test_an_entry_that_fits_two_photos_equally_well_belongs_to_neither() -> None:
    """Detections of one subfolder, with paths relative to it, do not apply to the others."""
    detections = named("001.jpg", "002.jpg", "003.jpg")
    files = ["a/001.jpg", "a/002.jpg", "b/001.jpg", "003.jpg", "a/003.jpg"]
    assert list(detections.paths.match(files).ambiguous()) == ["a/001.jpg", "b/001.jpg"]
    assert detections.among(files) == {"a/002.jpg": detections.boxes["002.jpg"], "003.jpg": detections.boxes["003.jpg"]}
    assert list(detections.paths.match(files).unmatched()) == []


def test_entries_without_a_photo_are_listed_in_order() -> None:
    detections = named("z/9.jpg", "a/1.jpg", "b/1.jpg", "1.jpg")
    assert list(detections.paths.match(["a/1.jpg"]).unmatched()) == ["z/9.jpg", "b/1.jpg", "1.jpg"]
    assert list(detections.paths.match([]).unmatched()) == list(detections.boxes)


@pytest.mark.slow
@pytest.mark.parametrize(("prefix", "folders"), [("", 10), ("/mnt/cameras/", 10), ("D:\\cameras\\", 1000)])
def test_a_hundred_thousand_photos_with_few_names_are_matched(prefix: str, folders: int) -> None:
    files = [f"camera{folder}/IMG_{number:04}.JPG" for folder in range(folders) for number in range(100)]
    paths = PathMatcher([prefix + file for file in files])
    assert paths.pair(files) == {file: prefix + file for file in files}
    assert (list(paths.match(files).ambiguous()), list(paths.match(files).unmatched())) == ([], [])


@given(st.lists(st.lists(st.sampled_from("abAB"), min_size=1, max_size=3).map("/".join), unique=True), st.data())
def test_find_agrees_with_a_comparison_of_all_entries(entries: list[str], data: st.DataObject) -> None:
    file = data.draw(st.lists(st.sampled_from("abAB"), min_size=1, max_size=3).map("/".join))
    file_parts = file.casefold().split("/")
    ranks: dict[str, tuple[bool, int]] = {}
    for entry in entries:
        parts = entry.casefold().split("/")
        common = min(len(parts), len(file_parts))
        if parts[-common:] == file_parts[-common:]:
            ranks[entry] = (entry == file, common)
    best = [entry for entry, rank in ranks.items() if rank == max(ranks.values())]
    assert PathMatcher(entries).find(file) == (best[0] if len(best) == 1 else None)
    assert list(PathMatcher(entries).match([file]).ambiguous()) == ([file] if len(best) > 1 else [])
