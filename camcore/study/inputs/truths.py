"""The true class of each photo that a file names, whatever program wrote it, and where the photo was taken."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camcore.errors import StudyError
from camcore.study.inputs.path_matching import fold
from camcore.study.inputs.photo_lists import list_photos
from camcore.study.inputs.species import GroundTruth, Species, class_of, read_truth
from camcore.study.inputs.tables import read_columns, read_table
from camcore.study.inputs.truth_formats import FILE_COLUMNS, SITE_COLUMNS, NamedPhoto, read_named_photos

_LISTED = 8  # species that a note names


@dataclass(frozen=True)
class Truths:
    """The true classes and the sites of photos, by the paths that their file lists, and notes on it."""

    truths: Mapping[str, GroundTruth]
    sites: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_truths(path: Path, table: Mapping[str, Species], labels: Sequence[str], column: str | None = None) -> Truths:
    """Read a table with the columns of `read_truth`, or a file of another program, as `read_named_photos` lists them.

    A species of another program for which the model has no class is noted. `column` is that of the species in a CSV
    file. Raise StudyError if the file cannot be read.
    """
    photos = read_named_photos(path, column)
    if photos is None:
        return Truths(read_truth(path, table, labels), _sites(path))
    return _of_photos(photos, table, labels)


def _sites(path: Path) -> dict[str, str]:
    columns = read_columns(path)
    column = next((name for name in SITE_COLUMNS if name in columns), None)
    return {} if column is None else {row[FILE_COLUMNS[0]]: row[column] for _, row in read_table(path) if row[column]}


def _of_photos(photos: Iterable[NamedPhoto], table: Mapping[str, Species], labels: Sequence[str]) -> Truths:
    by_species: dict[Species, GroundTruth] = {}
    truths: dict[str, GroundTruth] = {}
    sites: dict[str, str] = {}
    unclear: set[str] = set()
    without_class: Counter[str] = Counter()
    for photo in photos:
        truth = GroundTruth()
        if photo.species is not None:
            if photo.species not in by_species:
                by_species[photo.species] = _truth(photo.species, table, labels)
            truth = by_species[photo.species]
            without_class[truth.title] += truth.is_known and truth.class_idx is None
        former = truths.setdefault(photo.file, truth)
        if former != truth and former.is_known and truth.is_known:
            unclear.add(photo.file)
        elif not former.is_known:
            truths[photo.file] = truth
        if photo.site:
            sites[photo.file] = photo.site
    truths |= dict.fromkeys(unclear, GroundTruth())
    notes = list_photos("names several species, none of which is used, for", unclear)
    missing = [f"{name} ({count:,})" for name, count in without_class.most_common() if count]
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        notes.append(f"names species for which the model has no class: {', '.join(missing[:_LISTED])}{more}")
    return Truths(truths, sites, tuple(notes))


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
