"""Loading of a study's inputs: the photos of a folder, matched with boxes, species and true classes by path."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camcore.study.inputs.detections import read_detections
from camcore.study.inputs.path_matching import PathMatcher
from camcore.study.inputs.photos import StudyPhoto, find_photos
from camcore.study.inputs.species import (
    GroundTruth,
    Species,
    read_species,
    read_truth,
    truth_of_subfolder,
    unknown_note,
)
from camcore.types import Box


@dataclass(frozen=True)
class InputPaths:
    """The folder of photos, with one subfolder per species, and the files that describe them, if any.

    `boxes` is a detector's JSON file, of which the boxes of one `category` with a minimum detection `confidence`, 0 to
    1, are used. `truth` is a CSV file of the true classes of single photos. `species` is a CSV file that adds to the
    built-in species.
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

    `labels` are the names of the model's classes. The output folder `out` is not searched for photos. Raise StudyError
    if there is no photo or a table cannot be used, and BoxesError if the file of boxes cannot be used.
    """
    photos, photo_notes = find_photos(paths.folder, out)
    files = [photo.file for photo in photos]
    boxes, box_notes = _load_boxes(paths, files)
    table = read_species(paths.species)
    codes = dict.fromkeys(photo.species for photo in photos)
    subfolders = {code: truth_of_subfolder(code, table, labels) for code in codes}
    truths, truth_notes = _load_truths(paths, files, table, labels)
    items = tuple(
        StudyItem(photo, boxes.get(photo.file), truths.get(photo.file, subfolders[photo.species])) for photo in photos
    )
    unknown = {item.photo.species for item in items if item.photo.species and not item.truth.is_known}
    species_notes = [unknown_note(code, labels) for code in codes if code in unknown]
    notes = (*photo_notes, *box_notes, *truth_notes, *species_notes)
    return StudyInputs(items, notes, tuple(_species_record(code, truth) for code, truth in subfolders.items()))


def _load_boxes(paths: InputPaths, files: Sequence[str]) -> tuple[dict[str, tuple[Box, ...]], list[str]]:
    """Return the boxes of each photo that has an entry, and notes."""
    if paths.boxes is None:
        return {}, []
    detections, name = read_detections(paths.boxes, paths.category, paths.confidence), paths.boxes.name
    boxes, ambiguous = detections.among(files), set(detections.paths.ambiguous(files))
    failures = {file: reason for file in files if file not in boxes and (reason := detections.failure_of(file))}
    missing = [file for file in files if file not in boxes and file not in ambiguous and file not in failures]
    notes = _note(f"{name} lists", detections.paths.unmatched(files), f" not in {paths.folder}")
    notes += _note(f"{name} has no unambiguous entry for", ambiguous, ", so no box is used")
    for reason in sorted(set(failures.values())):
        failed = [file for file in failures if failures[file] == reason]
        notes += _note(f"according to {name}, the detector failed on", failed, f" ({reason})")
    notes += _note(f"{name} does not list", missing, ", so energy and lift are not measured")
    without_box = f"{name} has no {paths.category} with a confidence of {paths.confidence:g} or more in"
    return boxes, notes + _note(without_box, [file for file in boxes if not boxes[file]])


def _load_truths(
    paths: InputPaths, files: Sequence[str], table: Mapping[str, Species], labels: Sequence[str]
) -> tuple[dict[str, GroundTruth], list[str]]:
    """Return what each photo of the table `truth` shows, by its path in the folder, and notes."""
    if paths.truth is None:
        return {}, []
    truths, name = read_truth(paths.truth, table, labels), paths.truth.name
    matcher = PathMatcher(tuple(truths))
    notes = _note(f"{name} lists", matcher.unmatched(files), f" not in {paths.folder}")
    notes += _note(f"{name} has no unambiguous row for", matcher.ambiguous(files), ", so the subfolder counts")
    return {file: truths[entry] for file, entry in matcher.pair(files).items() if truths[entry].is_known}, notes


def _species_record(code: str, truth: GroundTruth) -> dict[str, Any]:
    return {
        "code": code,
        "title": truth.title or code,
        "scientific_name": truth.species.scientific_name if truth.species else "",
        "told": truth.is_known,
        "class_idx": truth.class_idx,
        "class_name": None if truth.class_idx is None else truth.class_name,
    }


def _note(before: str, photos: Collection[str], after: str = "") -> list[str]:
    """Return a note with the number of photos and the first five in alphabetical order, or nothing without a photo."""
    if not photos:
        return []
    names = ", ".join(sorted(photos)[:5]) + (f" and {len(photos) - 5} more" if len(photos) > 5 else "")
    return [f"{before} {len(photos)} photo{'' if len(photos) == 1 else 's'}{after}: {names}"]
