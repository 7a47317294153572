"""Loading of a study's inputs: the photos of a folder, matched with boxes, species and true classes by path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from camcore.errors import StudyError
from camcore.study.inputs.detections import read_detections
from camcore.study.inputs.path_matching import PathMatcher
from camcore.study.inputs.photo_lists import list_photos
from camcore.study.inputs.photos import StudyPhoto, find_photos
from camcore.study.inputs.species import (
    GroundTruth,
    Species,
    read_species,
    truth_of_subfolder,
    unknown_note,
)
from camcore.study.inputs.truths import load_truths
from camcore.types import Box, in_fractions


@dataclass(frozen=True)
class InputPaths:
    """The folder of photos, with one subfolder per species, and the files that describe them, if any.

    `boxes` is a file of boxes, of which those of one `category` with a minimum detection `confidence`, 0 to 1, count;
    None is the file's own threshold. `truth` is a file of the true classes of single photos, and `truth_column` its
    column of species if that has another name. `species` is a CSV file that adds to the built-in species. `site_from`
    says where a photo was taken: `column` is what the files say, `folder:N` the Nth folder of its path, `none` nothing.
    """

    folder: Path
    boxes: Path | None
    truth: Path | None
    species: Path | None
    category: str
    confidence: float | None = None
    truth_column: str | None = None
    site_from: str = "column"


@dataclass(frozen=True)
class StudyItem:
    """A photo of a study, its boxes (None if the photo was not marked), what it shows, and where it was taken."""

    photo: StudyPhoto
    boxes: Sequence[Box] | None
    truth: GroundTruth
    site: str = ""

    def in_fractions(self, size: tuple[int, int]) -> "StudyItem":
        """Return the item with its boxes in fractions of its photo, of this (width, height).

        A photo whose boxes all lie outside it is one that was not marked.
        """
        return replace(self, boxes=(in_fractions(self.boxes, size) or None) if self.boxes else self.boxes)


@dataclass(frozen=True)
class StudyInputs:
    """The items of a study, notes on inputs that do not fit together, and one JSON record per subfolder.

    `confidence` is the minimum detection confidence of the boxes, None without boxes.
    """

    items: tuple[StudyItem, ...]
    notes: tuple[str, ...]
    species: tuple[Mapping[str, Any], ...]
    confidence: float | None = None


class _Boxes(NamedTuple):
    """The boxes of the photos that have an entry, the sites that the file has, notes, and the minimum confidence."""

    boxes: Mapping[str, tuple[Box, ...]]
    sites: Mapping[str, str]
    notes: Sequence[str]
    confidence: float | None


def load_inputs(paths: InputPaths, labels: Sequence[str], out: Path) -> StudyInputs:
    """Find the photos of a folder, and the boxes and the true class of each.

    `labels` are the names of the model's classes. The output folder `out` is not searched for photos. Raise StudyError
    if there is no photo or a table cannot be used, and BoxesError if the file of boxes cannot be used.
    """
    photos, photo_notes = find_photos(paths.folder, out)
    files = [photo.file for photo in photos]
    marked = _load_boxes(paths, files)
    table = read_species(paths.species)
    codes = dict.fromkeys(photo.species for photo in photos)
    subfolders = {code: truth_of_subfolder(code, table, labels) for code in codes}
    truths, truth_sites, truth_notes = _load_truths(paths, files, table, labels)
    sites = _sites(paths.site_from, files, {**marked.sites, **truth_sites})
    items = tuple(
        StudyItem(photo, marked.boxes.get(photo.file), truth, sites.get(photo.file, ""))
        for photo in photos
        for truth in [truths.get(photo.file, subfolders[photo.species])]
    )
    unknown = {item.photo.species for item in items if item.photo.species and not item.truth.is_known}
    species_notes = [unknown_note(code, labels) for code in codes if code in unknown]
    notes = (*photo_notes, *marked.notes, *truth_notes, *species_notes)
    records = tuple(_species_record(code, truth) for code, truth in subfolders.items())
    return StudyInputs(items, notes, records, marked.confidence)


def _load_boxes(paths: InputPaths, files: Sequence[str]) -> _Boxes:
    if paths.boxes is None:
        return _Boxes({}, {}, (), None)
    detections, name = read_detections(paths.boxes, paths.category, paths.confidence), paths.boxes.name
    boxes, ambiguous = detections.among(files), set(detections.paths.ambiguous(files))
    failures = {file: reason for file in files if file not in boxes and (reason := detections.failure_of(file))}
    missing = [file for file in files if file not in boxes and file not in ambiguous and file not in failures]
    notes = [f"{name} {note}" for note in detections.notes]
    notes += list_photos(f"{name} lists", detections.paths.unmatched(files), f" not in {paths.folder}")
    notes += list_photos(f"{name} has no unambiguous entry for", ambiguous, ", so no box is used")
    for reason in sorted(set(failures.values())):
        failed = [file for file in failures if failures[file] == reason]
        notes += list_photos(f"{name} has no boxes that can be used for", failed, f" ({reason})")
    notes += list_photos(f"{name} does not list", missing, ", so energy and lift are not measured")
    without_box = f"{name} has no {paths.category} with a confidence of {detections.confidence:g} or more in"
    notes += list_photos(without_box, [file for file in boxes if not boxes[file]])
    return _Boxes(boxes, _paired(detections.sites, files), notes, detections.confidence)


def _load_truths(
    paths: InputPaths, files: Sequence[str], table: Mapping[str, Species], labels: Sequence[str]
) -> tuple[dict[str, GroundTruth], dict[str, str], list[str]]:
    """Return what each photo of the file `truth` shows, by its path in the folder, the sites there, and notes."""
    if paths.truth is None:
        return {}, {}, []
    content, name = load_truths(paths.truth, table, labels, paths.truth_column), paths.truth.name
    truths, matcher = content.truths, PathMatcher(tuple(content.truths))
    notes = [f"{name} {note}" for note in content.notes]
    notes += list_photos(f"{name} lists", matcher.unmatched(files), f" not in {paths.folder}")
    notes += list_photos(f"{name} has no unambiguous row for", matcher.ambiguous(files), ", so the subfolder counts")
    of_photos = {file: truths[entry] for file, entry in matcher.pair(files).items() if truths[entry].is_known}
    return of_photos, _paired(content.sites, files), notes


def _paired(sites: Mapping[str, str], files: Sequence[str]) -> dict[str, str]:
    return {file: sites[entry] for file, entry in PathMatcher(tuple(sites)).pair(files).items()} if sites else {}


def _sites(site_from: str, files: Sequence[str], listed: Mapping[str, str]) -> Mapping[str, str]:
    """Return the site of each photo that has one; raise StudyError if there is no such source of sites."""
    kind, _, number = site_from.partition(":")
    if kind == "folder" and number.isascii() and number.isdigit() and int(number) > 0:
        folders = {file: file.split("/")[:-1] for file in files}
        return {file: parts[int(number) - 1] for file, parts in folders.items() if len(parts) >= int(number)}
    if site_from not in {"column", "none"}:
        raise StudyError(
            f"sites cannot be read from {site_from!r}: choose column, none, or folder:1 for the first folder"
        )
    return listed if site_from == "column" else {}


def _species_record(code: str, truth: GroundTruth) -> dict[str, Any]:
    return {
        "code": code,
        "title": truth.title or code,
        "scientific_name": truth.species.scientific_name if truth.species else "",
        "told": truth.is_known,
        "class_idx": truth.class_idx,
        "class_name": None if truth.class_idx is None else truth.class_name,
    }
