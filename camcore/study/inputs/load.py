"""What is known of the photos of a folder: boxes, species and true names, put together by path."""

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
    read_species,
    read_truth,
    truth_of_subfolder,
    unjudged,
    unknown_species,
)
from camcore.study.record import StudyItem


@dataclass(frozen=True)
class InputPaths:
    """Where a study takes its photos from, and what is known of them."""

    folder: Path
    boxes: Path | None
    truth: Path | None
    species: Path | None
    category: str
    confidence: float


@dataclass(frozen=True)
class StudyInputs:
    """Every photo with its boxes and what it shows; `notes` are one line on each thing that does not fit together."""

    subjects: tuple[StudyItem, ...]
    notes: tuple[str, ...]
    species: tuple[Mapping[str, Any], ...]


def load_inputs(sources: InputPaths, labels: Sequence[str], out: Path) -> StudyInputs:
    """Find the photos of a folder and what is known of each.

    Raises:
        StudyError: if there is no photo, or a table cannot be used.
        BoxesError: if the file of boxes cannot.
    """
    photos, notes = find_photos(sources.folder, out)
    files = [photo.file for photo in photos]
    boxes, about_boxes = _boxes(sources, files)
    truths, codes, about_truths = _truths(sources, photos, labels)
    subjects = tuple(StudyItem(photo, boxes.get(photo.file), truths[photo.file]) for photo in photos)
    return StudyInputs(subjects, (*notes, *about_boxes, *about_truths), tuple(_species(codes, labels)))


def _boxes(sources: InputPaths, files: Sequence[str]) -> tuple[dict[str, tuple[Box, ...]], list[str]]:
    if sources.boxes is None:
        return {}, []
    detections = read_detections(sources.boxes, sources.category, sources.confidence)
    boxes = detections.among(files)
    return boxes, [*_about_boxes(detections, sources.boxes.name, sources, files, boxes)]


def _about_boxes(
    detections: Detections, name: str, sources: InputPaths, files: Sequence[str], boxes: Mapping[str, Sequence[Box]]
) -> Iterator[str]:
    unclear = set(detections.ambiguous(files))
    failures = {file: why for file in files if file not in boxes and (why := detections.failure_of(file))}
    unnamed = [file for file in files if file not in boxes and file not in unclear and file not in failures]
    empty = [file for file in files if file in boxes and not boxes[file]]
    if others := detections.unmatched(files):
        yield f"{name} has boxes for {_count(others, 'photo')} not in {sources.folder}: {_some(others)}"
    if unclear:
        yield f"{name} fits {_count(unclear, 'photo')} in more than one way, so no box is taken: {_some(unclear)}"
    for why in sorted(set(failures.values())):
        failed = [file for file, said in failures.items() if said == why]
        yield f"{name} says that {_count(failed, 'photo')} could not be looked at ({why}): {_some(failed)}"
    if unnamed:
        yield f"{_count(unnamed, 'photo')} without a box, so without energy and lift: {_some(unnamed)}"
    if empty:
        sure = f"at confidence {sources.confidence:g} or more"
        yield f"{_count(empty, 'photo')} on which {name} has no {sources.category} {sure}: {_some(empty)}"


def _truths(
    sources: InputPaths, photos: Sequence[StudyPhoto], labels: Sequence[str]
) -> tuple[dict[str, GroundTruth], dict[str, GroundTruth], list[str]]:
    """What each photo shows, what each subfolder shows, and what there is to say."""
    table = read_species(sources.species)
    codes = {code: truth_of_subfolder(code, table, labels) for code in dict.fromkeys(each.species for each in photos)}
    told: dict[str, GroundTruth] = {}
    notes: list[str] = []
    if sources.truth is not None:
        truths_of = read_truth(sources.truth, table, labels)
        told, notes = _told(sources.truth.name, sources.folder, [photo.file for photo in photos], truths_of)
    truths = {photo.file: told.get(photo.file, codes[photo.species]) for photo in photos}
    untold = {photo.species for photo in photos if not truths[photo.file].told}
    for code in unknown_species([code for code in codes if code in untold], table, labels):
        notes.append(unjudged(code, labels))
    return truths, codes, notes


def _told(
    name: str, folder: Path, files: Sequence[str], truths: Mapping[str, GroundTruth]
) -> tuple[dict[str, GroundTruth], list[str]]:
    """What a table tells of photos, by their path, and what there is to say about it."""
    paths = PathMatcher(tuple(truths))
    told = {file: truths[entry] for file, entry in paths.pair(files).items() if truths[entry].told}
    notes = []
    if others := paths.unmatched(files):
        notes.append(f"{name} names {_count(others, 'photo')} not in {folder}: {_some(others)}")
    if unclear := paths.ambiguous(files):
        notes.append(f"{name} fits {_count(unclear, 'photo')} in more than one way: {_some(unclear)}")
    return told, notes


def _species(codes: Mapping[str, GroundTruth], labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    for code, truth in codes.items():
        yield {
            "code": code,
            "title": truth.title or code,
            "scientific_name": truth.species.scientific_name if truth.species else "",
            "told": truth.told,
            "class_idx": truth.class_idx,
            "class_name": None if truth.class_idx is None else labels[truth.class_idx],
        }


def _count(things: Sequence[str] | set[str], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _some(names: Sequence[str] | set[str], most: int = 5) -> str:
    shown = ", ".join(sorted(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
