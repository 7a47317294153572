"""Where a detector found the target in each photo: files of MegaDetector and SpeciesNet."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from camcore.errors import BoxesError
from camcore.metrics.localisation import LEAST_AREA, Box
from camcore.study.inputs.path_matching import PathMatcher, fold

INSTEAD = (
    "give JSON of MegaDetector's format 1.x (run_detector_batch or save_detection_timelapse_json write it) "
    "or of SpeciesNet"
)
SPECIESNET_CATEGORIES = {"1": "animal", "2": "human", "3": "vehicle"}
IN_PIXELS = 1.01  # a fraction stays below it, with the rounding of the detectors


@dataclass(frozen=True)
class Detections:
    """What a detector found, by the paths as its file writes them.

    `boxes` has an empty tuple for a photo known to hold none; `failures` says why the detector did not see a photo.
    """

    boxes: Mapping[str, tuple[Box, ...]]
    failures: Mapping[str, str]
    category: str = "animal"

    def boxes_of(self, file: str) -> tuple[Box, ...] | None:
        """The boxes of a photo, named by its path in the folder; None if the file does not name it, or not clearly.

        It knows no other photo: `among` also sees that no two photos share one entry.
        """
        return self.boxes.get(self._paths.find(file) or "")

    def failure_of(self, file: str) -> str | None:
        """Why the detector did not see this photo; None if it did, or the file does not name the photo."""
        return self.failures.get(self._paths.find(file) or "")

    def among(self, files: Sequence[str]) -> dict[str, tuple[Box, ...]]:
        """The boxes of each of these photos that the file clearly names; the others are left out."""
        return {file: self.boxes[entry] for file, entry in self._paths.pair(files).items() if entry in self.boxes}

    def ambiguous(self, files: Sequence[str]) -> list[str]:
        """The photos that several entries fit equally well, or that share one entry: `among` leaves them out."""
        return self._paths.ambiguous(files)

    def unmatched(self, files: Sequence[str]) -> list[str]:
        """The entries that belong to none of these photos."""
        return self._paths.unmatched(files)

    @cached_property
    def _paths(self) -> PathMatcher:
        return PathMatcher((*self.boxes, *self.failures))


@dataclass(frozen=True)
class _Content:
    """A detector's file: its entries, the key of their paths, and the names of its categories."""

    entries: list[Any]
    file_key: str
    categories: Mapping[str, str]

    def designations(self, category: str) -> set[str]:
        """What a detection may call this category: its name, or the numbers that stand for it."""
        name = fold(category)
        numbers = {number for number, each in self.categories.items() if fold(each) == name}
        if not numbers:
            there = ", ".join(self.categories.values()) or "none"
            raise BoxesError(f"has no category {category!r}: choose one of those it has ({there})")
        return {name} | numbers


def read_detections(path: Path, category: str = "animal", confidence: float = 0.2) -> Detections:
    """Read the boxes of one category, found with this confidence (0 to 1) or more.

    Boxes are clipped to the photo, and those without area left out. A photo that the detector could not see is kept
    with its failure, not as one without boxes.

    Raises:
        BoxesError: if the file is missing, of another format, or damaged, or does not know the category.
    """
    loaded = _load(path)
    try:
        content = _content(loaded)
        return _select(content, category, confidence)
    except BoxesError as error:
        raise BoxesError(f"{path} {error}") from None


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BoxesError(f"there is no file {path}: name the JSON file that MegaDetector or SpeciesNet wrote") from None
    except OSError as error:
        raise BoxesError(f"{path} cannot be read ({error.strerror}): name a JSON file with boxes") from error
    except (ValueError, RecursionError):
        raise BoxesError(
            f"{path} is not JSON: give the JSON file that MegaDetector or SpeciesNet wrote, whole"
        ) from None


def _content(loaded: Any) -> _Content:
    if isinstance(loaded, list):
        raise BoxesError(f"is a list, another format, which stores boxes in pixels: {INSTEAD}")
    if not isinstance(loaded, dict):
        raise BoxesError(f"is JSON of another format: {INSTEAD}")
    if "annotations" in loaded:
        raise BoxesError(f'has "annotations", another format, which stores boxes in pixels: {INSTEAD}')
    if isinstance(loaded.get("predictions"), list):
        return _Content(loaded["predictions"], "filepath", SPECIESNET_CATEGORIES)
    categories = loaded.get("detection_categories")
    if not isinstance(loaded.get("images"), list) or not isinstance(categories, dict):
        raise BoxesError(f"is JSON of another format: {INSTEAD}")
    info = loaded.get("info")
    version = info.get("format_version") if isinstance(info, dict) else None
    if version is not None and not str(version).startswith("1."):  # save_detection_timelapse_json writes none
        raise BoxesError(f"is of MegaDetector's format {version}, not 1.x: {INSTEAD}")
    return _Content(loaded["images"], "file", {str(key): str(name) for key, name in categories.items()})


def _select(content: _Content, category: str, confidence: float) -> Detections:
    boxes: dict[str, tuple[Box, ...]] = {}
    failures: dict[str, str] = {}
    wanted = content.designations(category)
    for number, entry in enumerate(content.entries, 1):
        file = entry.get(content.file_key) if isinstance(entry, dict) else None
        if not isinstance(file, str) or not file:
            raise BoxesError(f'is damaged, entry {number} has no "{content.file_key}": let the detector write it again')
        if file in boxes or file in failures:
            raise BoxesError(f"names the photo {file} twice: keep one entry")
        failure = _failure(entry)
        if failure is not None:
            failures[file] = failure
        else:
            boxes[file] = tuple(_boxes(file, entry["detections"], wanted, confidence))
    return Detections(boxes, failures, category)


def _failure(entry: Mapping[str, Any]) -> str | None:
    detections, failure = entry.get("detections"), entry.get("failure")
    if detections or (detections is not None and not failure):  # SpeciesNet's other parts may fail
        return None
    components = entry.get("failures")
    if isinstance(components, list):
        return ", ".join(map(str, components)) + " failed"
    return str(failure or "the detector gave no result")


def _boxes(file: str, detections: Any, categories: Collection[str], confidence: float) -> Iterator[Box]:
    if not isinstance(detections, list) or not all(isinstance(one, dict) for one in detections):
        raise BoxesError(f"is damaged, the detections of {file} are no list of them: let the detector write it again")
    for detection in detections:
        box, certainty = _box(file, detection.get("bbox")), detection.get("conf")
        if not _is_number(certainty):
            raise BoxesError(f'is damaged, a detection of {file} has no "conf": let the detector write it again')
        name = detection.get("label") or detection.get("category")
        if box and fold(str(name)) in categories and certainty >= confidence:
            yield box


def _box(file: str, bbox: Any) -> Box | None:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        raise BoxesError(f"gives {file} a box that is not four finite numbers, {shortened(bbox)}: {INSTEAD}")
    if any(abs(value) > IN_PIXELS for value in bbox):
        raise BoxesError(f"gives {file} a box in pixels, {shortened(bbox)}, where fractions are needed: {INSTEAD}")
    left, top, width, height = bbox
    edges = (left, top, left + width, top + height)
    box = Box(*(min(max(float(edge), 0.0), 1.0) for edge in edges))
    return box if box.left < box.right and box.area >= LEAST_AREA else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
