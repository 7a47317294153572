"""True species of photos in the files of other programs.

They are SpeciesNet, MegaDetector with a classifier, AddaxAI, Timelapse, Wildlife Insights, COCO Camera Traps and
Camtrap DP.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from camcore.errors import BoxesError, StudyError
from camcore.study.inputs.addresses import is_address
from camcore.study.inputs.camtrap_dp import is_camtrap_dp, names_file, read_camtrap_dp
from camcore.study.inputs.detection_formats import is_coco, is_number, parse
from camcore.study.inputs.detections import NO_ANIMALS
from camcore.study.inputs.json_files import JsonFile
from camcore.study.inputs.moments import moment_of, to_local_time
from camcore.study.inputs.path_matching import fold
from camcore.study.inputs.species import CLASS_COLUMNS, RANKS, Species
from camcore.study.inputs.tables import read_columns, read_table

FILE_COLUMNS = ("file", "filename", "filepath", "path")
SITE_COLUMNS = ("site", "location", "deployment_id", "deploymentid", "location_id", "locationid", "station")
_NAME_COLUMNS = ("species", "common_name", "scientific_name", "label", "class")
_NO_SPECIES = NO_ANIMALS | {"", "animal", "unidentified animal", "unidentified", "unknown", "no cv result"}


class NamedPhoto(NamedTuple):
    """A photo as a file lists it, its species if it is named, and where and when it was taken ("" if not known)."""

    file: str
    species: Species | None
    site: str = ""
    taken_at: str = ""


def read_named_photos(path: Path, column: str | None) -> Iterator[NamedPhoto] | None:
    """Return the photos of a file of another program; None if it is a table of the project's own columns.

    `column` is that of the species in a table. Raise StudyError if the file cannot be read, also while it is read.
    """
    if is_camtrap_dp(path) or path.suffix.lower() == ".json":
        return _of_boxes_file(path)
    columns = read_columns(path)
    if is_wildlife_insights(columns):
        return _of_wildlife_insights(path)
    if column is None and "file" in columns and "relativepath" not in columns:
        return None
    return _of_table(path, columns, column)


def is_wildlife_insights(columns: Sequence[str]) -> bool:
    """Return whether a table with these columns is the images.csv of Wildlife Insights."""
    return {"wi_taxon_id", "filename"} <= set(columns) or {"deployment_id", "filename", "genus"} <= set(columns)


def names_species(columns: Sequence[str]) -> bool:
    """Return whether a table with these columns of photos names their species or classes too."""
    is_own = "file" in columns and "relativepath" not in columns
    names = (*CLASS_COLUMNS, "species") if is_own else _NAME_COLUMNS
    return is_wildlife_insights(columns) or not set(names).isdisjoint(columns)


def _of_boxes_file(path: Path) -> Iterator[NamedPhoto]:
    try:
        if is_camtrap_dp(path):
            for entry in read_camtrap_dp(path).entries:
                yield NamedPhoto(entry.file, _only(entry.names), entry.site, entry.taken_at)
        else:
            yield from _of_json(JsonFile(path))
    except BoxesError as error:
        text = str(error)
        raise StudyError(text if names_file(text, path) else f"{path} {text}") from error


def _of_json(content: JsonFile) -> Iterator[NamedPhoto]:
    entries = parse(content).entries  # raises BoxesError if it is of no known format
    if content.is_list:
        raise BoxesError("names no species: give the file of a classifier")
    if is_coco(content):
        for entry in entries:
            if isinstance(entry.file, str) and entry.file:
                yield NamedPhoto(entry.file, _only(entry.names), entry.site, entry.taken_at)
        return
    of_speciesnet = content.has_array("predictions")
    key, name_species = ("filepath", _predicted) if of_speciesnet else ("file", _classified)
    for image in content.objects("predictions" if of_speciesnet else "images"):
        if file := _file(image.get(key)):
            yield NamedPhoto(file, name_species(image, content.fields), taken_at=to_local_time(image.get("datetime")))


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
        species = None if is_blank else _species(*names)
        yield NamedPhoto(row["filename"], species, row.get("deployment_id", ""), moment_of(row))


def _of_table(path: Path, columns: Sequence[str], column: str | None) -> Iterator[NamedPhoto]:
    """Return the photos of a table, of which Timelapse's have a folder beside the file."""
    names = [name for name in (*([fold(column.strip())] if column else _NAME_COLUMNS),) if name in columns]
    if not names:
        missing = f"has no column {column!r}" if column else "has no column of species: name it with --truth-column"
        raise StudyError(f"{path} {missing}; its columns are {', '.join(columns)}")
    file_column = file_column_of(path, columns)
    for _, row in read_table(path):
        if row[file_column]:
            yield NamedPhoto(file_of(row, file_column), to_species(row[names[0]]), site_of(row), moment_of(row))


def file_column_of(path: Path, columns: Sequence[str]) -> str:
    """Return the column of the photos of a table; raise StudyError if it has none."""
    file_column = next((name for name in FILE_COLUMNS if name in columns), None)
    if file_column is None:
        needed = " or ".join(FILE_COLUMNS)
        raise StudyError(f"{path} has no column of photos: call it {needed}; its columns are {', '.join(columns)}")
    return file_column


def file_of(row: Mapping[str, str], file_column: str) -> str:
    """Return the path of the photo of a row, of which Timelapse has the folder in a column of its own."""
    if is_address(row[file_column]):
        return row[file_column]
    return "/".join(filter(None, (row.get("relativepath"), row[file_column]))).replace("\\", "/")


def site_of(row: Mapping[str, str]) -> str:
    """Return where the photo of a row was taken, by the first of the columns that the table has."""
    column = next((name for name in SITE_COLUMNS if name in row), None)
    return "" if column is None else row[column]


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
