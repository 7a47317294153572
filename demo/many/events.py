"""Which event runs what among many photos: one photo a turn, stopped after any."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from demo.many import html as many_table
from demo.many import session as many_visit
from demo.many.layout import ManyTab
from demo.many.session import StudySession, TableState
from demo.service.event_settings import AT_ONCE, ON_MODEL, PRIVATE
from demo.service.models import Models
from demo.service.study import StudyRequest


def wire(
    many: ManyTab,
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
    session, turn = gr.State(StudySession(), delete_callback=StudySession.close), gr.State(None)
    shown = [turn, many.message, many.status, many.table, many.start, many.stop, many.report, many.csv]

    def begin(
        session: StudySession, uploads: list[str] | None, boxes: str | None, model: str | None = None
    ) -> Iterator[Any]:
        asked = StudyRequest(tuple(Path(each) for each in uploads or ()), Path(boxes) if boxes else None, model)
        for state in many_visit.begin(models, session, asked):
            yield _values(state)

    def take(session: StudySession, turn: int | None) -> list[Any]:
        state = many_visit.take(session, turn)
        return [gr.skip() for _ in shown] if state is None else _values(state)

    def stop(session: StudySession) -> list[Any]:
        state = many_visit.stop(session)
        return [gr.skip() for _ in shown] if state is None else _values(state)

    choice = [] if model_choice is None else [model_choice]
    many.start.click(begin, [session, many.upload, many.boxes, *choice], shown, trigger_mode="once", **PRIVATE)
    turn.change(take, [session, turn], shown, trigger_mode="multiple", **ON_MODEL)
    many.stop.click(stop, session, shown, **AT_ONCE)
    _wire_table(many, session, open_photo, tabs, compare_id)


def _wire_table(many: ManyTab, session: gr.State, open_photo: gr.Image, tabs: gr.Tabs, compare_id: str) -> None:
    def sort(session: StudySession, event: gr.EventData) -> Any:
        column = many_table.column(str(event.column))
        return many_table.table(many_visit.sort(session, column.key, column.worst_first)) if column else gr.skip()

    def show(session: StudySession, event: gr.EventData) -> tuple[Any, Any]:
        path = many_visit.photo(session, int(event.row))
        return (gr.skip(), gr.skip()) if path is None else (str(path), gr.Tabs(selected=compare_id))

    many.table.sort(sort, session, many.table, trigger_mode="multiple", **AT_ONCE)
    many.table.open(show, session, [open_photo, tabs], **AT_ONCE)


def _values(state: TableState) -> list[Any]:
    """What the outputs show; a stopped or finished study has a report to download."""
    files = [str(path) for path in state.files] if state.files else [None, None]
    return [
        state.turn,
        many_table.message(state),
        many_table.status(state),
        many_table.table(state),
        gr.update(visible=not state.running),
        gr.update(visible=state.running, interactive=not state.stopping),
        *(gr.update(value=file, interactive=file is not None) for file in files),
    ]
