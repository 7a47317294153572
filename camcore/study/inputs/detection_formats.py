"""Formats of files with boxes: MegaDetector and its relatives, SpeciesNet, COCO Camera Traps, and lists in pixels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from camcore.errors import BoxesError
from camcore.study.disk_mapping import DiskLists
from camcore.study.inputs.json_files import JsonFile
from camcore.study.inputs.moments import to_local_time

EXPECTED_FORMAT = (
    "use the JSON file of MegaDetector (format 1.x), AddaxAI, SpeciesNet, PyTorch-Wildlife or COCO Camera Traps, or "
    "the datapackage.json of Camtrap DP"
)
_NUMBERED = {"1": "animal", "2": "person", "3": "vehicle"}  # MegaDetector's categories
_NUMBERED_FROM_0 = {"0": "animal", "1": "person", "2": "vehicle"}  # PyTorch-Wildlife's

_ANNOTATION_KEYS = ("category_id", "bbox", "bbox_relative", "sequence_level_annotation")

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
    names: Sequence[str] = ()  # of the species
    taken_at: str = ""  # local time, as `to_local_time` returns it


@dataclass(frozen=True)
class DetectionFile:
    """The content of a file of boxes, whose entries are read one after another."""

    entries: Iterator[Entry]
    categories: Mapping[str, str] | None  # names by number; None if the file names each detection's category itself
    confidence: float | None = None  # the detector's typical threshold
    notes: list[str] = field(default_factory=list)


def parse(content: JsonFile) -> DetectionFile:
    """Return the entries of a JSON file of one of the formats; raise BoxesError if it has another."""
    if content.is_list:
        return DetectionFile(map(_listed_entry, content.items()), None)
    if not content.is_object:
        raise BoxesError(f"is JSON in an unknown format: {EXPECTED_FORMAT}")
    if is_coco(content):
        return _coco(content)
    if content.has_array("predictions"):
        categories = {"1": "animal", "2": "human", "3": "vehicle"}
        return DetectionFile((_entry(entry, "filepath") for entry in content.items("predictions")), categories)
    return _megadetector(content)


def is_coco(content: JsonFile) -> bool:
    """Return whether a JSON file is of COCO Camera Traps."""
    return content.has_array("annotations") and content.has_array("images")


def _megadetector(content: JsonFile) -> DetectionFile:
    fields = content.fields
    categories = fields.get("detection_categories")
    if not content.has_array("images") or not (
        "detection_categories" in fields and isinstance(categories, dict | None)
    ):
        raise BoxesError(f"is JSON in an unknown format: {EXPECTED_FORMAT}")
    info = fields.get("info") if isinstance(fields.get("info"), dict) else {}
    version = info.get("format_version")  # type: ignore[union-attr]
    if version is not None and not str(version).startswith("1."):  # save_detection_timelapse_json writes none
        raise BoxesError(f"is in MegaDetector's format {version}, not 1.x: {EXPECTED_FORMAT}")
    metadata = info.get("detector_metadata")  # type: ignore[union-attr]
    typical = metadata.get("typical_detection_threshold") if isinstance(metadata, dict) else None
    entries = (_entry(image, "file") for image in content.items("images"))
    if not categories and (used := _used_categories(content.objects("images"))):
        named = _NUMBERED_FROM_0 if "0" in used else _NUMBERED
        meaning = ", ".join(f"{number} for {name}" for number, name in named.items())
        note = f"does not name its categories: {meaning} are assumed"
        return DetectionFile(entries, named, _confidence(typical), [note])
    named = {str(number): str(name) for number, name in (categories or {}).items()}
    return DetectionFile(entries, named, _confidence(typical))


def _confidence(value: Any) -> float | None:
    return float(value) if is_number(value) and 0 <= value <= 1 else None


def _used_categories(images: Iterable[Mapping[str, Any]]) -> set[str]:
    lists = (image.get("detections") for image in images)
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
    return Entry(entry.get(file_key), detections, failure, taken_at=to_local_time(entry.get("datetime")))


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


def _coco(content: JsonFile) -> DetectionFile:
    """Return the entries of COCO Camera Traps: an image without a box is one that nobody marked, unless it is empty."""
    listed = content.objects("categories") if content.has_array("categories") else ()
    names = {str(category["id"]): str(category.get("name", category["id"])) for category in listed if "id" in category}
    return DetectionFile(_coco_entries(content, names), names)


def _coco_entries(content: JsonFile, names: Mapping[str, str]) -> Iterator[Entry]:
    annotations: DiskLists[Mapping[str, Any]] = DiskLists()  # by image
    for annotation in content.objects("annotations"):
        annotations.add(str(annotation.get("image_id")), {key: annotation.get(key) for key in _ANNOTATION_KEYS})
    empty = {number for number, name in names.items() if number == "0" or name.casefold() in {"empty", "blank"}}
    for image in content.objects("images"):
        yield _coco_entry(image, annotations.of(str(image.get("id"))), names, empty)


def _coco_entry(
    image: Mapping[str, Any],
    own: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    empty: set[str],
) -> Entry:
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
    site = "" if site is None else str(site)
    return Entry(image.get("file_name"), detections, failure, site, species, coco_moment(image))


def coco_moment(image: Mapping[str, Any]) -> str:
    """Return when an image of COCO Camera Traps was taken; "" if that is not known."""
    return to_local_time(image.get("date_captured")) or to_local_time(image.get("datetime"))


def is_number(value: Any) -> bool:
    """Return whether a value of a JSON file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
