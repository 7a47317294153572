"""HTML of the table of many photos, and of the messages around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from camcore.formatting import percent
from camcore.images.formats import PHOTO_SUFFIXES
from camcore.metrics.thresholds import MINOR, MODERATE, SEVERE
from camcore.report.means import mean
from camcore.report.metrics_table import METRICS, MISSING, Metric, number
from camcore.report.summary import Record
from demo.many.session import SortOrder, TableState
from demo.service import messages
from demo.service.study import TableRow
from demo.service.uploads import is_zip

_ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}
_METRICS = tuple(metric for metric in METRICS if metric.key in ("lift", "deletion_auc", "insertion_auc"))
_COMMAND_LINE_REMEDY = ": add it with --species"  # in a note of the study; the tab has no such option
ON_LOAD = """
element.addEventListener('click', (event) => {
    const header = event.target.closest('[data-sort]');
    const row = event.target.closest('tr[data-row]');
    if (header) trigger('sort', { column: header.dataset.sort });
    else if (row) trigger('open', { row: Number(row.dataset.row) });
});
"""


@dataclass(frozen=True)
class Column:
    """A column of the table.

    `value` returns what rows are sorted by, None for a row that comes last; `cell` returns the HTML of a cell. A column
    with `worst_first` is sorted in descending order at first.
    """

    key: str
    title: str
    value: Callable[[Record], Any]
    cell: Callable[[Record], str]
    numeric: bool = False
    worst_first: bool = False

    @property
    def css_class(self) -> str:
        """Return the value of the attribute `class` of its cells."""
        return f"{self.key} numeric" if self.numeric else self.key


def table(state: TableState) -> str:
    """Return the table of the rows so far, sorted, or "" if there is none."""
    if not state.rows:
        return ""
    hidden = {key for key, has_values in (("species", state.has_species), ("lift", state.has_boxes)) if not has_values}
    columns = [column for column in COLUMNS if column.key not in hidden]
    rows = "".join(_row(index, row, columns) for index, row in _sorted(state.rows, state.order))
    header = "".join(_header(column, state.order) for column in columns)
    metrics = "Lift, deletion and insertion" if state.has_boxes else "Deletion and insertion"
    return (
        f'<p class="note">{metrics} are means over the three methods. ↑ higher is better, ↓ lower is better.</p>'
        '<table role="table" aria-label="Results, one row per photo"><thead role="rowgroup">'
        '<tr role="row" data-label="Sort by"><th role="columnheader" scope="col" class="thumbnail">'
        f'<span class="visually-hidden">Photo</span></th>{header}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table>'
    )


def row_order(state: TableState) -> list[int]:
    """Return the indexes of the photos in the order of the rows."""
    return [index for index, _ in _sorted(state.rows, state.order)]


def chosen(uploads: Sequence[Path]) -> str:
    """Return a sentence on the files that are chosen, judged by their names."""
    photos = sum(path.suffix.lower() in PHOTO_SUFFIXES for path in uploads)
    zips = sum(map(is_zip, uploads))
    counts = ((photos, "photo"), (zips, "zip"), (len(uploads) - photos - zips, "other file"))
    *most, last = (f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count)
    return " and ".join(filter(None, (", ".join(most), last))) + " chosen. Press Start."


def status(state: TableState) -> str:
    """Return the line of status, with a progress bar while a study is running."""
    bar = f'<progress value="{len(state.rows)}" max="{state.total}" aria-hidden="true"></progress>'
    return f'<p class="status" role="status">{escape(state.status)}</p>{bar if state.running and state.total else ""}'


def message(state: TableState) -> str:
    """Return the error message, if any, and the notes on files that do not match."""
    error = f'<p class="message" role="alert">{escape(state.message)}</p>' if state.message else ""
    notes = "".join(f"<li>{escape(note.removesuffix(_COMMAND_LINE_REMEDY))}</li>" for note in state.notes)
    return error + (f'<ul class="notes">{notes}</ul>' if notes else "")


def meanings() -> str:
    """Return the meanings of the metrics, collapsed; they are not part of the table, which is replaced at each step."""
    terms = "".join(f"<dt>{metric.title}</dt><dd>{escape(metric.meaning)}</dd>" for metric in _METRICS)
    return f"<details><summary>What the metrics mean</summary><dl>{terms}</dl></details>"


def find_column(key: str) -> Column | None:
    """Return the column of this key, or None."""
    return next((column for column in COLUMNS if column.key == key), None)


def _sorted(rows: Sequence[TableRow], order: SortOrder) -> list[tuple[int, TableRow]]:
    """Return the rows in order, with their index among the photos; rows without a value come last."""
    column = next(column for column in COLUMNS if column.key == order.column)

    def value(entry: tuple[int, TableRow]) -> Any:
        record = entry[1].record
        return column.value(record) if record["error"] is None or column.key == "file" else None

    entries = list(enumerate(rows))
    with_value = sorted((entry for entry in entries if value(entry) is not None), key=value, reverse=order.descending)
    return with_value + [entry for entry in entries if value(entry) is None]


def _header(column: Column, order: SortOrder) -> str:
    direction = ("descending" if order.descending else "ascending") if order.column == column.key else "none"
    return (
        f'<th role="columnheader" scope="col" aria-sort="{direction}" class="{column.css_class}">'
        f'<button type="button" data-sort="{column.key}">'
        f'<span class="visually-hidden">Sort by </span>{escape(column.title)}</button></th>'
    )


def _row(index: int, row: TableRow, columns: Sequence[Column]) -> str:
    """Return a row; the error message of a photo that cannot be read takes the place of most cells."""
    if row.record["error"] is None:
        alt = f"What the model saw of {escape(row.record['file'])}"
        image = f'<img src="{row.thumbnail}" alt="{alt}" width="56" height="56">' if row.thumbnail else ""
        cells = "".join(_cell(column, row.record) for column in columns)
        return f'<tr role="row" data-row="{index}"><td role="cell" class="thumbnail">{image}</td>{cells}</tr>'
    names = [column for column in columns if column.key in ("file", "species")]
    cells = "".join(_cell(column, row.record) for column in names)
    span = len(columns) - len(names)
    error = escape(messages.sentence(row.record["error"]))
    return (
        f'<tr role="row" class="failed"><td role="cell" class="thumbnail"></td>{cells}'
        f'<td role="cell" class="error" colspan="{span}" aria-colspan="{span}">{error}</td></tr>'
    )


def _cell(column: Column, record: Record) -> str:
    label = f' data-label="{escape(column.title)}"' if column.numeric else ""
    return f'<td role="cell" class="{column.css_class}"{label}>{column.cell(record)}</td>'


def _file_cell(record: Record) -> str:
    name = escape(record["file"].rpartition("/")[2])
    if record["error"] is not None:
        return f"<span>{name}</span>"
    return f'<button type="button" title="Open {escape(record["file"])} in Compare">{name}</button>'


def _species(record: Record) -> str:
    return str(record["truth"]["title"] if record["error"] is None else "") or str(record["species"])


def _prediction_cell(record: Record) -> str:
    first = record["predictions"][0]
    return f"{escape(first['name'])} <span>{percent(first['probability'])}</span>"


def _verdict_cell(record: Record) -> str:
    verdict = record["verdict"]
    level = _severity_level(verdict["severity"])
    tag = f'<b class="{level}">{level}<span class="visually-hidden">:</span></b> ' if level else ""
    return f'{tag}<span class="{"some" if level else "none"}">{escape(verdict["summary"])}</span>'


def _severity_level(severity: int) -> str:
    """Return a word for the severity of all warnings together, or "" without a warning."""
    levels = ((SEVERE, "severe"), (MODERATE, "moderate"), (MINOR, "minor"))
    return next((level for least, level in levels if severity >= least), "")


def _verdict_order(record: Record) -> int:
    """Return the severity of the warnings; without a warning, photos on the target come after those not judged."""
    verdict = record["verdict"]
    return -1 if verdict["state"] == "on the target" else verdict["severity"]


def _metric_column(metric: Metric) -> Column:
    def value(record: Record) -> float | None:
        return mean(metric.read(record, explanation) for explanation in record["explanations"]).value

    title = metric.title + _ARROWS[metric.better]
    return Column(metric.key, title, value, lambda record: metric.text(value(record)), numeric=True)


COLUMNS = (
    Column("file", "File", lambda record: record["file"].casefold(), _file_cell),
    Column("species", "Species", lambda record: _species(record).casefold(),
           lambda record: escape(_species(record)) or MISSING),
    Column("prediction", "Predicted", lambda record: record["predictions"][0]["name"].casefold(), _prediction_cell),
    Column("verdict", "Verdict", _verdict_order, _verdict_cell, worst_first=True),
    *map(_metric_column, _METRICS),
    Column("seconds", "Seconds", lambda record: record["seconds"],
           lambda record: number("{:.1f}", record["seconds"]), numeric=True),
)  # fmt: skip
