"""True species of photos in the files of other programs.

They are SpeciesNet, MegaDetector with a classifier, AddaxAI, Timelapse, Wildlife Insights, COCO Camera Traps and
Camtrap DP.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from camcore.errors import BoxesError, StudyError
from camcore.study.inputs.camtrap_dp import is_camtrap_dp, read_camtrap_dp
from camcore.study.inputs.detection_formats import is_number, parse, read_json
from camcore.study.inputs.detections import NO_ANIMALS
from camcore.study.inputs.path_matching import fold
from camcore.study.inputs.species import RANKS, Species
from camcore.study.inputs.tables import read_columns, read_table

FILE_COLUMNS = ("file", "filename", "filepath", "path")
SITE_COLUMNS = ("site", "location", "deployment_id", "deploymentid", "location_id", "locationid", "station")
_NAME_COLUMNS = ("species", "common_name", "scientific_name", "label", "class")
_NO_SPECIES = NO_ANIMALS | {"", "animal", "unidentified animal", "unidentified", "unknown", "no cv result"}


class NamedPhoto(NamedTuple):
    """A photo as a file lists it, its species if it is named, and where it was taken ("" if that is not known)."""

    file: str
    species: Species | None
    site: str = ""


def read_named_photos(path: Path, column: str | None) -> Iterator[NamedPhoto] | None:
    """Return the photos of a file of another program; None if it is a table of the project's own columns.

    `column` is that of the species in a CSV file. Raise StudyError if the file cannot be read.
    """
    try:
        if is_camtrap_dp(path):
            return (NamedPhoto(entry.file, _only(entry.names), entry.site) for entry in read_camtrap_dp(path).entries)
        if path.suffix.lower() == ".json":
            return _of_json(path)
    except BoxesError as error:
        text = str(error)
        raise StudyError(text if str(path) in text else f"{path} {text}") from error
    columns = read_columns(path)
    if {"wi_taxon_id", "filename"} <= set(columns) or {"deployment_id", "filename", "genus"} <= set(columns):
        return _of_wildlife_insights(path)
    if column is None and "file" in columns and "relativepath" not in columns:
        return None
    return _of_table(path, columns, column)


def _of_json(path: Path) -> Iterator[NamedPhoto]:
    loaded = read_json(path)
    content = parse(loaded)  # raises BoxesError if it is of no known format
    if not isinstance(loaded, dict):
        raise BoxesError("names no species: give the file of a classifier")
    if "annotations" in loaded:
        return (NamedPhoto(entry.file, _only(entry.names), entry.site) for entry in content.entries if entry.file)
    of_speciesnet = isinstance(loaded.get("predictions"), list)
    key, name_species = ("filepath", _predicted) if of_speciesnet else ("file", _classified)
    listed = loaded["predictions"] if of_speciesnet else loaded["images"]
    entries = (entry for entry in listed if isinstance(entry, dict))
    return (NamedPhoto(file, name_species(entry, loaded)) for entry in entries if (file := _file(entry.get(key))))


def _file(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _predicted(prediction: Mapping[str, Any], _: Mapping[str, Any]) -> Species | None:
    """Return the species in a prediction of SpeciesNet."""
    return to_species(prediction.get("prediction"))


def _classified(image: Mapping[str, Any], loaded: Mapping[str, Any]) -> Species | None:
    """Return the species of the most certain detection that has one, by its classes or by its category."""
    names, taxa, categories = (
        values if isinstance(values := loaded.get(key), dict) else {}
        for key in ("classification_categories", "classification_category_descriptions", "detection_categories")
    )
    detections = [entry for entry in _list(image.get("detections")) if isinstance(entry, dict)]
    for detection in sorted(detections, key=lambda entry: -_number(entry.get("conf"))):
        classes = [
            pair for pair in _list(detection.get("classifications")) if isinstance(pair, list) and len(pair) == 2
        ]
        number = str(max(classes, key=lambda pair: _number(pair[1]))[0]) if classes else ""
        category = categories.get(str(detection.get("category")))
        species = to_species(taxa.get(number) or names.get(number)) or to_species(category)
        if species is not None:
            return species
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float:
    return float(value) if is_number(value) else 0.0


def _of_wildlife_insights(path: Path) -> Iterator[NamedPhoto]:
    for _, row in read_table(path, ["filename"]):
        scientific = " ".join(filter(None, (row.get("genus"), row.get("species"))))
        names = (row.get("common_name", ""), scientific)
        is_blank = row.get("is_blank") in {"1", "true", "TRUE", "True"}
        yield NamedPhoto(row["filename"], None if is_blank else _species(*names), row.get("deployment_id", ""))


def _of_table(path: Path, columns: Sequence[str], column: str | None) -> Iterator[NamedPhoto]:
    """Return the photos of a table, of which Timelapse's have a folder beside the file."""
    names = [name for name in (*([fold(column.strip())] if column else _NAME_COLUMNS),) if name in columns]
    if not names:
        missing = f"has no column {column!r}" if column else "has no column of species: name it with --truth-column"
        raise StudyError(f"{path} {missing}; its columns are {', '.join(columns)}")
    file_column = next((name for name in FILE_COLUMNS if name in columns), None)
    if file_column is None:
        needed = " or ".join(FILE_COLUMNS)
        raise StudyError(f"{path} has no column of photos: call it {needed}; its columns are {', '.join(columns)}")
    site_column = next((name for name in SITE_COLUMNS if name in columns), "")
    for _, row in read_table(path):
        file = "/".join(filter(None, (row.get("relativepath"), row[file_column])))
        if row[file_column]:
            yield NamedPhoto(file.replace("\\", "/"), to_species(row[names[0]]), row.get(site_column, ""))


def _only(names: Sequence[str]) -> Species | None:
    """Return the species of a photo, None if it shows none or several."""
    return to_species(names[0]) if len(names) == 1 else None


def to_species(text: Any) -> Species | None:
    """Return the species that a text names, as SpeciesNet writes it or in words; None for no animal, or any animal."""
    if not isinstance(text, str):
        return None
    ranks = [rank.strip() for rank in text.split(";")]
    if len(ranks) != RANKS:
        return _species(text.strip(), "")
    *higher, genus, epithet, common_name = ranks
    lowest = next((rank for rank in reversed(higher[1:]) if rank), "")
    return _species(common_name, f"{genus} {epithet}".strip() or lowest)


def _species(common_name: str, scientific_name: str) -> Species | None:
    if fold(common_name or scientific_name) in _NO_SPECIES:
        return None
    return Species(common_name or scientific_name, common_name, scientific_name.capitalize())
