"""The metrics as CSV, with one row per photo and method or baseline."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from camcore.report.summary import columns_of

COLUMNS = (
    "file", "species", "site", "method", "class_idx", "name", "probability", "average_drop", "increase", "average_gain",
    "deletion_auc", "insertion_auc", "energy", "lift", "pointing_hit", "forwards", "seconds",
)  # fmt: skip


def csv_lines(records: Iterable[Mapping[str, Any]], methods: Sequence[str]) -> Iterator[bytes]:
    """Yield the metrics of all records as lines of CSV in UTF-8.

    A value that does not exist is empty; yes and no are 1 and 0. Average drop and average gain are in percent. A photo
    that failed has a row for each of the `methods` that were to explain it.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerows(_rows(record, methods))
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _rows(record: Mapping[str, Any], methods: Sequence[str]) -> Iterator[dict[str, Any]]:
    photo = {"file": record["file"], "species": record["species"], "site": record.get("site", "")}
    if record["error"] is not None:
        yield from ({**photo, "method": method} for method in methods)
        return
    for explanation in columns_of(record):
        values = {**explanation, **(explanation["faithfulness"] or {}), **(explanation["localisation"] or {})}
        yield photo | {key: int(value) if isinstance(value, bool) else value for key, value in values.items()}
