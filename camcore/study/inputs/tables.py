"""Tables that a person writes: CSV, as spreadsheets save it."""

import csv
from collections.abc import Collection, Iterator, Sequence
from io import StringIO
from pathlib import Path

from camcore.errors import StudyError


def read_rows(
    path: Path, required: str, allowed: Collection[str] = (), one_of: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV as (line, values by column), all stripped; columns are compared without case.

    Every row needs a value in the `required` column. If given, every column is one of `allowed`, and at least one
    column is of `one_of`.

    Raises:
        StudyError: if the file cannot be read as a CSV, or its columns or a row are not so.
    """
    reader = csv.DictReader(StringIO(_text(path)), restval="", strict=True)
    try:
        columns = [column.strip().casefold() for column in reader.fieldnames or ()]
        _check_columns(path, columns, required, allowed, one_of)
        reader.fieldnames = columns
        for row in reader:
            if None in row:
                raise StudyError(
                    f"{path}, line {reader.line_num}: there are more values than columns: "
                    "put a value that has a comma in double quotes"
                )
            values = {column: value.strip() for column, value in row.items()}
            if any(values.values()):
                if not values[required]:
                    raise StudyError(f"{path}, line {reader.line_num}: the {required} is missing: name it")
                yield reader.line_num, values
    except csv.Error as error:
        raise StudyError(
            f"{path}, line {reader.reader.line_num}: this is no CSV ({error}): save it as one again"
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise StudyError(f"there is no file {path}: name a CSV") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}): name a CSV") from error
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not UTF-8 text: save it as a CSV in UTF-8") from None


def _check_columns(
    path: Path, columns: Sequence[str], required: str, allowed: Collection[str], one_of: Collection[str]
) -> None:
    there = ", ".join(columns) or "none"
    if required not in columns or (one_of and not set(columns) & set(one_of)):
        needed = f"{required} and one of {', '.join(one_of)}" if one_of else required
        raise StudyError(f"{path}, line 1: the columns are {there}: name {needed}, separated by commas")
    foreign = [column for column in columns if allowed and column and column not in allowed]
    if foreign:
        raise StudyError(f"{path}, line 1: there is no use for the column {foreign[0]!r}: use {', '.join(allowed)}")
    twice = [column for column in allowed or (required, *one_of) if columns.count(column) > 1]
    if twice:
        raise StudyError(f"{path}, line 1: the column {twice[0]!r} is there twice: keep one")
