"""Tables in Parquet files, which need the package pyarrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from camcore.errors import StudyError

SUFFIX = ".parquet"
_ROWS = 1000  # that are read at once


def parquet_columns(path: Path) -> list[str]:
    """Return the names of the columns with texts, numbers or times, stripped and in lower case."""
    with _opened(path) as file:
        return [name.strip().casefold() for name in _names(file)]


def parquet_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a Parquet file, each as its number, from 1, and its values in the order of the columns.

    Raise StudyError if pyarrow is missing, or the file cannot be read.
    """
    from pyarrow import ArrowException

    number = 0
    with _opened(path) as file:
        names = _names(file)
        try:
            for batch in file.iter_batches(batch_size=_ROWS, columns=names):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield number, [_to_text(value) for value in row]
        except (ArrowException, OSError) as error:
            raise _damaged(path) from error


def _opened(path: Path) -> Any:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        remedy = "run `pip install pyarrow`, or save the table as CSV"
        raise StudyError(f"{path} is a Parquet file, for which the package pyarrow is missing: {remedy}") from None
    if not path.is_file():
        raise StudyError(f"there is no file {path}: give the path of a Parquet file")
    try:
        return ParquetFile(path, pre_buffer=False)
    except (ArrowException, OSError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> StudyError:
    return StudyError(f"{path} is not a valid Parquet file: write it again, or save the table as CSV")


def _names(file: Any) -> list[str]:
    """Return the names of the columns that hold no bytes and no lists: photos may be stored in the table."""
    from pyarrow import types

    refused = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_nested)
    return [field.name for field in file.schema_arrow if not any(is_kind(field.type) for is_kind in refused)]


def _to_text(value: Any) -> str:
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value).strip()
