"""HTML of the table of many photos, and of the messages around it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from camcore.formatting import percent
from camcore.report.metrics_table import METRICS, MISSING, Metric, number
from camcore.report.summary import mean
from demo.many import text
from demo.many.session import SortOrder, TableState
from demo.service import messages
from demo.service.study import TableRow

Record = Mapping[str, Any]
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

    `value` returns what rows are sorted by, None for a row that comes last; `cell` returns the HTML of a cell.
    `better` is the better direction of a metric. A column with `worst_first` is sorted in descending order at first.
    """

    key: str
    value: Callable[[Record], Any]
    cell: Callable[[Record], str]
    numeric: bool = False
    better: str = ""
    worst_first: bool = False

    @property
    def title(self) -> str:
        """Return the heading, with an arrow in the better direction of a metric."""
        return text.COLUMNS[self.key] + _ARROWS[self.better]


def table(state: TableState) -> str:
    """Return the table of the rows so far, sorted, or "" if there is none."""
    if not state.rows:
        return ""
    hidden = {key for key, has_values in (("species", state.has_species), ("lift", state.has_boxes)) if not has_values}
    columns = [column for column in COLUMNS if column.key not in hidden]
    rows = "".join(_row(index, row, columns) for index, row in _sorted(state.rows, state.order))
    header = "".join(_header(column, state.order) for column in columns)
    return (
        f'<p class="note">{escape(text.metrics_note(state.has_boxes))}</p>'
        f'<table role="table" aria-label="{escape(text.TABLE)}"><thead role="rowgroup">'
        f'<tr role="row" data-label="{escape(text.SORT_BY)}"><th role="columnheader" scope="col" class="thumbnail">'
        f"{_visually_hidden(text.COLUMNS['thumbnail'])}</th>{header}</tr></thead>"
        f'<tbody role="rowgroup">{rows}</tbody></table>'
    )


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
    terms = "".join(f"<dt>{text.COLUMNS[metric.key]}</dt><dd>{escape(metric.meaning)}</dd>" for metric in _METRICS)
    return f"<details><summary>{escape(text.METRICS)}</summary><dl>{terms}</dl></details>"


def find_column(key: str) -> Column | None:
    """Return the column of this key, or None."""
    return next((column for column in COLUMNS if column.key == key), None)


def _sorted(rows: Sequence[TableRow], order: SortOrder) -> list[tuple[int, TableRow]]:
    """Return the rows in order, each with its index among the photos."""
    column = find_column(order.column)
    if column is None:
        return list(enumerate(rows))
    values: list[Any] = [None if _failed(row) and column.key != "file" else column.value(row.record) for row in rows]
    with_value = [index for index, value in enumerate(values) if value is not None]
    without_value = [index for index, value in enumerate(values) if value is None]
    with_value.sort(key=lambda index: values[index], reverse=order.descending)
    return [(index, rows[index]) for index in (*with_value, *without_value)]


def _header(column: Column, order: SortOrder) -> str:
    direction = ("descending" if order.descending else "ascending") if order.column == column.key else "none"
    return (
        f'<th role="columnheader" scope="col" aria-sort="{direction}"{_class(column)}>'
        f'<button type="button" data-sort="{column.key}">'
        f"{_visually_hidden(text.SORT_BY + ' ')}{escape(column.title)}</button></th>"
    )


def _row(index: int, row: TableRow, columns: Sequence[Column]) -> str:
    if _failed(row):
        return _failed_row(row.record, columns)
    alt = escape(text.thumbnail(row.record["file"]))
    image = f'<img src="{row.thumbnail}" alt="{alt}" width="56" height="56">' if row.thumbnail else ""
    cells = "".join(_cell(column, row.record) for column in columns)
    return f'<tr role="row" data-row="{index}"><td role="cell" class="thumbnail">{image}</td>{cells}</tr>'


def _failed_row(record: Record, columns: Sequence[Column]) -> str:
    """Return the row of a photo that cannot be read: the error message takes the place of most cells."""
    names = [column for column in columns if column.key in ("file", "species")]
    cells = "".join(_cell(column, record) for column in names)
    span = len(columns) - len(names)
    error = escape(messages.sentence(record["error"]))
    return (
        f'<tr role="row" class="failed"><td role="cell" class="thumbnail"></td>{cells}'
        f'<td role="cell" class="error" colspan="{span}" aria-colspan="{span}">{error}</td></tr>'
    )


def _cell(column: Column, record: Record) -> str:
    label = f' data-label="{escape(column.title)}"' if column.numeric else ""
    return f'<td role="cell"{_class(column)}{label}>{column.cell(record)}</td>'


def _class(column: Column) -> str:
    return f' class="{column.key}{" numeric" if column.numeric else ""}"'


def _failed(row: TableRow) -> bool:
    return row.record["error"] is not None


def _visually_hidden(words: str) -> str:
    """Return text that only screen readers present."""
    return f'<span class="visually-hidden">{escape(words)}</span>'


def _file_cell(record: Record) -> str:
    name = escape(record["file"].rpartition("/")[2])
    if record["error"] is not None:
        return f"<span>{name}</span>"
    return f'<button type="button" title="{escape(text.open_photo(record["file"]))}">{name}</button>'


def _species(record: Record) -> str:
    return str(record["truth"]["title"] if record["error"] is None else "") or str(record["species"])


def _prediction_cell(record: Record) -> str:
    first = record["predictions"][0]
    return f"{escape(first['name'])} <span>{percent(first['probability'])}</span>"


def _warnings_cell(record: Record) -> str:
    warnings = record["verdict"]["warnings"]
    return f'<span class="{"some" if warnings else "none"}">{escape("; ".join(warnings) or text.NO_WARNINGS)}</span>'


def _metric_column(metric: Metric) -> Column:
    def value(record: Record) -> float | None:
        return mean(metric.read(record, explanation) for explanation in record["explanations"]).value

    return Column(metric.key, value, lambda record: metric.text(value(record)), numeric=True, better=metric.better)


COLUMNS = (
    Column("file", lambda record: record["file"].casefold(), _file_cell),
    Column("species", lambda record: _species(record).casefold(), lambda record: escape(_species(record)) or MISSING),
    Column("prediction", lambda record: record["predictions"][0]["name"].casefold(), _prediction_cell),
    Column("warnings", lambda record: record["verdict"]["severity"], _warnings_cell, worst_first=True),
    *map(_metric_column, _METRICS),
    Column("seconds", lambda record: record["seconds"], lambda record: number("{:.1f}", record["seconds"]), True),
)
