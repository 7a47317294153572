"""Boxes around the animals of photos, selected from the file of a detector or of people who marked them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from camcore.errors import BoxesError
from camcore.study.disk_mapping import DiskMapping
from camcore.study.inputs.addresses import without_secrets
from camcore.study.inputs.camtrap_dp import is_camtrap_dp, names_file, read_camtrap_dp
from camcore.study.inputs.detection_boxes import UnusableBoxError, to_box
from camcore.study.inputs.detection_formats import DetectionFile, Entry, RawDetection, parse
from camcore.study.inputs.json_files import JsonFile
from camcore.study.inputs.path_matching import PathMatcher, PathMatches, fold
from camcore.study.inputs.photo_lists import PhotoTally
from camcore.types import Box

CONFIDENCE = 0.2  # minimum detection confidence, if neither the user nor the file names another
ANIMAL = "animal"
_ENOUGH = 1000  # entries without a usable one, after which a file is refused
NO_ANIMALS = {"person", "human", "people", "vehicle", "empty", "blank", "none", "misfire", "setup", "no_cv_result"}


@dataclass(frozen=True)
class Detections:
    """The content of a file of boxes, by the paths of the photos as the file lists them.

    `boxes` has an empty tuple for a photo in which nothing was found, and `failures` the reason for each photo that has
    no usable boxes. `notes` says what was left out, `sites` and `dates` where and when photos were taken, and
    `confidence` the minimum confidence that was used.
    """

    boxes: Mapping[str, tuple[Box, ...]]
    failures: Mapping[str, str]
    notes: tuple[str, ...] = ()
    sites: Mapping[str, str] = field(default_factory=dict)
    confidence: float = CONFIDENCE
    dates: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def paths(self) -> PathMatcher:
        """Return the paths of all entries; photos that are ambiguous among them have no boxes."""
        return PathMatcher(chain(self.boxes, self.failures))

    def failure_of(self, file: str) -> str | None:
        """Return why a photo has no usable boxes; None if it has, or the file does not list the photo."""
        return self.failures.get(self.paths.find(file) or "")

    def among(self, files: Iterable[str]) -> Mapping[str, tuple[Box, ...]]:
        """Return the boxes of each of these photos that has an entry of its own; the others are left out."""
        return self.of(self.paths.match(files))

    def of(self, matches: PathMatches) -> Mapping[str, tuple[Box, ...]]:
        """Return the boxes of each of the matched photos that has an entry of its own; the others are left out."""
        boxes = ((file, self.boxes.get(entry)) for file, entry in matches.pairs())
        return DiskMapping((file, own) for file, own in boxes if own is not None)


def read_detections(path: Path, category: str = ANIMAL, confidence: float | None = None) -> Detections:
    """Read the boxes of one category whose confidence, 0 to 1, is `confidence` or more.

    By default, the confidence is the file's typical threshold, else `CONFIDENCE`. If the file does not have the
    category "animal", everything that is neither a person nor a vehicle is used. Boxes are clipped to the photo, and
    boxes without an area are dropped. A photo listed twice has the boxes of both entries. What cannot be used is noted;
    a photo that has no other boxes is kept with the reason, not as a photo without boxes. Raise BoxesError if the file
    is missing, damaged or in another format, if nothing of it can be used, or if it does not have the category.
    """
    try:
        content = read_camtrap_dp(path) if is_camtrap_dp(path) else parse(JsonFile(path))
        return _Selection(content, category, confidence).result()
    except BoxesError as error:
        text = str(error)
        raise BoxesError(text if names_file(text, path) else f"{path} {text}") from None


@dataclass
class _Problem:
    """One kind of what cannot be used: the sentence that refuses its first case, and the files that have it."""

    sentence: str
    of_box: bool  # whether only a box cannot be used; else the whole entry
    verb: str = "is"
    photos: PhotoTally = field(default_factory=PhotoTally)
    latest: str = ""  # of the photos


class _Selection:
    """The selection of boxes from the entries of a file."""

    def __init__(self, content: DetectionFile, category: str, confidence: float | None):
        self._content = content
        typical = CONFIDENCE if content.confidence is None else content.confidence
        self._confidence = typical if confidence is None else confidence
        self._spellings = self._spellings_of(category)
        self._boxes: DiskMapping[tuple[Box, ...]] = DiskMapping()
        self._failures: DiskMapping[str] = DiskMapping()
        self._sites: DiskMapping[str] = DiskMapping()
        self._dates: DiskMapping[str] = DiskMapping()
        self._problems: dict[str, _Problem] = {}  # by what is wrong
        self._has_box = False  # whether any box can be used, of any category
        self._other_categories: set[str] = set()
        self._repeated = PhotoTally()

    def result(self) -> Detections:
        """Return the boxes of all entries; raise BoxesError if there are entries, of which none can be used."""
        for number, entry in enumerate(self._content.entries, 1):
            if isinstance(entry.file, str) and entry.file:
                self._add(entry._replace(file=without_secrets(entry.file)))
            else:
                sentence = f'is damaged, entry {number} has no "file": run the detector again'
                self._report('an entry without a "file"', sentence, f"entry {number}", of_box=False)
            if number == _ENOUGH and not self._boxes and not self._failures:
                break  # the rest of the file is not better
        for problem in self._problems.values():
            if not self._has_box and (problem.of_box or not self._boxes):
                raise BoxesError(problem.sentence)
        notes = [*self._content.notes]
        if self._other_categories:
            names = ", ".join(sorted(self._other_categories))
            notes.append(f"has no category {ANIMAL!r}: its categories {names} are used")
        notes += self._repeated.notes("lists more than once, with different boxes, which are all used,")
        for what, problem in self._problems.items():
            notes += problem.photos.notes(f"has {what}, which {problem.verb} left out, for")
        return Detections(self._boxes, self._failures, tuple(notes), self._sites, self._confidence, self._dates)

    def _spellings_of(self, category: str) -> Collection[str] | None:
        """Return how the file writes the category; None if everything else than people and vehicles is used."""
        categories = self._content.categories
        if categories is None:
            return {fold(category)}
        numbers = {number for number, name in categories.items() if fold(name) == fold(category)}
        if not numbers and fold(category) == ANIMAL:
            return None
        if not numbers:
            names = ", ".join(categories.values()) or "none"
            raise BoxesError(f"has no category {category!r}: choose one of its categories ({names})")
        return numbers | {fold(category)}

    def _add(self, entry: Entry) -> None:
        file, detections = entry.file, entry.detections
        if entry.site:
            self._sites[file] = entry.site
        if entry.taken_at:
            self._dates[file] = entry.taken_at
        if entry.failure is not None:
            self._fail(file, entry.failure)
        elif not isinstance(detections, list) or None in detections:
            problem = f"is damaged, the detections of {file} are not a list of objects: run the detector again"
            self._report("detections that are not a list of objects", problem, file, of_box=False)
            self._fail(file, "its entry is damaged")
        else:
            boxes, is_sound = self._select(file, detections)
            if boxes or is_sound:
                self._keep(file, boxes)
            else:
                self._fail(file, "its box cannot be used")

    def _keep(self, file: str, boxes: tuple[Box, ...]) -> None:
        if not self._boxes.add(file, boxes) and (former := self._boxes[file]) != boxes:
            self._repeated.add(file)
            self._boxes[file] = tuple(dict.fromkeys((*former, *boxes)))
        if self._failures:
            self._failures.pop(file, None)

    def _fail(self, file: str, reason: str) -> None:
        if file not in self._boxes:
            self._failures[file] = reason

    def _report(self, what: str, sentence: str, file: str, *, of_box: bool) -> None:
        verb = "are" if what.startswith("detections") else "is"
        problem = self._problems.setdefault(what, _Problem(sentence, of_box, verb))
        if not problem.photos.count or problem.latest != file:
            problem.photos.add(file)
            problem.latest = file

    def _select(self, file: str, detections: Sequence[RawDetection]) -> tuple[tuple[Box, ...], bool]:
        """Return the boxes of an entry, and whether all of its boxes can be used."""
        boxes, is_sound = [], True
        for detection in detections:
            try:
                box = to_box(file, detection)
            except UnusableBoxError as error:
                self._report(error.what, str(error), file, of_box=True)
                is_sound = False
                continue
            self._has_box = True
            if box is not None and detection.score >= self._confidence and self._is_chosen(str(detection.category)):
                boxes.append(box)
        return tuple(boxes), is_sound

    def _is_chosen(self, category: str) -> bool:
        if self._spellings is not None:
            return category in self._spellings or fold(category) in self._spellings
        name = (self._content.categories or {}).get(category, category)
        if fold(name) in NO_ANIMALS:
            return False
        self._other_categories.add(name)
        return True
