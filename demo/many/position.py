"""A row of the table, opened in the tab Compare: its position in the table, the way back, and the rows beside it."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from camcore.types import in_fractions
from demo.many import html as table_html
from demo.many.session import StudySession, item
from demo.service.event_settings import AT_ONCE
from demo.service.opening import Opening
from demo.service.photos import new_folder
from demo.service.study import Study

_ON_LOAD = """
element.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button?.dataset.row) trigger('open', { row: Number(button.dataset.row) });
    else if (button) trigger('back', {});
});
"""
# The table is drawn again when its tab is shown, which may take a moment.
_FOCUS = """(html) => {
  const row = new DOMParser().parseFromString(html, "text/html").querySelector("[data-opened]")?.dataset.opened;
  const find = (attempts) => {
    const button = document.querySelector(`#many-table tr[data-row="${row}"] td.file button`);
    if (button?.offsetParent) {
      button.scrollIntoView({ block: "center" });
      button.focus({ preventScroll: true });
    } else if (attempts) setTimeout(find, 50, attempts - 1);
  };
  find(40);
}"""


@dataclass(frozen=True)
class Opener:
    """How the tab Compare opens a photo: the state of its session, the components that it sets, and their values."""

    session: gr.State
    outputs: Sequence[Any]
    values: Callable[[Any, Opening], list[Any]]
    tabs: gr.Tabs

    def open(self, compare_session: Any, opening: Opening) -> dict[Any, Any]:
        """Return the value of each component, and select the tab."""
        values = self.values(compare_session, opening)
        return {**dict(zip(self.outputs, values, strict=True)), self.tabs: gr.Tabs(selected="compare")}


def build() -> gr.HTML:
    """Create the row with the position of the photo, which is empty while the photo is not one of the table."""
    return gr.HTML(elem_id="table-position", js_on_load=_ON_LOAD)


def wire(position: gr.HTML, tabs: gr.Tabs, replaced: Sequence[Any]) -> None:
    """Connect the way back; the row empties at each event of `replaced`, by which another photo is chosen."""
    back = position.back(lambda: gr.Tabs(selected="many"), None, tabs, **AT_ONCE)
    back.then(None, position, None, js=_FOCUS, **AT_ONCE)
    for event in replaced:
        event(None, None, position, js="() => ''", **AT_ONCE)


def open_row(session: StudySession, index: int) -> tuple[Opening, str] | None:
    """Return how to open a row with what it was explained with, and its position as HTML; None if it cannot be opened.

    A copy of the photo is opened, because only files in the folder of uploads are served.
    """
    study, opened = session.study, item(session, index)
    if study is None or opened is None:
        return None
    options = study.options
    copy = str(shutil.copy(opened.photo.path, new_folder()))
    boxes = in_fractions(opened.boxes or (), study.rows[index].record["view"]["photo_size"])
    opening = Opening(copy, None, options.definition, options.resize_mode, options.effort, study.model, boxes=boxes)
    return opening, _html(session, study, index, opened.photo.file, len(boxes))


def _html(session: StudySession, study: Study, index: int, file: str, boxes: int) -> str:
    order = table_html.row_order(replace(session.state, order=session.order))
    place = order.index(index)
    note = f" ({boxes} boxes, of which the first is drawn)" if boxes > 1 else ""
    before = (row for row in reversed(order[:place]) if item(session, row))
    after = (row for row in order[place + 1 :] if item(session, row))
    return (
        f'<nav aria-label="Photos of the table" data-opened="{index}"><button type="button">Back to the table</button>'
        f"<p>Photo {place + 1:,} of {len(order):,}: <strong>{escape(file)}</strong>{note}</p>"
        f"<div>{_button('Previous', next(before, None))}{_button('Next', next(after, None))}</div></nav>"
    )


def _button(label: str, row: int | None) -> str:
    target = "disabled" if row is None else f'data-row="{row}"'
    return f'<button type="button" {target}>{label}<span class="visually-hidden"> photo of the table</span></button>'
