"""Rows of a study: one per photo, in parts of 1,000, as Parquet with the package pyarrow and else as CSV."""

import io
from collections.abc import Container, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from camcore.csv_cells import to_line
from camcore.drawing.output import make_folder, save_bytes
from camcore.errors import OutputError
from camcore.methods.method_table import MethodName
from camcore.study.file_names import ROWS
from camcore.study.row_columns import Record, RowColumn, columns, to_row

PART = 1000  # photos


def has_parquet() -> bool:
    """Return whether the optional package pyarrow is installed."""
    return find_spec("pyarrow") is not None


class RowParts:
    """Writes rows into the folder `rows` of an output folder: photos 0 to 999 into part 0, and so on.

    There are columns for the `methods` of the study. A part is replaced whole, so that it has either all of its photos
    or does not exist.
    """

    def __init__(self, out: Path, methods: Container[MethodName]):
        self._folder, self._columns = out / ROWS, columns(methods)
        self._rows: list[dict[str, Any]] = []
        self._number = 0
        make_folder(self._folder)

    def add(self, record: Record) -> None:
        """Add the next photo; raise OutputError if a part that it completes cannot be written."""
        self._rows.append(to_row(record, self._columns))
        if len(self._rows) == PART:
            self._next_part()

    def end(self) -> None:
        """Write the photos that are in no part yet, and delete parts of an earlier run that had more photos.

        Raise OutputError if that fails.
        """
        if self._rows:
            self._next_part()
        for path in self._folder.glob("part-*"):
            number = path.stem.removeprefix("part-")
            if number.isdigit() and int(number) >= self._number:
                _delete(path)

    def replace(self, number: int, records: Iterable[Record]) -> None:
        """Write the photos of one part again; raise OutputError if that fails."""
        self._write(number, [to_row(record, self._columns) for record in records])

    def _next_part(self) -> None:
        self._write(self._number, self._rows)
        self._number, self._rows = self._number + 1, []

    def _write(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        suffix, encode = (".parquet", _to_parquet) if has_parquet() else (".csv", _to_csv)
        path = self._folder / f"part-{number:05}"
        save_bytes(path.with_suffix(suffix), encode(rows, self._columns))
        _delete(path.with_suffix(".csv" if suffix == ".parquet" else ".parquet"))  # of a run with the other format


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be deleted ({error.strerror}): delete it yourself") from error


def _to_parquet(rows: Sequence[Mapping[str, Any]], of: Sequence[RowColumn]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"string": pa.string(), "float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_()}
    schema = pa.schema([(c.name, pa.list_(pa.float16()) if c.kind == "map" else kinds[c.kind]) for c in of])
    values = {c.name: [_half(row[c.name]) if c.kind == "map" else row[c.name] for row in rows] for c in of}
    buffer = io.BytesIO()
    parquet.write_table(pa.table(values, schema=schema), buffer)
    return buffer.getvalue()


def _half(values: list[float] | None) -> Any:
    return None if values is None else np.array(values, np.float16)


def _to_csv(rows: Sequence[Mapping[str, Any]], of: Sequence[RowColumn]) -> bytes:
    names = [column.name for column in of]
    return b"".join([to_line(names), *(to_line(row[name] for name in names) for row in rows)])
