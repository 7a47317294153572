"""Rows: one per photo, as Parquet or CSV, in parts that are replaced whole."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from camcore.methods.method_table import DEFAULT_METHODS
from camcore.study import rows
from camcore.study.row_columns import columns
from camcore.study.rows import PART, RowParts

RECORD: dict[str, Any] = {
    "file": "a/1.jpg", "species": "a", "site": "north", "taken_at": "2026-05-01T06:30:00", "sha256": "1" * 64,
    "error": None, "level": "screen", "seconds": 0.5, "whole": None, "thumbnail": "thumbnails/00/a-1.jpg",
    "predictions": [
        {"class_idx": 3, "name": "kite", "probability": 0.75},
        {"class_idx": 4, "name": "wren", "probability": 0.2},
    ],
    "truth": {"title": "Kite", "name": "kite", "rank": 1, "status": "right"},
    "view": {"box": [100, 0, 300, 200], "photo_size": [400, 200], "share": 0.5, "reduced": 4, "damage": None},
    "target": {"boxes": [[0.5, 0, 1, 0.5]], "share": 0.25, "cut_off": 0.0, "word": "animal"},
    "verdict": {"summary": "on the animal", "severity": 0, "place": "on the target"},
    "counterfactuals": {
        "finding": "needs the target", "log_ratio": 2.5,
        "answers": [{"probability": value} for value in (0.9, 0.8, 0.1, 0.2)],
    },
    "explanations": [
        {"method": "grad-cam", "localisation": {"energy": 0.5, "lift": 2.0, "pointing_hit": True}, "faithfulness": None,
         "peak": 1.5, "fidelity_estimate": None, "forwards": None, "cam": [[0.0, 0.5], [1.0, 0.25]]},
    ],
}  # fmt: skip
FAILED: dict[str, Any] = {**{name: RECORD[name] for name in ("file", "species", "site", "sha256")}, "taken_at": "",
                          "error": "this file is not a photo"}  # fmt: skip


def test_a_row_has_what_the_record_has_and_a_failed_photo_its_reason(tmp_path: Path) -> None:
    parts = RowParts(tmp_path, DEFAULT_METHODS)
    parts.add(RECORD)
    parts.add({**FAILED, "file": "b.jpg"})
    parts.end()
    first, second = parquet.read_table(tmp_path / "rows").to_pylist()
    assert first.keys() == {column.name for column in columns(DEFAULT_METHODS)}
    assert first["class_name"] == "kite"
    assert first["second_class_name"] == "wren"
    assert first["decoded_at"] == "1/4"
    assert first["boxes"] == "[[0.5, 0.0, 0.75, 0.5]]", "fractions of the photo"
    assert first["view"] == "[0.25, 0.0, 0.75, 1.0]"
    assert first["grad_cam_lift"] == 2
    assert first["score_cam_lift"] is None
    assert first["background_only_blurred_probability"] == 0.2
    assert first["grad_cam_map"] == [0, 0.5, 1, 0.25]
    assert (first["map_height"], first["map_width"]) == (2, 2)
    assert second["error"] == "this file is not a photo"
    assert {name for name, value in second.items() if value is not None} == {*FAILED}


def test_without_pyarrow_the_same_rows_are_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "find_spec", lambda name: None)
    record = {**RECORD, "explanations": [{**RECORD["explanations"][0], "cam": None}]}
    parts = RowParts(tmp_path, DEFAULT_METHODS)
    parts.add(record)
    parts.end()
    with (tmp_path / "rows" / "part-00000.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["grad_cam_pointing_hit"] == "1"
    assert row["grad_cam_lift"] == "2.0"
    assert row["score_cam_lift"] == ""


def test_parts_are_full_and_can_be_replaced_and_those_of_a_longer_run_go(tmp_path: Path) -> None:
    for count in (2 * PART + 1, PART + 2):
        parts = RowParts(tmp_path, DEFAULT_METHODS)
        for number in range(count):
            parts.add({**FAILED, "file": f"{number}.jpg"})
        parts.end()
        read = parquet.read_table(tmp_path / "rows").to_pylist()
        assert [row["file"] for row in read] == [f"{number}.jpg" for number in range(count)]
    parts.replace(1, [RECORD, FAILED])
    read = parquet.read_table(tmp_path / "rows").to_pylist()
    assert [row["level"] for row in read[PART:]] == ["screen", None]
    assert np.all([row["level"] is None for row in read[:PART]])
