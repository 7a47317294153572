"""The columns of a study's rows, and how the record of a photo has their values."""

import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from camcore.methods.method_table import METHODS, MethodName
from camcore.metrics.counterfactuals import MASKED

Record = Mapping[str, Any]
Kind = Literal["string", "float64", "int64", "bool", "map"]


@dataclass(frozen=True)
class RowColumn:
    """A column of the rows: its name, the type of its values, and how a record has them; None for none."""

    name: str
    kind: Kind
    read: Callable[[Record], Any]


def _boxes_in_photo(record: Record) -> list[list[float]]:
    """Return the boxes within the view, as left, top, right and bottom in fractions of the photo."""
    left, top, right, bottom = _view_in_photo(record)
    across, down = right - left, bottom - top
    return [
        [left + box[0] * across, top + box[1] * down, left + box[2] * across, top + box[3] * down]
        for box in record["target"]["boxes"]
    ]


def _view_in_photo(record: Record) -> list[float]:
    """Return what the model saw as left, top, right and bottom in fractions of the photo; padding exceeds it."""
    (left, top, right, bottom), (width, height) = record["view"]["box"], record["view"]["photo_size"]
    return [left / width, top / height, right / width, bottom / height]


def column_prefix(method: MethodName) -> str:
    """Return what the names of a method's columns begin with, as "grad_cam"."""
    return METHODS[method].file_name.replace("-", "_")


def columns(methods: Container[MethodName]) -> list[RowColumn]:
    """Return the columns of a study with these methods, in order."""
    of_methods = (column for method in METHODS if method in methods for column in _of_method(method))
    return [*_PHOTO, *_RESULT, *_ANSWERS, *of_methods]


def to_row(record: Record, of: Sequence[RowColumn]) -> dict[str, Any]:
    """Return the row of a record; a photo that failed has values in the first columns only."""
    is_explained = record["error"] is None
    return {column.name: column.read(record) if is_explained or column in _PHOTO else None for column in of}


def _at(*keys: str | int) -> Callable[[Record], Any]:
    """Return a function that reads a value at these keys of a record, None if one of them is missing."""

    def read(record: Record) -> Any:
        value: Any = record
        for key in keys:
            if value is None:
                return None
            has_key = key < len(value) if isinstance(key, int) else key in value
            value = value[key] if has_key else None
        return value

    return read


def _of_method(method: MethodName) -> list[RowColumn]:
    prefix = column_prefix(method)

    def read(*keys: str) -> Callable[[Record], Any]:
        inner = _at(*keys)
        return lambda record: next((inner(e) for e in record["explanations"] if e["method"] == method), None)

    def grid(record: Record) -> list[float] | None:
        cam = read("cam")(record)
        return None if cam is None else [value for row in cam for value in row]

    kinds: tuple[tuple[str, Kind, tuple[str, ...]], ...] = (
        ("energy", "float64", ("localisation", "energy")),
        ("lift", "float64", ("localisation", "lift")),
        ("pointing_hit", "bool", ("localisation", "pointing_hit")),
        ("average_drop", "float64", ("faithfulness", "average_drop")),
        ("average_gain", "float64", ("faithfulness", "average_gain")),
        ("deletion_auc", "float64", ("faithfulness", "deletion_auc")),
        ("insertion_auc", "float64", ("faithfulness", "insertion_auc")),
        ("peak", "float64", ("peak",)),
        ("fidelity_estimate", "float64", ("fidelity_estimate",)),
        ("forwards", "int64", ("forwards",)),
    )
    own = [RowColumn(f"{prefix}_{name}", kind, read(*keys)) for name, kind, keys in kinds]
    return [*own, RowColumn(f"{prefix}_map", "map", grid)]


_PHOTO = [
    *(RowColumn(name, "string", _at(name)) for name in ("file", "species", "site", "taken_at", "sha256", "error")),
]
_RESULT = [
    RowColumn("level", "string", _at("level")),
    RowColumn("decoded_at", "string", lambda record: f"1/{record['view']['reduced']}"),
    RowColumn("damage", "string", _at("view", "damage")),
    RowColumn("class_idx", "int64", _at("predictions", 0, "class_idx")),
    RowColumn("class_name", "string", _at("predictions", 0, "name")),
    RowColumn("probability", "float64", _at("predictions", 0, "probability")),
    RowColumn("second_class_name", "string", _at("predictions", 1, "name")),
    RowColumn("second_probability", "float64", _at("predictions", 1, "probability")),
    RowColumn("true_species", "string", _at("truth", "title")),
    RowColumn("true_class_name", "string", _at("truth", "name")),
    RowColumn("true_rank", "int64", _at("truth", "rank")),
    RowColumn("prediction_is", "string", _at("truth", "status")),
    RowColumn("verdict", "string", _at("verdict", "summary")),
    RowColumn("severity", "int64", _at("verdict", "severity")),
    RowColumn("heat", "string", _at("verdict", "place")),
    RowColumn("photo_width", "int64", _at("view", "photo_size", 0)),
    RowColumn("photo_height", "int64", _at("view", "photo_size", 1)),
    RowColumn("view_share", "float64", _at("view", "share")),
    RowColumn("view", "string", lambda record: json.dumps(_view_in_photo(record))),
    RowColumn("boxes", "string", lambda record: json.dumps(_boxes_in_photo(record)) if record["target"] else None),
    RowColumn("target_share", "float64", _at("target", "share")),
    RowColumn("target_cut_off", "float64", _at("target", "cut_off")),
    RowColumn("whole_class_name", "string", _at("whole", "name")),
    RowColumn("map_height", "int64", lambda record: _size_of_map(record, 0)),
    RowColumn("map_width", "int64", lambda record: _size_of_map(record, 1)),
    RowColumn("seconds", "float64", _at("seconds")),
]
_ANSWERS = [
    RowColumn("finding", "string", _at("counterfactuals", "finding")),
    RowColumn("log_ratio", "float64", _at("counterfactuals", "log_ratio")),
    *(
        RowColumn(
            f"{part}_{filling}_probability".replace(" ", "_"), "float64",
            _at("counterfactuals", "answers", number, "probability"),
        )
        for number, (part, filling) in enumerate(MASKED)
    ),
]  # fmt: skip


def _size_of_map(record: Record, axis: int) -> int | None:
    cam = next((explanation["cam"] for explanation in record["explanations"] if explanation.get("cam")), None)
    return None if cam is None else np.shape(cam)[axis]
