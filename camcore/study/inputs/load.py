"""Loading of a study's inputs: the photos of a folder, matched with boxes, species and true classes by path."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camcore.metrics.localisation import Box
from camcore.study.inputs.detections import Detections, read_detections
from camcore.study.inputs.path_matching import PathMatcher
from camcore.study.inputs.photos import StudyPhoto, find_photos
from camcore.study.inputs.species import (
    GroundTruth,
    Species,
    read_species,
    read_truth,
    truth_of_subfolder,
    unknown_species_note,
)


@dataclass(frozen=True)
class InputPaths:
    """The folder of photos, the files that describe them, and which boxes to use.

    Attributes:
        folder: folder of photos, with one subfolder per species.
        boxes: JSON file of a detector; None without boxes.
        truth: CSV file of the true classes of single photos; None without one.
        species: CSV file of species; None for the built-in species only.
        category: category of the boxes.
        confidence: minimum detection confidence, 0 to 1.
    """

    folder: Path
    boxes: Path | None
    truth: Path | None
    species: Path | None
    category: str
    confidence: float


@dataclass(frozen=True)
class StudyItem:
    """A photo of a study, its boxes (None if the photo was not marked), and what it shows."""

    photo: StudyPhoto
    boxes: Sequence[Box] | None
    truth: GroundTruth


@dataclass(frozen=True)
class StudyInputs:
    """The items of a study, notes on inputs that do not fit together, and one JSON record per subfolder."""

    items: tuple[StudyItem, ...]
    notes: tuple[str, ...]
    species: tuple[Mapping[str, Any], ...]


def load_inputs(paths: InputPaths, labels: Sequence[str], out: Path) -> StudyInputs:
    """Find the photos of a folder, and the boxes and the true class of each.

    `labels` are the names of the model's classes. The output folder `out` is not searched for photos.

    Raises:
        StudyError: if there is no photo, or a table cannot be used.
        BoxesError: if the file of boxes cannot be used.
    """
    photos, photo_notes = find_photos(paths.folder, out)
    files = [photo.file for photo in photos]
    boxes, box_notes = _load_boxes(paths, files)
    table = read_species(paths.species)
    subfolders = {code: truth_of_subfolder(code, table, labels) for code in dict.fromkeys(p.species for p in photos)}
    truths, truth_notes = _load_truths(paths, files, table, labels)
    items = tuple(
        StudyItem(photo, boxes.get(photo.file), truths.get(photo.file, subfolders[photo.species])) for photo in photos
    )
    unknown = {item.photo.species for item in items if not item.truth.is_known}
    species_notes = [
        unknown_species_note(code, labels)
        for code, truth in subfolders.items()
        if code in unknown and code and not truth.is_known
    ]
    notes = (*photo_notes, *box_notes, *truth_notes, *species_notes)
    return StudyInputs(items, notes, tuple(_species_records(subfolders, labels)))


def _load_boxes(paths: InputPaths, files: Sequence[str]) -> tuple[dict[str, tuple[Box, ...]], list[str]]:
    """Return the boxes of each photo that has an entry, and notes."""
    if paths.boxes is None:
        return {}, []
    detections = read_detections(paths.boxes, paths.category, paths.confidence)
    boxes = detections.among(files)
    return boxes, list(_box_notes(detections, paths.boxes.name, paths, files, boxes))


def _box_notes(
    detections: Detections, name: str, paths: InputPaths, files: Sequence[str], boxes: Mapping[str, Sequence[Box]]
) -> Iterator[str]:
    ambiguous = set(detections.ambiguous(files))
    failures = {file: reason for file in files if file not in boxes and (reason := detections.failure_of(file))}
    missing = [file for file in files if file not in boxes and file not in ambiguous and file not in failures]
    empty = [file for file in files if file in boxes and not boxes[file]]
    if others := detections.unmatched(files):
        yield f"{name} lists {_count(others)} not in {paths.folder}: {_listing(others)}"
    if ambiguous:
        yield f"{name} has no unambiguous entry for {_count(ambiguous)}, so no box is used: {_listing(ambiguous)}"
    for reason in sorted(set(failures.values())):
        failed = [file for file in failures if failures[file] == reason]
        yield f"according to {name}, the detector failed on {_count(failed)} ({reason}): {_listing(failed)}"
    if missing:
        yield f"{name} does not list {_count(missing)}, so energy and lift are not measured: {_listing(missing)}"
    if empty:
        confidence = f"a confidence of {paths.confidence:g} or more"
        yield f"{name} has no {paths.category} with {confidence} in {_count(empty)}: {_listing(empty)}"


def _load_truths(
    paths: InputPaths, files: Sequence[str], table: Mapping[str, Species], labels: Sequence[str]
) -> tuple[dict[str, GroundTruth], list[str]]:
    """Return what each photo of the table `truth` shows, by its path in the folder, and notes."""
    if paths.truth is None:
        return {}, []
    truths = read_truth(paths.truth, table, labels)
    matcher = PathMatcher(tuple(truths))
    matches = {file: truths[entry] for file, entry in matcher.pair(files).items() if truths[entry].is_known}
    name, notes = paths.truth.name, []
    if others := matcher.unmatched(files):
        notes.append(f"{name} lists {_count(others)} not in {paths.folder}: {_listing(others)}")
    if ambiguous := matcher.ambiguous(files):
        notes.append(
            f"{name} has no unambiguous row for {_count(ambiguous)}, so the subfolder counts: {_listing(ambiguous)}"
        )
    return matches, notes


def _species_records(subfolders: Mapping[str, GroundTruth], labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    for code, truth in subfolders.items():
        yield {
            "code": code,
            "title": truth.title or code,
            "scientific_name": truth.species.scientific_name if truth.species else "",
            "told": truth.is_known,
            "class_idx": truth.class_idx,
            "class_name": None if truth.class_idx is None else labels[truth.class_idx],
        }


def _count(photos: Sequence[str] | set[str]) -> str:
    return f"{len(photos)} photo{'' if len(photos) == 1 else 's'}"


def _listing(names: Sequence[str] | set[str], most: int = 5) -> str:
    """Return the first names in alphabetical order, and how many more there are."""
    listing = ", ".join(sorted(names)[:most])
    return listing if len(names) <= most else f"{listing} and {len(names) - most} more"
