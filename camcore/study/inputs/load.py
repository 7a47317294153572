"""Loading of a study's inputs: the photos of a source, matched with boxes, species and true classes by path."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from camcore.study.disk_mapping import DiskMapping
from camcore.study.inputs.addresses import path_or_address, without_secrets
from camcore.study.inputs.detections import read_detections
from camcore.study.inputs.path_matching import PathMatcher
from camcore.study.inputs.photo_lists import PhotoTally, list_photos
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.sites import site_finder
from camcore.study.inputs.sources import Source, SourceKind, SourcePhoto, read_source
from camcore.study.inputs.species import (
    GroundTruth,
    Species,
    read_species,
    species_record,
    truth_of_subfolder,
    unknown_note,
)
from camcore.study.inputs.truths import load_truths
from camcore.study.remote import RemoteFiles
from camcore.types import Box, in_fractions

_Photos = DiskMapping[SourcePhoto]


@dataclass(frozen=True)
class InputPaths:
    """The source of photos, and the files that describe them, if any.

    `source` is a folder of photos, with one subfolder per species, or a file that lists photos, whose paths are
    relative to the folder `root`, by default its own; `source_kind` says what it is, by default its path does. A data
    set brings boxes and true classes of its own. `boxes` is a file of boxes, of which those of one `category` with a
    minimum detection `confidence`, 0 to 1, count; None is the file's own threshold. `truth` is a file of the true
    classes of single photos, and `truth_column` its column of species if that has another name. `species` is a CSV file
    that adds to the built-in species. `site_from` says where a photo was taken: `column` is what the files say,
    `folder:N` the Nth folder of its path, `none` nothing. With `remote`, photos may have addresses; `source` and `root`
    are addresses if they are a str. Without it, addresses are refused: a visitor of a page must not choose any.
    """

    source: Path | str
    boxes: Path | None
    truth: Path | None
    species: Path | None
    category: str
    confidence: float | None = None
    truth_column: str | None = None
    site_from: str = "column"
    root: Path | str | None = None
    source_kind: SourceKind | None = None
    remote: RemoteFiles | None = None


@dataclass(frozen=True)
class StudyItem:
    """A photo of a study, its boxes (None if the photo was not marked), what it shows, and where and when it was taken.

    `site` is "" if it is not known, and so is `taken_at`, which is local time as YYYY-MM-DDTHH:MM:SS.
    """

    photo: StudyPhoto
    boxes: Sequence[Box] | None
    truth: GroundTruth
    site: str = ""
    taken_at: str = ""

    def in_fractions(self, size: tuple[int, int]) -> "StudyItem":
        """Return the item with its boxes in fractions of its photo, of this (width, height).

        A photo whose boxes all lie outside it is one that was not marked.
        """
        return replace(self, boxes=(in_fractions(self.boxes, size) or None) if self.boxes else self.boxes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what is pickled: plain values, which are small and fast to read."""
        photo, truth = self.photo, self.truth
        photo_values = str(photo.path), photo.file, photo.species, photo.stem
        species = truth.species and tuple(vars(truth.species).values())
        return _item, (photo_values, self.boxes, species, tuple(vars(truth).values())[1:], (self.site, self.taken_at))


def _item(
    photo: tuple[str, str, str, str],
    boxes: Sequence[Box] | None,
    species: tuple[str, ...] | None,
    truth: tuple[Any, ...],
    place: tuple[str, str],
) -> StudyItem:
    path, *names = photo
    study_photo = StudyPhoto(path_or_address(path), *names)
    return StudyItem(study_photo, boxes, GroundTruth(Species(*species) if species else None, *truth), *place)


@dataclass(frozen=True)
class StudyInputs:
    """The items of a study by the `file` of their photos, in order, notes, and one JSON record per subfolder.

    The items are on disk. The notes are on inputs that do not fit together. `confidence` is the minimum detection
    confidence of the boxes, None without boxes.
    """

    items: Mapping[str, StudyItem]
    notes: tuple[str, ...]
    species: tuple[Mapping[str, Any], ...]
    confidence: float | None = None


class _Boxes(NamedTuple):
    """The boxes of the photos that have an entry, the sites and dates in the file, notes, and minimum confidence."""

    boxes: Mapping[str, tuple[Box, ...]]
    sites: Mapping[str, str]
    dates: Mapping[str, str]
    notes: Sequence[str]
    confidence: float | None


