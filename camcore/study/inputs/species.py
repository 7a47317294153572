"""What each photo shows: from a subfolder's name or a table to a species, and to a class of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from camcore.errors import ClassError, StudyError
from camcore.model.classes import find_class
from camcore.study.inputs.path_matching import fold
from camcore.study.inputs.tables import read_rows

SPECIES_COLUMNS = ("species", "common_name", "scientific_name", "class")
CLASS_COLUMNS = ("class", "class_idx", "imagenet_index")
IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Species:
    """A species: `code` is its subfolder, `class_name` the model's class (index or name), "" where there is none."""

    code: str
    common_name: str = ""
    scientific_name: str = ""
    class_name: str = ""


BUILT_IN = {
    species.code: species
    for species in (
        Species("bonegl", "Bonelli's Eagle", "Aquila fasciata"),
        Species("cbrtsh", "Chestnut-bellied Rock Thrush", "Monticola rufiventris"),
        Species("himbul", "Himalayan Bulbul", "Pycnonotus leucogenys", "bulbul"),
    )
}


@dataclass(frozen=True)
class GroundTruth:
    """What a photo shows. `told` without a `class_idx`: somebody said what it is, and the model has no such class."""

    species: Species | None = None
    class_idx: int | None = None
    told: bool = False
    class_name: str = ""

    @property
    def title(self) -> str:
        """The name to show: the species' own, else the class's; "" if nobody told."""
        if self.species is None:
            return self.class_name
        return self.species.common_name or self.species.scientific_name or self.class_name or self.species.code


def read_species(path: Path | None = None) -> dict[str, Species]:
    """The built-in species and those of a CSV, which win, by their code as `fold` writes it.

    The CSV has a column `species`, and may have `common_name`, `scientific_name` and `class`, an index or a name.

    Raises:
        StudyError: if the CSV cannot be read, has other columns, or the same species twice.
    """
    table = {fold(code): species for code, species in BUILT_IN.items()}
    if path is None:
        return table
    lines: dict[str, int] = {}
    for line, row in read_rows(path, required="species", allowed=SPECIES_COLUMNS):
        code = row["species"]
        key = fold(code)
        if key in lines:
            raise StudyError(f"{path}, line {line}: the species {code!r} is on line {lines[key]} already: keep one")
        lines[key] = line
        table[key] = Species(*(row.get(column, "") for column in SPECIES_COLUMNS))
    return table


def class_of(species: Species, labels: Sequence[str]) -> int | None:
    """The model's class of a species: by its `class_name`, else a label that is one of its names, else None.

    A built-in class name that is not among the labels is passed over.

    Raises:
        StudyError: if the model does not have the class of a user's table, or several classes have the name.
    """
    if species.class_name:
        try:
            return find_class(labels, _whole(species.class_name))
        except ClassError as error:
            if species not in BUILT_IN.values():
                raise StudyError(f"the species {species.code}: {error}") from error
    for name in (species.code, species.common_name, species.scientific_name):
        matches = _classes_called(name, labels)
        if len(matches) > 1:
            indices = " or ".join(map(str, matches))
            raise StudyError(
                f"the species {species.code}: several classes are named {name!r}: give it a class, {indices}"
            )
        if matches:
            return matches[0]
    return None


def truth_of_subfolder(code: str, table: Mapping[str, Species], labels: Sequence[str]) -> GroundTruth:
    """What the photos of a subfolder show: its species in the table, else the one class of its name ("bald_eagle").

    Raises:
        StudyError: as `class_of`.
    """
    species = table.get(fold(code.strip()))
    if species is not None:
        return _told(species, class_of(species, labels), labels)
    matches = _classes_called(code, labels)
    return _told(None, matches[0], labels) if len(matches) == 1 else GroundTruth()


def unknown_species(codes: Sequence[str], table: Mapping[str, Species], labels: Sequence[str]) -> list[str]:
    """The subfolders, each once, that are no species of the table and no class of the model."""
    named = (code for code in dict.fromkeys(codes) if code)
    return [code for code in named if not truth_of_subfolder(code, table, labels).told]


def unjudged(code: str, labels: Sequence[str]) -> str:
    """Why the names of a subfolder's photos are not judged, and what to do."""
    matches = _classes_called(code, labels)
    if len(matches) > 1:
        indices = " or ".join(map(str, matches))
        return f"several classes are named {code}, so its names are not judged: give it one with --species, {indices}"
    return f"no table knows the species {code}, so its names are not judged: add it with --species"


def read_truth(path: Path, table: Mapping[str, Species], labels: Sequence[str]) -> dict[str, GroundTruth]:
    """What each photo of a CSV shows, by its path there with forward slashes: `Paths` finds a photo's.

    The CSV has a column `file` and one of `class`, `class_idx`, `imagenet_index` (indices or names) and `species` (a
    code of the table); of several, the first with a value counts. A row without one is not told; other columns are
    ignored.

    Raises:
        StudyError: if the CSV cannot be read, or a row names an unknown class or species, or contradicts another.
    """
    truths: dict[str, GroundTruth] = {}
    lines: dict[str, int] = {}
    for line, row in read_rows(path, required="file", one_of=(*CLASS_COLUMNS, "species")):
        file = row["file"].replace("\\", "/")
        try:
            truth = _truth_of_row(row, table, labels)
        except (ClassError, StudyError) as error:
            raise StudyError(f"{path}, line {line}, {file}: {error}") from error
        if truths.setdefault(file, truth) != truth:
            raise StudyError(f"{path}, line {line}: {file} is something else on line {lines[file]}: keep one")
        lines.setdefault(file, line)
    return truths


def _truth_of_row(row: Mapping[str, str], table: Mapping[str, Species], labels: Sequence[str]) -> GroundTruth:
    code = row.get("species", "")
    column = next((column for column in CLASS_COLUMNS if row.get(column)), None)
    if column == "imagenet_index" and len(labels) != IMAGENET_CLASSES:
        raise StudyError(f"this model has {len(labels)} classes, not ImageNet's 1,000: give a column class instead")
    if column is not None:
        return _told(table.get(fold(code)), find_class(labels, _whole(row[column])), labels)
    truth = truth_of_subfolder(code, table, labels)
    if code and not truth.told:
        there = ", ".join(species.code for species in list(table.values())[:8])
        raise StudyError(f"no species is {code!r}: add it to the table of species, which has {there}, or give a class")
    return truth


def _told(species: Species | None, class_idx: int | None, labels: Sequence[str]) -> GroundTruth:
    return GroundTruth(species, class_idx, True, "" if class_idx is None else labels[class_idx])


def _whole(number: str) -> str:
    """An index as it was before a spreadsheet made it a decimal: "16" of "16.0"."""
    return number.removesuffix(".0")


def _classes_called(name: str, labels: Sequence[str]) -> list[int]:
    wanted = _spaced(name)
    matches = [index for index, label in enumerate(labels) if wanted and fold(_spaced(label)) == fold(wanted)]
    exact = [index for index in matches if _spaced(labels[index]) == wanted]
    return exact if len(exact) == 1 else matches


def _spaced(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").split())
