"""HTML of the table of many photos, and of what is said around it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from camcore.formatting import percent
from camcore.report.metrics_table import METRICS, MISSING, Metric, number
from camcore.report.summary import mean
from demo.many import text
from demo.many.session import SortOrder, TableState
from demo.service.study import TableRow

Record = Mapping[str, Any]
_ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}
_SHOWN = {figure.key: figure for figure in METRICS if figure.key in ("lift", "deletion_auc", "insertion_auc")}
_NO_OPTION_HERE = ": add it with --species"
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
    """A column: what its rows are sorted by, None last, and its cell's HTML; `worst_first` sorts downwards at first."""

    key: str
    value: Callable[[Record], Any]
    cell: Callable[[Record], str]
    figure: bool = False
    better: str = ""
    worst_first: bool = False

    @property
    def title(self) -> str:
        """What stands above it."""
        return text.MANY_COLUMNS[self.key] + _ARROWS[self.better]


def table(state: TableState) -> str:
    """The rows there are, sorted; nothing while there is none."""
    if not state.rows:
        return ""
    left_out = {key for key, known in (("species", state.species), ("lift", state.boxes)) if not known}
    columns = [column for column in COLUMNS if column.key not in left_out]
    rows = "".join(_row(index, row, columns) for index, row in _sorted(state.rows, state.order))
    header = "".join(_header(column, state.order) for column in columns)
    return (
        f'<p class="note">{escape(text.many_means(state.boxes))}</p>'
        f'<table role="table" aria-label="{escape(text.MANY_TABLE)}"><thead role="rowgroup">'
        f'<tr role="row" data-label="{escape(text.MANY_SORT)}">'
        f'<th role="columnheader" scope="col" class="picture">{_quiet(text.MANY_COLUMNS["picture"])}</th>{header}'
        f'</tr></thead><tbody role="rowgroup">{rows}</tbody></table>'
    )


def status(state: TableState) -> str:
    """The line that says what is happening, with a bar while it is."""
    bar = f'<progress value="{len(state.rows)}" max="{state.total}" aria-hidden="true"></progress>'
    return f'<p class="status" role="status">{escape(state.status)}</p>{bar if state.running and state.total else ""}'


def message(state: TableState) -> str:
    """What is wrong with what was chosen, and what does not fit together in it."""
    said = f'<p class="message" role="alert">{escape(state.message)}</p>' if state.message else ""
    notes = "".join(f"<li>{escape(note.removesuffix(_NO_OPTION_HERE))}</li>" for note in state.notes)
    return said + (f'<ul class="notes">{notes}</ul>' if notes else "")


def meanings() -> str:
    """What each figure means, folded away; apart from the rows, so that it stays open while they come."""
    said = "".join(
        f"<dt>{text.MANY_COLUMNS[figure.key]}</dt><dd>{escape(figure.meaning)}</dd>" for figure in _SHOWN.values()
    )
    return f"<details><summary>{escape(text.MANY_FIGURES)}</summary><dl>{said}</dl></details>"


def column(key: str) -> Column | None:
    """The column of that key, if there is one."""
    return next((column for column in COLUMNS if column.key == key), None)


def _sorted(rows: Sequence[TableRow], order: SortOrder) -> list[tuple[int, TableRow]]:
    numbered = list(enumerate(rows))
    by = column(order.column)
    if by is None:
        return numbered
    values: dict[int, Any] = {
        index: None if _failed(row) and by.key != "file" else by.value(row.record) for index, row in numbered
    }
    known = [each for each in numbered if values[each[0]] is not None]
    unknown = [each for each in numbered if values[each[0]] is None]
    known.sort(key=lambda each: values[each[0]], reverse=order.descending)
    return known + unknown


def _header(column: Column, order: SortOrder) -> str:
    direction = ("descending" if order.descending else "ascending") if order.column == column.key else "none"
    return (
        f'<th role="columnheader" scope="col" aria-sort="{direction}"{_class(column)}>'
        f'<button type="button" data-sort="{column.key}">{_quiet(text.MANY_SORT + " ")}{escape(column.title)}</button>'
        "</th>"
    )


def _row(index: int, row: TableRow, columns: Sequence[Column]) -> str:
    record = row.record
    if _failed(row):
        before = [column for column in columns if column.key in ("file", "species")]
        cells = "".join(_cell(column, record) for column in before)
        said = record["error"][:1].upper() + record["error"][1:]
        span = len(columns) - len(before)
        cells += f'<td role="cell" class="failed" colspan="{span}" aria-colspan="{span}">{escape(said)}.</td>'
        return f'<tr role="row" class="bad"><td role="cell" class="picture"></td>{cells}</tr>'
    alt = f"What the model saw of {record['file']}"
    image = f'<img src="{row.thumbnail}" alt="{escape(alt)}" width="56" height="56">' if row.thumbnail else ""
    cells = "".join(_cell(column, record) for column in columns)
    return f'<tr role="row" data-row="{index}"><td role="cell" class="picture">{image}</td>{cells}</tr>'


def _cell(column: Column, record: Record) -> str:
    label = f' data-label="{escape(column.title)}"' if column.figure else ""
    return f'<td role="cell"{_class(column)}{label}>{column.cell(record)}</td>'


def _class(column: Column) -> str:
    return f' class="{column.key}{" figure" if column.figure else ""}"'


def _failed(row: TableRow) -> bool:
    return row.record["error"] is not None


def _quiet(words: str) -> str:
    """Words for those who listen: the eye sees what they say."""
    return f'<span class="unseen">{escape(words)}</span>'


def _file(record: Record) -> str:
    name = escape(record["file"].rpartition("/")[2])
    if record["error"] is not None:
        return f"<span>{name}</span>"
    return f'<button type="button" title="{escape(text.many_open(record["file"]))}">{name}</button>'


def _species(record: Record) -> str:
    return str(record["truth"]["title"] if record["error"] is None else "") or str(record["species"])


def _called(record: Record) -> str:
    first = record["predictions"][0]
    return f"{escape(first['name'])} <span>{percent(first['probability'])}</span>"


def _worries(record: Record) -> str:
    warnings = record["verdict"]["warnings"]
    said = "; ".join(warnings) or text.MANY_CALM
    return f'<span class="{"worry" if warnings else "calm"}">{escape(said)}</span>'


def _figure(figure: Metric) -> Column:
    def value(record: Record) -> float | None:
        return mean(figure.read(record, explanation) for explanation in record["explanations"]).value

    return Column(figure.key, value, lambda record: figure.text(value(record)), True, figure.better)


COLUMNS = (
    Column("file", lambda record: record["file"].casefold(), _file),
    Column("species", lambda record: _species(record).casefold(), lambda record: escape(_species(record)) or MISSING),
    Column("called", lambda record: record["predictions"][0]["name"].casefold(), _called),
    Column("worries", lambda record: record["verdict"]["severity"], _worries, worst_first=True),
    *(_figure(figure) for figure in _SHOWN.values()),
    Column("seconds", lambda record: record["seconds"], lambda record: number("{:.1f}", record["seconds"]), True),
)
