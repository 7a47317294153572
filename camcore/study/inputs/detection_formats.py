"""Formats of files with boxes: MegaDetector and its relatives, SpeciesNet, COCO Camera Traps, and lists in pixels."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from camcore.errors import BoxesError

DETECTORS = "MegaDetector or SpeciesNet"
EXPECTED_FORMAT = (
    "use the JSON file of MegaDetector (format 1.x), AddaxAI, SpeciesNet, PyTorch-Wildlife or COCO Camera Traps, or "
    "the datapackage.json of Camtrap DP"
)
_NUMBERED = {"1": "animal", "2": "person", "3": "vehicle"}  # MegaDetector's categories
_NUMBERED_FROM_0 = {"0": "animal", "1": "person", "2": "vehicle"}  # PyTorch-Wildlife's

BoxLayout = Literal["fractions", "pixels", "corners"]


class RawDetection(NamedTuple):
    """One detection as a file has it; nothing of it has been checked."""

    category: Any
    score: Any
    box: Any
    layout: BoxLayout = "fractions"  # x, y, width and height, in fractions or pixels; or two corners in pixels
    size: tuple[Any, Any] | None = None  # (width, height) of the photo in pixels, if the file has it


class Entry(NamedTuple):
    """One photo of a file; nothing of it has been checked."""

    file: Any
    detections: Any  # a list of `RawDetection`, or what the file has in place of a list
    failure: str | None = None
    site: str = ""
    names: Sequence[str] = ()  # of the species, for `names_of`


@dataclass(frozen=True)
class DetectionFile:
    """The content of a file of boxes."""

    entries: Iterator[Entry]
    categories: Mapping[str, str] | None  # names by number; None if the file names each detection's category itself
    confidence: float | None = None  # the detector's typical threshold
    notes: list[str] = field(default_factory=list)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; raise BoxesError if it is missing or damaged."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BoxesError(f"there is no file {path}: give the JSON file that {DETECTORS} wrote") from None
    except OSError as error:
        raise BoxesError(f"{path} cannot be read ({error.strerror}): give a JSON file with boxes") from error
    except (ValueError, RecursionError):
        raise BoxesError(f"{path} is not valid JSON: give the complete JSON file that {DETECTORS} wrote") from None


def parse(loaded: Any) -> DetectionFile:
    """Return the entries of a JSON file of one of the formats; raise BoxesError if it has another."""
    if isinstance(loaded, list):
        return DetectionFile(map(_listed_entry, loaded), None)
    if not isinstance(loaded, dict):
        raise BoxesError(f"is JSON in an unknown format: {EXPECTED_FORMAT}")
    if isinstance(loaded.get("annotations"), list) and isinstance(loaded.get("images"), list):
        return _coco(loaded)
    if isinstance(loaded.get("predictions"), list):
        categories = {"1": "animal", "2": "human", "3": "vehicle"}
        return DetectionFile((_entry(entry, "filepath") for entry in loaded["predictions"]), categories)
    return _megadetector(loaded)


def _megadetector(loaded: Mapping[str, Any]) -> DetectionFile:
    categories, images = loaded.get("detection_categories"), loaded.get("images")
    if not isinstance(images, list) or not ("detection_categories" in loaded and isinstance(categories, dict | None)):
        raise BoxesError(f"is JSON in an unknown format: {EXPECTED_FORMAT}")
    info = loaded.get("info") if isinstance(loaded.get("info"), dict) else {}
    version = info.get("format_version")  # type: ignore[union-attr]
    if version is not None and not str(version).startswith("1."):  # save_detection_timelapse_json writes none
        raise BoxesError(f"is in MegaDetector's format {version}, not 1.x: {EXPECTED_FORMAT}")
    metadata = info.get("detector_metadata")  # type: ignore[union-attr]
    typical = metadata.get("typical_detection_threshold") if isinstance(metadata, dict) else None
    result = DetectionFile((_entry(image, "file") for image in images), categories, _confidence(typical))
    if not categories and (used := _used_categories(images)):
        named = _NUMBERED_FROM_0 if "0" in used else _NUMBERED
        meaning = ", ".join(f"{number} for {name}" for number, name in named.items())
        note = f"does not name its categories: {meaning} are assumed"
        return DetectionFile(result.entries, named, result.confidence, [note])
    named = {str(number): str(name) for number, name in (categories or {}).items()}
    return DetectionFile(result.entries, named, result.confidence)


def _confidence(value: Any) -> float | None:
    return float(value) if is_number(value) and 0 <= value <= 1 else None


def _used_categories(images: Sequence[Any]) -> set[str]:
    lists = (image.get("detections") for image in images if isinstance(image, dict))
    detections = (detection for listed in lists if isinstance(listed, list) for detection in listed)
    return {str(detection.get("category")) for detection in detections if isinstance(detection, dict)}


def _entry(entry: Any, file_key: str) -> Entry:
    """Return an entry of MegaDetector or SpeciesNet."""
    if not isinstance(entry, dict):
        return Entry(None, None)
    detections = entry.get("detections")
    failure = _failure(entry)
    if failure is None and isinstance(detections, list):
        detections = [_detection(detection, "conf", "fractions") for detection in detections]
    return Entry(entry.get(file_key), detections, failure)


def _failure(entry: Mapping[str, Any]) -> str | None:
    detections, failure = entry.get("detections"), entry.get("failure")
    if detections or (detections is not None and not failure):  # other components of SpeciesNet may have failed
        return None
    components = entry.get("failures")
    if isinstance(components, list):
        return ", ".join(map(str, components)) + " failed"
    return str(failure or "the detector gave no result")


def _detection(detection: Any, score_key: str, layout: BoxLayout) -> RawDetection | None:
    if not isinstance(detection, dict):
        return None
    category = detection.get("label") or detection.get("category")
    return RawDetection(category, detection.get(score_key), detection.get("bbox"), layout)


def _listed_entry(entry: Any) -> Entry:
    """Return an entry of a list with corners in pixels, as Microsoft's command writes it."""
    if not isinstance(entry, dict):
        return Entry(None, None)
    detections = entry.get("detections")
    if isinstance(detections, list):
        detections = [_detection(detection, "confidence", "corners") for detection in detections]
    return Entry(entry.get("file"), detections)


