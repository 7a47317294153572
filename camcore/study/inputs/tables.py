"""Tables written by people: CSV files as spreadsheets save them."""

import csv
from collections.abc import Collection, Iterator, Sequence
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from camcore.errors import StudyError

if TYPE_CHECKING:
    from _csv import Reader


_MAX_COLUMNS = 1000


def read_table(path: Path, needed: Collection[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file in UTF-8, each as its line number and its values by column.

    The columns are separated by commas, semicolons or tabs. Values are stripped, column names are stripped and in lower
    case; empty rows, and those that repeat the one before, are skipped. Raise StudyError if the file cannot be read as
    CSV, or lacks a column `needed`.
    """
    reader = _reader(path)
    try:
        columns = _columns(path, reader)
        _check_columns(path, columns, needed)
        previous: list[str] = []
        for row in reader:
            if not any(row) or row == previous:
                continue
            previous = row
            if len(row) > len(columns):
                problem = "this row has more values than there are columns"
                remedy = "put values that contain a comma in double quotes"
                raise StudyError(f"{path}, line {reader.line_num}: {problem}: {remedy}")
            values = {column: value.strip() for column, value in zip_longest(columns, row, fillvalue="")}
            if any(values.values()):
                yield reader.line_num, values
    except csv.Error as error:
        line = f"{path}, line {reader.line_num}"
        raise StudyError(f"{line}: this is not valid CSV ({error}): save the table as CSV again") from error


def read_columns(path: Path) -> list[str]:
    """Return the names of the columns of a CSV file, stripped and in lower case; raise StudyError as `read_table`."""
    try:
        return _columns(path, _reader(path))
    except csv.Error as error:
        raise StudyError(f"{path}, line 1: this is not valid CSV ({error}): save the table as CSV again") from error


def read_rows(
    path: Path, required: str, allowed: Collection[str] = (), one_of: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file as `read_table` does, each with a value in the column `required`.

    Only the columns `allowed` are permitted, and the file must have at least one of the columns `one_of`; if empty,
    they set no condition. Raise StudyError if the file cannot be read as CSV, or does not meet these conditions.
    """
    _check_columns(path, read_columns(path), [required], allowed, one_of)
    for line, values in read_table(path):
        if not values[required]:
            raise StudyError(f"{path}, line {line}: the column {required} is empty: fill it in")
        yield line, values


def _reader(path: Path) -> "Reader":
    text = _read_text(path)
    first, _, rest = text.partition("\n")
    if first.startswith("sep="):  # as Excel writes it
        text, first = rest, rest.partition("\n")[0]
    return csv.reader(StringIO(text, newline=""), strict=True, delimiter=max(",;\t", key=first.count))


def _columns(path: Path, reader: "Reader") -> list[str]:
    """Return the names of the columns in the first row that is not empty, stripped and in lower case."""
    header: list[str] = next((row for row in reader if row), [])
    if len(header) > _MAX_COLUMNS:
        raise StudyError(f"{path}, line 1: there are {len(header):,} columns: give a table with one row per photo")
    return [column.strip().casefold() for column in header]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise StudyError(f"there is no file {path}: give the path of a CSV file") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}): give the path of a CSV file") from error
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not UTF-8 text: save the table as CSV in UTF-8") from None


def _check_columns(
    path: Path,
    columns: Sequence[str],
    required: Collection[str],
    allowed: Collection[str] = (),
    one_of: Collection[str] = (),
) -> None:
    if not set(required) <= set(columns) or (one_of and not set(columns) & set(one_of)):
        needed = " and ".join((*required, *([f"one of {', '.join(one_of)}"] if one_of else [])))
        problem = f"the columns are {', '.join(columns) or 'none'}, but the table needs {needed}"
        raise StudyError(f"{path}, line 1: {problem}: add what is missing, and separate the columns by commas")
    unknown = [column for column in columns if allowed and column and column not in allowed]
    if unknown:
        raise StudyError(f"{path}, line 1: the column {unknown[0]!r} is unknown: use {', '.join(allowed)}")
    repeated = [column for column in allowed or (*required, *one_of) if columns.count(column) > 1]
    if repeated:
        raise StudyError(f"{path}, line 1: there is more than one column {repeated[0]!r}: keep one")
