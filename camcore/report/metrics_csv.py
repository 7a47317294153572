"""`figures.csv`: a row a photo and method."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from camcore.methods.grad_cam import METHODS

COLUMNS = (
    "file", "species", "method", "class_idx", "name", "probability", "average_drop", "increase", "average_gain",
    "deletion_auc", "insertion_auc", "energy", "lift", "pointing_hit", "forwards", "seconds",
)  # fmt: skip


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """The figures of all records; empty where there is no value, 1 or 0 for yes or no. Percent for drop and gain."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerows(_rows(record))
    return text.getvalue()


def _rows(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    photo = {"file": record["file"], "species": record["species"]}
    if record["error"] is not None:
        yield from ({**photo, "method": method} for method in METHODS)
        return
    for explanation in record["explanations"]:
        figures = {**explanation, **(explanation["faithfulness"] or {}), **(explanation["localisation"] or {})}
        yield {
            **photo,
            **{key: int(value) if isinstance(value, bool) else value for key, value in figures.items()},
        }
