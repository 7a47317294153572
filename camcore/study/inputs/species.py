"""True classes of photos: a subfolder's name or a table gives the species, which gives the class of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from camcore.errors import ClassError, StudyError
from camcore.model.classes import find_class
from camcore.study.disk_mapping import DiskMapping
from camcore.study.inputs.addresses import without_secrets
from camcore.study.inputs.path_matching import fold
from camcore.study.inputs.tables import read_rows

SPECIES_COLUMNS = ("species", "common_name", "scientific_name", "class")
CLASS_COLUMNS = ("class", "class_idx", "imagenet_index")
RANKS = 7  # of SpeciesNet's names, with ";": an identifier, class, order, family, genus, species, and the common name


@dataclass(frozen=True)
class Species:
    """A species: the name of its subfolder, its names, and the name or index of its class; "" for what is missing."""

    code: str
    common_name: str = ""
    scientific_name: str = ""
    class_name: str = ""


BUILT_IN = {
    "bonegl": Species("bonegl", "Bonelli's Eagle", "Aquila fasciata"),
    "cbrtsh": Species("cbrtsh", "Chestnut-bellied Rock Thrush", "Monticola rufiventris"),
    "himbul": Species("himbul", "Himalayan Bulbul", "Pycnonotus leucogenys", "bulbul"),
}


@dataclass(frozen=True)
class GroundTruth:
    """What a photo shows: a species, or only a class of the model, or nothing that is known.

    `class_idx` is None, and `class_name` is "", if the model has no class for the species.
    """

    species: Species | None = None
    class_idx: int | None = None
    is_known: bool = False
    class_name: str = ""

    @property
    def title(self) -> str:
        """Return the name to display: the species' own, else the class's; "" if nothing is known."""
        if self.species is None:
            return self.class_name
        return self.species.common_name or self.species.scientific_name or self.class_name or self.species.code


def read_species(path: Path | None = None) -> dict[str, Species]:
    """Return the built-in species and those of a CSV file, by their code as `fold` returns it.

    The file has a column `species`, and may have `common_name`, `scientific_name` and `class` (an index or a name).
    Its species replace built-in ones of the same code. Raise StudyError if the file cannot be read, has other columns,
    or has a species twice.
    """
    table = dict(BUILT_IN)
    lines: dict[str, int] = {}
    for line, row in read_rows(path, required="species", allowed=SPECIES_COLUMNS) if path else ():
        code = row["species"]
        key = fold(code)
        if key in lines:
            raise StudyError(f"{path}, line {line}: the species {code!r} is also on line {lines[key]}: keep one")
        lines[key] = line
        table[key] = Species(*(row.get(column, "") for column in SPECIES_COLUMNS))
    return table


def class_of(species: Species, labels: Sequence[str]) -> int | None:
    """Return the index of the model's class for a species, or None if the model has none.

    That is the class of its `class_name`, else the class named like its code, common name or scientific name. A
    built-in `class_name` that is not among the labels is ignored. Raise StudyError if the model does not have the class
    of a user's table, or if several classes have the name.
    """
    if species.class_name:
        try:
            return _class_in_table(species.class_name, labels)
        except ClassError as error:
            if species not in BUILT_IN.values():
                raise StudyError(f"the species {species.code}: {error}") from error
    for name in (species.code, species.common_name, species.scientific_name):
        matches = _classes_named(name, labels)
        if len(matches) > 1:
            problem = f"several classes are named {name!r}: give its class as an index"
            raise StudyError(f"the species {species.code}: {problem}, {' or '.join(map(str, matches))}")
        if matches:
            return matches[0]
    return None


def truth_of_subfolder(code: str, table: Mapping[str, Species], labels: Sequence[str]) -> GroundTruth:
    """Return what the photos of a subfolder show: its species in the table, else the only class of its name.

    A subfolder `bald_eagle`, for example, is named like a class. Errors are those of `class_of`.
    """
    species = table.get(fold(code.strip()))
    if species is not None:
        return _ground_truth(species, class_of(species, labels), labels)
    matches = _classes_named(code, labels)
    return _ground_truth(None, matches[0], labels) if len(matches) == 1 else GroundTruth()


def unknown_note(code: str, labels: Sequence[str]) -> str:
    """Return a note on a subfolder that is neither a species of the table nor one class of the model."""
    consequence = "so predictions for its photos are not checked"
    if not (matches := _classes_named(code, labels)):
        return f"the species {code} is unknown, {consequence}: add it with --species"
    indices = " or ".join(map(str, matches))
    return f"several classes are named {code}, {consequence}: give its class with --species, {indices}"


def read_truth(path: Path, table: Mapping[str, Species], labels: Sequence[str]) -> Mapping[str, GroundTruth]:
    """Return what each photo of a table shows, by its path in the file, with forward slashes.

    The file has a column `file` and at least one of `class`, `class_idx`, `imagenet_index` (indices or names) and
    `species` (a code of the table); the first of them with a value counts. Other columns are ignored. A photo without
    a value is not known. Raise StudyError if the file cannot be read, or a row has an unknown class or species, or
    contradicts another row.
    """
    truths: DiskMapping[GroundTruth] = DiskMapping()
    lines: DiskMapping[int] = DiskMapping()  # of the first row of each photo
    by_values: dict[tuple[str | None, ...], GroundTruth] = {}  # the same species and classes occur in many rows
    for line, row in read_rows(path, required="file", one_of=(*CLASS_COLUMNS, "species")):
        file = name_in_table(row)
        values = tuple(row.get(column) for column in (*CLASS_COLUMNS, "species"))
        try:
            truth = by_values.get(values) or _truth_of_row(row, table, labels)
        except (ClassError, StudyError) as error:
            raise StudyError(f"{path}, line {line}, {file}: {error}") from error
        by_values[values] = truth
        if truths.add(file, truth):
            lines[file] = line
        elif truths[file] != truth:
            raise StudyError(
                f"{path}, line {line}: {file} has another class or species on line {lines[file]}: keep one"
            )
    return truths


def name_in_table(row: Mapping[str, str]) -> str:
    """Return the photo of a row: its path with forward slashes, or the public name of its address."""
    return without_secrets(row["file"].replace("\\", "/"))


def species_record(code: str, truth: GroundTruth) -> dict[str, Any]:
    """Return a subfolder and what its photos show as JSON."""
    return {
        "code": code,
        "title": truth.title or code,
        "scientific_name": truth.species.scientific_name if truth.species else "",
        "told": truth.is_known,
        "class_idx": truth.class_idx,
        "class_name": None if truth.class_idx is None else truth.class_name,
    }


def _truth_of_row(row: Mapping[str, str], table: Mapping[str, Species], labels: Sequence[str]) -> GroundTruth:
    code = row.get("species", "")
    column = next((column for column in CLASS_COLUMNS if row.get(column)), None)
    if column == "imagenet_index" and len(labels) != 1000:
        remedy = "use the column class"
        raise StudyError(f"imagenet_index is for ImageNet's 1,000 classes, and this model has {len(labels)}: {remedy}")
    if column is not None:
        return _ground_truth(table.get(fold(code)), _class_in_table(row[column], labels), labels)
    truth = truth_of_subfolder(code, table, labels)
    if code and not truth.is_known:
        codes = ", ".join(species.code for species in list(table.values())[:8])
        remedy = f"add it to the table of species, which has {codes}, or give a class"
        raise StudyError(f"the species {code!r} is unknown: {remedy}")
    return truth


def _ground_truth(species: Species | None, class_idx: int | None, labels: Sequence[str]) -> GroundTruth:
    return GroundTruth(species, class_idx, True, "" if class_idx is None else labels[class_idx])


def _class_in_table(text: str, labels: Sequence[str]) -> int:
    return find_class(labels, text.removesuffix(".0"))  # a spreadsheet may write the index 16 as 16.0


def _classes_named(name: str, labels: Sequence[str]) -> list[int]:
    """Return the indices of the classes of a name, regardless of case unless only one has the same case."""
    spaced = _with_spaces(name)
    matches = _classes_by_name(tuple(labels)).get(fold(spaced), []) if spaced else []
    exact = [index for index in matches if _with_spaces(labels[index]) == spaced]
    return exact if len(exact) == 1 else matches


@lru_cache(maxsize=4)
def _classes_by_name(labels: tuple[str, ...]) -> dict[str, list[int]]:
    """Return the indices of the classes of each name, folded; SpeciesNet's labels have a common and a Latin name."""
    indices: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        *_, genus, epithet, common_name = ["", "", *label.split(";")]
        names = {label, common_name, f"{genus} {epithet}"} if label.count(";") == RANKS - 1 else {label}
        for name in {fold(_with_spaces(name)) for name in names}:
            indices.setdefault(name, []).append(index)
    return indices


def _with_spaces(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").split())