@dataclass(frozen=True)
class _PhotoTruths:
    """What each photo shows of which that is known, the sites and dates in the file, and notes."""

    truths: Mapping[str, GroundTruth] = field(default_factory=dict)
    sites: Mapping[str, str] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def load_inputs(paths: InputPaths, labels: Sequence[str], out: Path) -> StudyInputs:
    """Find the photos of a source, and the boxes and the true class of each.

    `labels` are the names of the model's classes. The output folder `out` is not searched for photos. Raise StudyError
    if there is no photo or a table cannot be used, BoxesError if the file of boxes cannot be used, and OutputError if
    the disk for temporary files is full.
    """
    folder_site = site_finder(paths.site_from)
    source = read_source(
        paths.source, paths.source_kind, paths.root, out, truth_column=paths.truth_column, remote=paths.remote
    )
    marked = _load_boxes(paths, source)
    table = read_species(paths.species)
    classified = _load_truths(paths, source, table, labels)
    subfolders: dict[str, GroundTruth] = {}
    unknown: set[str] = set()

    def items() -> Iterator[tuple[str, StudyItem]]:
        for file, photo in source.photos.items():
            code = photo.species
            if code not in subfolders:
                subfolders[code] = truth_of_subfolder(code, table, labels)
            truth = classified.truths.get(file, subfolders[code])
            if code and not truth.is_known:
                unknown.add(code)
            site = folder_site(file)
            if site is None:
                site = classified.sites.get(file) or marked.sites.get(file) or photo.site
            taken_at = classified.dates.get(file) or marked.dates.get(file) or photo.taken_at
            yield file, StudyItem(photo.to_photo(file), marked.boxes.get(file), truth, site, taken_at)

    loaded = DiskMapping(items())
    species_notes = [unknown_note(code, labels) for code in subfolders if code in unknown]
    notes = (*source.notes, *marked.notes, *classified.notes, *species_notes)
    records = tuple(species_record(code, truth) for code, truth in subfolders.items())
    return StudyInputs(loaded, notes, records, marked.confidence)


def _load_boxes(paths: InputPaths, source: Source) -> _Boxes:
    path, files = paths.boxes or source.boxes, source.photos
    if path is None:
        return _Boxes({}, {}, {}, (), None)
    detections, name = read_detections(path, paths.category, paths.confidence), path.name
    matches = detections.paths.match(files)
    boxes = detections.of(matches)
    failed: dict[str, PhotoTally] = defaultdict(PhotoTally)  # by reason
    missing, empty = PhotoTally(), PhotoTally()
    for file in files:
        own = boxes.get(file)
        if own is not None:
            if not own:
                empty.add(file)
        elif reason := detections.failure_of(file):
            failed[reason].add(file)
        elif not matches.is_ambiguous(file):
            missing.add(file)
    notes = [f"{name} {note}" for note in detections.notes]
    notes += list_photos(f"{name} lists", matches.unmatched(), f" not in {without_secrets(paths.source)}")
    notes += list_photos(f"{name} has no unambiguous entry for", matches.ambiguous(), ", so no box is used")
    for reason in sorted(failed):
        notes += failed[reason].notes(f"{name} has no boxes that can be used for", f" ({reason})")
    notes += missing.notes(f"{name} does not list", ", so energy and lift are not measured")
    notes += empty.notes(f"{name} has no {paths.category} with a confidence of {detections.confidence:g} or more in")
    sites, dates = _paired(detections.sites, files), _paired(detections.dates, files)
    return _Boxes(boxes, sites, dates, notes, detections.confidence)


def _load_truths(
    paths: InputPaths, source: Source, table: Mapping[str, Species], labels: Sequence[str]
) -> _PhotoTruths:
    """Return what each photo of the file of true classes shows, by the photo's `file`."""
    path, files = paths.truth or source.truth, source.photos
    if path is None:
        return _PhotoTruths()
    content, name = load_truths(path, table, labels, paths.truth_column), path.name
    truths, matches = content.truths, PathMatcher(content.truths).match(files)
    notes = [f"{name} {note}" for note in content.notes]
    notes += list_photos(f"{name} lists", matches.unmatched(), f" not in {without_secrets(paths.source)}")
    notes += list_photos(f"{name} has no unambiguous row for", matches.ambiguous(), ", so the subfolder counts")
    pairs = ((file, truths[entry]) for file, entry in matches.pairs())
    of_photos = DiskMapping((file, truth) for file, truth in pairs if truth.is_known)
    return _PhotoTruths(of_photos, _paired(content.sites, files), _paired(content.dates, files), notes)


def _paired(values: Mapping[str, str], files: _Photos) -> Mapping[str, str]:
    if not values:
        return {}
    return DiskMapping((file, values[entry]) for file, entry in PathMatcher(values).match(files).pairs())
