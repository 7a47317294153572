"""The true class of each photo that a file names, whatever program wrote it, and where the photo was taken."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camcore.errors import StudyError
from camcore.study.disk_mapping import DiskMapping
from camcore.study.inputs.addresses import without_secrets
from camcore.study.inputs.moments import moment_of
from camcore.study.inputs.path_matching import fold
from camcore.study.inputs.photo_lists import list_photos
from camcore.study.inputs.species import GroundTruth, Species, class_of, name_in_table, read_truth
from camcore.study.inputs.tables import read_table
from camcore.study.inputs.truth_formats import NamedPhoto, read_named_photos, site_of

_LISTED = 8  # species that a note names


@dataclass(frozen=True)
class Truths:
    """The true classes, the sites and the dates of photos, by the paths that their file lists, and notes on it."""

    truths: Mapping[str, GroundTruth]
    sites: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    dates: Mapping[str, str] = field(default_factory=dict)


def load_truths(path: Path, table: Mapping[str, Species], labels: Sequence[str], column: str | None = None) -> Truths:
    """Read a table with the columns of `read_truth`, or a file of another program, as `read_named_photos` lists them.

    A species of another program for which the model has no class is noted. `column` is that of the species in a CSV
    file. Raise StudyError if the file cannot be read.
    """
    photos = read_named_photos(path, column)
    if photos is None:
        return _of_own_table(path, table, labels)
    return _of_photos(photos, table, labels)


class _Places:
    """Where and when photos were taken, by their paths."""

    def __init__(self) -> None:
        self.sites: DiskMapping[str] = DiskMapping()
        self.dates: DiskMapping[str] = DiskMapping()

    def add(self, file: str, site: str, taken_at: str) -> None:
        if site:
            self.sites[file] = site
        if taken_at:
            self.dates[file] = taken_at


def _of_own_table(path: Path, table: Mapping[str, Species], labels: Sequence[str]) -> Truths:
    truths, places = read_truth(path, table, labels), _Places()
    for _, row in read_table(path):
        places.add(name_in_table(row), site_of(row), moment_of(row))
    return Truths(truths, places.sites, (), places.dates)


def _of_photos(photos: Iterable[NamedPhoto], table: Mapping[str, Species], labels: Sequence[str]) -> Truths:
    by_species: dict[Species, GroundTruth] = {}
    truths: DiskMapping[GroundTruth] = DiskMapping()
    unclear: DiskMapping[None] = DiskMapping()
    without_class: Counter[str] = Counter()
    places = _Places()
    for photo in photos:
        file, truth = without_secrets(photo.file), GroundTruth()
        if photo.species is not None:
            if photo.species not in by_species:
                by_species[photo.species] = _truth(photo.species, table, labels)
            truth = by_species[photo.species]
            without_class[truth.title] += truth.is_known and truth.class_idx is None
        former = truths.get(file)
        if former is not None and former != truth and former.is_known and truth.is_known:
            unclear[file] = None
        elif former is None or not former.is_known:
            truths[file] = truth
        places.add(file, photo.site, photo.taken_at)
    for file in unclear:
        truths[file] = GroundTruth()
    notes = list_photos("names several species, none of which is used, for", unclear)
    missing = [f"{name} ({count:,})" for name, count in without_class.most_common() if count]
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        notes.append(f"names species for which the model has no class: {', '.join(missing[:_LISTED])}{more}")
    return Truths(truths, places.sites, tuple(notes), places.dates)


def _truth(species: Species, table: Mapping[str, Species], labels: Sequence[str]) -> GroundTruth:
    """Return the truth of a species, by the table of species if it is there under any of its names."""
    names = {fold(species.code), fold(species.scientific_name)} - {""}
    entries = (entry for entry in table.values() if names & set(map(fold, (entry.code, *_names(entry)))))
    entry = next(entries, species)
    try:
        class_idx = class_of(entry, labels)
    except StudyError:
        if entry is not species:  # the user's own table names the class
            raise
        return GroundTruth()  # several classes have the name
    return GroundTruth(entry, class_idx, True, "" if class_idx is None else labels[class_idx])


def _names(species: Species) -> tuple[str, str]:
    return species.common_name, species.scientific_name
