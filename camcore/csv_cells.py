"""The CSV files that are written: a name that a spreadsheet would run as a formula is marked as text."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

# See https://owasp.org/www-community/attacks/CSV_Injection. An apostrophe before such a text marks it as a text in
# spreadsheets; one that is there already gets another, so that each cell can be read back.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def to_line(values: Iterable[Any]) -> bytes:
    """Return a line of CSV in UTF-8, of values as `to_cell` makes them, and nothing for None."""
    text = io.StringIO()
    # Cells that hold a character of the line's end are quoted; a reader takes a carriage return for an end, too.
    csv.writer(text, lineterminator="\r\n").writerow(map(to_cell, values))
    return (text.getvalue()[:-2] + "\n").encode()


def to_cell(value: Any) -> Any:
    """Return the cell of a value: yes and no are 1 and 0, numbers are unchanged, and no text begins a formula."""
    if isinstance(value, bool):
        return int(value)
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def from_cell(cell: str) -> str:
    """Return the text of a cell that `to_cell` made; a cell of another table is unchanged, but for such a mark."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
