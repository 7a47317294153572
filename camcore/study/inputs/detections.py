"""Boxes around the animals of photos, from the files of the detectors MegaDetector and SpeciesNet."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from camcore.errors import BoxesError
from camcore.metrics.localisation import LEAST_AREA
from camcore.study.inputs.path_matching import PathMatcher, fold
from camcore.types import Box

CONFIDENCE = 0.2  # default of the minimum detection confidence
DETECTORS = "MegaDetector or SpeciesNet"
_WRITERS = "run_detector_batch or save_detection_timelapse_json"
EXPECTED_FORMAT = f"use the JSON file of MegaDetector, format 1.x (as {_WRITERS} writes it), or of SpeciesNet"
MAX_FRACTION = 1.01  # fractions stay below it, including the detectors' rounding; larger values are pixels


@dataclass(frozen=True)
class Detections:
    """The content of a detector's file, by the paths of the photos as the file lists them.

    `boxes` has an empty tuple for a photo without a detection, and `failures` the reason for each photo that the
    detector could not process.
    """

    boxes: Mapping[str, tuple[Box, ...]]
    failures: Mapping[str, str]

    @cached_property
    def paths(self) -> PathMatcher:
        """Return the paths of all entries; photos that are ambiguous among them have no boxes."""
        return PathMatcher((*self.boxes, *self.failures))

    def failure_of(self, file: str) -> str | None:
        """Return why the detector failed on a photo; None if it did not, or the file does not list the photo."""
        return self.failures.get(self.paths.find(file) or "")

    def among(self, files: Sequence[str]) -> dict[str, tuple[Box, ...]]:
        """Return the boxes of each of these photos that has an entry of its own; the others are left out."""
        return {file: self.boxes[entry] for file, entry in self.paths.pair(files).items() if entry in self.boxes}


def read_detections(path: Path, category: str = "animal", confidence: float = CONFIDENCE) -> Detections:
    """Read the boxes of one category whose confidence, 0 to 1, is `confidence` or more.

    Boxes are clipped to the photo, and boxes without an area are dropped. A photo that the detector could not process
    is kept with the reason, not as a photo without boxes. Raise BoxesError if the file is missing, damaged or in
    another format, or does not have the category.
    """
    try:
        loaded = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BoxesError(f"there is no file {path}: give the JSON file that {DETECTORS} wrote") from None
    except OSError as error:
        raise BoxesError(f"{path} cannot be read ({error.strerror}): give a JSON file with boxes") from error
    except (ValueError, RecursionError):
        raise BoxesError(f"{path} is not valid JSON: give the complete JSON file that {DETECTORS} wrote") from None
    try:
        return _select(*_content(loaded), category, confidence)
    except BoxesError as error:
        raise BoxesError(f"{path} {error}") from None


def _content(loaded: Any) -> tuple[list[Any], str, Mapping[str, str]]:
    """Return the entries of a file, the key of their paths, and the names of the categories by number."""
    if isinstance(loaded, list):
        raise BoxesError(f"is a list, a format with boxes in pixels: {EXPECTED_FORMAT}")
    if not isinstance(loaded, dict):
        raise BoxesError(f"is JSON in an unknown format: {EXPECTED_FORMAT}")
    if "annotations" in loaded:
        raise BoxesError(f'has "annotations", a format with boxes in pixels: {EXPECTED_FORMAT}')
    if isinstance(loaded.get("predictions"), list):
        return loaded["predictions"], "filepath", {"1": "animal", "2": "human", "3": "vehicle"}
    categories = loaded.get("detection_categories")
    if not isinstance(loaded.get("images"), list) or not isinstance(categories, dict):
        raise BoxesError(f"is JSON in an unknown format: {EXPECTED_FORMAT}")
    info = loaded.get("info")
    version = info.get("format_version") if isinstance(info, dict) else None
    if version is not None and not str(version).startswith("1."):  # save_detection_timelapse_json writes none
        raise BoxesError(f"is in MegaDetector's format {version}, not 1.x: {EXPECTED_FORMAT}")
    return loaded["images"], "file", {str(key): str(name) for key, name in categories.items()}


def _select(
    entries: list[Any], file_key: str, categories: Mapping[str, str], category: str, confidence: float
) -> Detections:
    numbers = {number for number, name in categories.items() if fold(name) == fold(category)}
    if not numbers:
        names = ", ".join(categories.values()) or "none"
        raise BoxesError(f"has no category {category!r}: choose one of its categories ({names})")
    boxes: dict[str, tuple[Box, ...]] = {}
    failures: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        file = entry.get(file_key) if isinstance(entry, dict) else None
        if not isinstance(file, str) or not file:
            raise BoxesError(f'is damaged, entry {number} has no "{file_key}": run the detector again')
        if file in boxes or file in failures:
            raise BoxesError(f"has more than one entry for the photo {file}: keep one")
        if (failure := _failure(entry)) is not None:
            failures[file] = failure
        else:
            boxes[file] = tuple(_boxes(file, entry["detections"], {fold(category)} | numbers, confidence))
    return Detections(boxes, failures)


def _failure(entry: Mapping[str, Any]) -> str | None:
    detections, failure = entry.get("detections"), entry.get("failure")
    if detections or (detections is not None and not failure):  # other components of SpeciesNet may have failed
        return None
    components = entry.get("failures")
    if isinstance(components, list):
        return ", ".join(map(str, components)) + " failed"
    return str(failure or "the detector gave no result")


def _boxes(file: str, detections: Any, spellings: Collection[str], confidence: float) -> Iterator[Box]:
    if not isinstance(detections, list) or not all(isinstance(detection, dict) for detection in detections):
        raise BoxesError(f"is damaged, the detections of {file} are not a list of objects: run the detector again")
    for detection in detections:
        box, score = _box(file, detection.get("bbox")), detection.get("conf")
        if not _is_number(score):
            raise BoxesError(f'is damaged, a detection of {file} has no "conf": run the detector again')
        category = detection.get("label") or detection.get("category")
        if box and fold(str(category)) in spellings and score >= confidence:
            yield box


def _box(file: str, bbox: Any) -> Box | None:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        problem = f"has a box that is not four finite numbers, {shortened(bbox)}, for the photo {file}"
        raise BoxesError(f"{problem}: {EXPECTED_FORMAT}")
    if any(abs(value) > MAX_FRACTION for value in bbox):
        problem = f"has a box in pixels, {shortened(bbox)}, for the photo {file}"
        raise BoxesError(f"{problem}, where fractions of the photo are needed: {EXPECTED_FORMAT}")
    left, top, width, height = bbox
    edges = (left, top, left + width, top + height)
    box = Box(*(min(max(float(edge), 0.0), 1.0) for edge in edges))
    return box if box.left < box.right and box.area >= LEAST_AREA else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
