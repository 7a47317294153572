"""Which event runs what among many photos: one photo a turn, stopped after any."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from demo.many import html as many_table
from demo.many import session as many_visit
from demo.many.layout import Many
from demo.many.session import Sheet, Visit
from demo.service.event_settings import AT_ONCE, ON_MODEL, PRIVATE
from demo.service.models import Models
from demo.service.study import Asked


def wire(
    many: Many,
    models: Models,
    open_photo: gr.Image,
    tabs: gr.Tabs,
    compare_id: str,
    *,
    model_choice: gr.Dropdown | None = None,
) -> None:
    """Connect the components of the tab; a row opens its photo in `open_photo`, on the tab `compare_id` of `tabs`.

    Each turn explains one photo and changes `turn`, which asks for the next: what waits for the model goes in between,
    and a page that is closed takes no more turns.
    """
    visit, turn = gr.State(Visit(), delete_callback=Visit.close), gr.State(None)
    shown = [turn, many.message, many.status, many.table, many.start, many.stop, many.report, many.csv]

    def begin(visit: Visit, uploads: list[str] | None, boxes: str | None, model: str | None = None) -> Iterator[Any]:
        asked = Asked(tuple(Path(each) for each in uploads or ()), Path(boxes) if boxes else None, model)
        for sheet in many_visit.begin(models, visit, asked):
            yield _values(sheet)

    def take(visit: Visit, turn: int | None) -> list[Any]:
        sheet = many_visit.take(visit, turn)
        return [gr.skip() for _ in shown] if sheet is None else _values(sheet)

    def stop(visit: Visit) -> list[Any]:
        sheet = many_visit.stop(visit)
        return [gr.skip() for _ in shown] if sheet is None else _values(sheet)

    choice = [] if model_choice is None else [model_choice]
    many.start.click(begin, [visit, many.upload, many.boxes, *choice], shown, trigger_mode="once", **PRIVATE)
    turn.change(take, [visit, turn], shown, trigger_mode="multiple", **ON_MODEL)
    many.stop.click(stop, visit, shown, **AT_ONCE)
    _wire_table(many, visit, open_photo, tabs, compare_id)


def _wire_table(many: Many, visit: gr.State, open_photo: gr.Image, tabs: gr.Tabs, compare_id: str) -> None:
    def sort(visit: Visit, event: gr.EventData) -> Any:
        column = many_table.column(str(event.column))
        return many_table.table(many_visit.sort(visit, column.key, column.worst_first)) if column else gr.skip()

    def show(visit: Visit, event: gr.EventData) -> tuple[Any, Any]:
        path = many_visit.photo(visit, int(event.row))
        return (gr.skip(), gr.skip()) if path is None else (str(path), gr.Tabs(selected=compare_id))

    many.table.sort(sort, visit, many.table, trigger_mode="multiple", **AT_ONCE)
    many.table.open(show, visit, [open_photo, tabs], **AT_ONCE)


def _values(sheet: Sheet) -> list[Any]:
    """What the outputs show; a stopped or finished study has a report to download."""
    files = [str(path) for path in sheet.files] if sheet.files else [None, None]
    return [
        sheet.turn,
        many_table.message(sheet),
        many_table.status(sheet),
        many_table.table(sheet),
        gr.update(visible=not sheet.running),
        gr.update(visible=sheet.running, interactive=not sheet.stopping),
        *(gr.update(value=file, interactive=file is not None) for file in files),
    ]
