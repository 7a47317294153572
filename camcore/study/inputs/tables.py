"""Tables written by people: CSV files as spreadsheets save them."""

import csv
from collections.abc import Collection, Iterator, Sequence
from io import StringIO
from pathlib import Path

from camcore.errors import StudyError


def read_rows(
    path: Path, required: str, allowed: Collection[str] = (), one_of: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file in UTF-8, each as its line number and its values by column.

    Values are stripped, column names are stripped and in lower case, and empty rows are skipped. Every row must have a
    value in the column `required`. Only the columns `allowed` are permitted, and the file must have at least one of the
    columns `one_of`; if empty, they set no condition. Raise StudyError if the file cannot be read as CSV, or does not
    meet these conditions.
    """
    reader = csv.DictReader(StringIO(_read_text(path)), restval="", strict=True)
    try:
        columns = [column.strip().casefold() for column in reader.fieldnames or ()]
        _check_columns(path, columns, required, allowed, one_of)
        reader.fieldnames = columns
        for row in reader:
            if None in row:
                problem = "this row has more values than there are columns"
                remedy = "put values that contain a comma in double quotes"
                raise StudyError(f"{path}, line {reader.line_num}: {problem}: {remedy}")
            values = {column: value.strip() for column, value in row.items()}
            if any(values.values()):
                if not values[required]:
                    raise StudyError(f"{path}, line {reader.line_num}: the column {required} is empty: fill it in")
                yield reader.line_num, values
    except csv.Error as error:
        line = f"{path}, line {reader.reader.line_num}"
        raise StudyError(f"{line}: this is not valid CSV ({error}): save the table as CSV again") from error


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
    path: Path, columns: Sequence[str], required: str, allowed: Collection[str], one_of: Collection[str]
) -> None:
    if required not in columns or (one_of and not set(columns) & set(one_of)):
        needed = f"{required} and one of {', '.join(one_of)}" if one_of else required
        problem = f"the columns are {', '.join(columns) or 'none'}, but the table needs {needed}"
        raise StudyError(f"{path}, line 1: {problem}: add what is missing, and separate the columns by commas")
    unknown = [column for column in columns if allowed and column and column not in allowed]
    if unknown:
        raise StudyError(f"{path}, line 1: the column {unknown[0]!r} is unknown: use {', '.join(allowed)}")
    repeated = [column for column in allowed or (required, *one_of) if columns.count(column) > 1]
    if repeated:
        raise StudyError(f"{path}, line 1: there is more than one column {repeated[0]!r}: keep one")
