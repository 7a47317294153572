"""No cell of a CSV file is a formula to a spreadsheet, numbers stay numbers, and names are read back as they were."""

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camcore.csv_cells import from_cell, to_cell
from camcore.methods.method_table import DEFAULT_METHODS
from camcore.report.metrics_csv import csv_lines
from camcore.study import rows
from camcore.study.inputs.tables import read_table
from camcore.study.rows import RowParts
from tests.camcore.study.test_rows import FAILED, RECORD

FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-2+3.jpg", "@SUM(1)", "\t=1", "\r=1", "\n=1", "'=1", "''@a", "=", "-"]
PLAIN = ["eagle.jpg", "a=b", "1-2.jpg", "'quoted'", "'", "", " =1", "ü", "0.5", "é@x"]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_marked_as_text_and_read_back(name: str) -> None:
    assert to_cell(name) == f"'{name}"
    assert from_cell(to_cell(name)) == name


@pytest.mark.parametrize("name", PLAIN)
def test_another_text_is_unchanged(name: str) -> None:
    assert to_cell(name) == from_cell(name) == name


@given(st.text(alphabet="'=+-@\t\r\n a1"))
def test_every_text_is_read_back_as_it_was(text: str) -> None:
    assert from_cell(to_cell(text)) == text
    assert to_cell(text)[:1] not in tuple("=+-@\t\r\n")


@pytest.mark.parametrize(("value", "cell"), [(-0.5, -0.5), (-3, -3), (True, 1), (False, 0), (None, None), (1e-7, 1e-7)])
def test_numbers_stay_numbers(value: Any, cell: Any) -> None:
    assert to_cell(value) == cell
    assert type(to_cell(value)) is type(cell)


@pytest.mark.parametrize("name", FORMULAS)
def test_no_csv_of_a_study_has_a_formula_and_its_names_are_read_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "has_parquet", lambda: False)
    names = {"file": name, "species": name, "site": name}
    record = {**RECORD, **names, "counterfactuals": {**RECORD["counterfactuals"], "log_ratio": -0.5}}
    parts = RowParts(tmp_path, DEFAULT_METHODS)
    for added in (record, {**FAILED, **names, "file": f"{name}x", "error": "@failed"}):
        parts.add(added)
    parts.end()
    metrics = tmp_path / "metrics.csv"
    metrics.write_bytes(b"".join(csv_lines([{**FAILED, **names}], DEFAULT_METHODS)))
    table = tmp_path / "rows" / "part-00000.csv"
    for path in (table, metrics):
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert [cell for cell in cells if cell[:1] in tuple("=+-@\t\r") and cell != "-0.5"] == []
    assert "-0.5" in table.read_text(encoding="utf-8")
    (_, first), (_, second) = read_table(table)
    assert (first["file"], first["site"], second["file"], second["error"]) == (name, name, f"{name}x", "@failed")
    assert [row["file"] for _, row in read_table(metrics)] == [name] * 3