def _coco(loaded: Mapping[str, Any]) -> DetectionFile:
    """Return the entries of COCO Camera Traps: an image without a box is one that nobody marked, unless it is empty."""
    names = {
        str(category["id"]): str(category.get("name", category["id"]))
        for category in _objects(loaded.get("categories"))
        if "id" in category
    }
    annotations: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in _objects(loaded["annotations"]):
        annotations[str(annotation.get("image_id"))].append(annotation)
    empty = {number for number, name in names.items() if number == "0" or name.casefold() in {"empty", "blank"}}
    images = _objects(loaded["images"])
    return DetectionFile((_coco_entry(image, annotations, names, empty) for image in images), names)


def _coco_entry(
    image: Mapping[str, Any],
    annotations: Mapping[str, Sequence[Mapping[str, Any]]],
    names: Mapping[str, str],
    empty: set[str],
) -> Entry:
    own = annotations.get(str(image.get("id")), ())
    detections, size = [], (image.get("width"), image.get("height"))
    for annotation in own:
        category = str(annotation.get("category_id"))
        if annotation.get("bbox_relative") is not None:
            detections.append(RawDetection(category, 1.0, annotation["bbox_relative"]))
        elif annotation.get("bbox") is not None:
            detections.append(RawDetection(category, 1.0, annotation["bbox"], "pixels", size))
    categories = [str(annotation.get("category_id")) for annotation in own]
    of_photo = [str(a.get("category_id")) for a in own if not a.get("sequence_level_annotation")]
    species = [names[number] for number in dict.fromkeys(of_photo) if number in names and number not in empty]
    failure = None
    if not detections and not (categories and set(categories) <= empty):
        failure = "a label without a box" if own else "neither a label nor a box"
    site = image.get("location")
    return Entry(image.get("file_name"), detections, failure, "" if site is None else str(site), species)


def _objects(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def is_number(value: Any) -> bool:
    """Return whether a value of a JSON file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
