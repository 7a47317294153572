"""Tables written by people: CSV files as spreadsheets save them, and Parquet files, read row by row."""

import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from camcore.csv_cells import from_cell
from camcore.errors import StudyError
from camcore.study.inputs.parquet import SUFFIX as PARQUET
from camcore.study.inputs.parquet import parquet_columns, parquet_rows

if TYPE_CHECKING:
    from _csv import Reader


_MAX_COLUMNS = 1000


def read_table(path: Path, needed: Collection[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a table, each as its line number and its values by column.

    A CSV file is in UTF-8, and its columns are separated by commas, semicolons or tabs. Values are stripped, column
    names are stripped and in lower case; empty rows, and those that repeat the one before, are skipped. Raise
    StudyError if the file cannot be read, or lacks a column `needed`.
    """
    if path.suffix.lower() == PARQUET:
        columns = parquet_columns(path)
        _check_columns(path, columns, needed)
        for number, row in parquet_rows(path):
            if any(row):
                yield number, dict(zip(columns, row, strict=True))
        return
    with _opened(path) as reader:
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
            cells = zip_longest(columns, row, fillvalue="")
            values = {column: from_cell(value.strip()) for column, value in cells}
            if any(values.values()):
                yield reader.line_num, values


def read_columns(path: Path) -> list[str]:
    """Return the names of the columns of a table, stripped and in lower case; raise StudyError as `read_table`."""
    if path.suffix.lower() == PARQUET:
        return parquet_columns(path)
    with _opened(path) as reader:
        return _columns(path, reader)


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


@contextmanager
def _opened(path: Path) -> "Iterator[Reader]":
    """Open a CSV file; raise StudyError if that fails, or if the reader finds that it is not valid CSV."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            skipped = first.startswith("sep=")  # as Excel writes it
            first = file.readline() if skipped else first
            reader = csv.reader(chain([first], file), strict=True, delimiter=max(",;\t", key=first.count))
            try:
                yield reader
            except csv.Error as error:
                problem = f"this is not valid CSV ({error}): save the table as CSV again"
                raise StudyError(f"{path}, line {reader.line_num}: {problem}") from error
    except FileNotFoundError:
        raise StudyError(f"there is no file {path}: give the path of a CSV file") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}): give the path of a CSV file") from error
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not UTF-8 text: save the table as CSV in UTF-8") from None


def _columns(path: Path, reader: "Reader") -> list[str]:
    """Return the names of the columns in the first row that is not empty, stripped and in lower case."""
    header: list[str] = next((row for row in reader if row), [])
    if len(header) > _MAX_COLUMNS:
        raise StudyError(f"{path}, line 1: there are {len(header):,} columns: give a table with one row per photo")
    return [column.strip().casefold() for column in header]


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
