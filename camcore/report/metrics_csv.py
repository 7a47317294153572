"""The metrics as CSV, with one row per photo and method or baseline."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from camcore.csv_cells import to_line
from camcore.report.summary import columns_of

COLUMNS = (
    "file", "species", "site", "method", "class_idx", "name", "probability", "average_drop", "increase", "average_gain",
    "deletion_auc", "insertion_auc", "energy", "lift", "pointing_hit", "forwards", "seconds",
)  # fmt: skip


def csv_lines(records: Iterable[Mapping[str, Any]], methods: Sequence[str]) -> Iterator[bytes]:
    """Yield the metrics of all records as lines of CSV in UTF-8.

    A value that does not exist is empty; see `to_line` for the others. Average drop and average gain are in percent. A
    photo that failed has a row for each of the `methods` that were to explain it.
    """
    yield to_line(COLUMNS)
    for record in records:
        yield b"".join(to_line(row.get(name) for name in COLUMNS) for row in _rows(record, methods))


def _rows(record: Mapping[str, Any], methods: Sequence[str]) -> Iterator[dict[str, Any]]:
    photo = {"file": record["file"], "species": record["species"], "site": record.get("site", "")}
    if record["error"] is not None:
        yield from ({**photo, "method": method} for method in methods)
        return
    for explanation in columns_of(record):
        yield {**photo, **explanation, **(explanation["faithfulness"] or {}), **(explanation["localisation"] or {})}
