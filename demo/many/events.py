"""The events of the tab Many photos: one step explains one photo, and a study can be stopped after any."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from demo.many import html as table_html
from demo.many.layout import ManyTab
from demo.many.session import StudySession, TableState, explain_next, photo_path, sort, start, stop
from demo.service.event_settings import AT_ONCE, ON_MODEL, PRIVATE
from demo.service.models import Models
from demo.service.study import StudyRequest


def wire(
    tab: ManyTab, models: Models, open_photo: gr.Image, tabs: gr.Tabs, compare_id: str, *, model_choice: gr.Dropdown
) -> None:
    """Connect the components of the tab; a row opens its photo in `open_photo`, on the tab `compare_id` of `tabs`.

    Each step explains one photo and changes the state `step`, which starts the next step. Other requests for the model
    run between two steps, and a page that was closed starts no more steps.
    """
    session, step = gr.State(StudySession(), delete_callback=StudySession.close), gr.State(None)

    def on_start(
        session: StudySession, uploads: list[str] | None, boxes: str | None, model: str | None
    ) -> Iterator[dict[Any, Any]]:
        request = StudyRequest(tuple(map(Path, uploads or ())), Path(boxes) if boxes else None, model)
        for state in start(models, session, request):
            yield {step: state.step, **_values(tab, state)}

    def on_step(session: StudySession, token: int | None) -> Any:
        state = explain_next(session, token)
        return gr.skip() if state is None else {step: state.step, **_values(tab, state)}

    def on_stop(session: StudySession) -> Any:
        state = stop(session)
        return gr.skip() if state is None else {step: state.step, **_values(tab, state)}

    outputs = [step, tab.message, tab.status, tab.table, tab.start, tab.stop, tab.report, tab.csv]
    inputs = [session, tab.upload, tab.boxes, model_choice]
    tab.start.click(on_start, inputs, outputs, trigger_mode="once", **PRIVATE)
    step.change(on_step, [session, step], outputs, trigger_mode="multiple", **ON_MODEL)
    tab.stop.click(on_stop, session, outputs, **AT_ONCE)
    _wire_table(tab, session, open_photo, tabs, compare_id)


def _wire_table(tab: ManyTab, session: gr.State, open_photo: gr.Image, tabs: gr.Tabs, compare_id: str) -> None:
    def on_sort(session: StudySession, event: gr.EventData) -> Any:
        column = table_html.find_column(str(event.column))
        return table_html.table(sort(session, column.key, column.worst_first)) if column else gr.skip()

    def on_open(session: StudySession, event: gr.EventData) -> Any:
        path = photo_path(session, int(event.row))
        return gr.skip() if path is None else {open_photo: str(path), tabs: gr.Tabs(selected=compare_id)}

    tab.table.sort(on_sort, session, tab.table, trigger_mode="multiple", **AT_ONCE)
    tab.table.open(on_open, session, [open_photo, tabs], **AT_ONCE)


def _values(tab: ManyTab, state: TableState) -> dict[Any, Any]:
    """Return the value of each component; the files can be downloaded once the study has ended."""
    report, csv = state.files or (None, None)
    return {
        tab.message: table_html.message(state),
        tab.status: table_html.status(state),
        tab.table: table_html.table(state),
        tab.start: gr.update(visible=not state.running),
        tab.stop: gr.update(visible=state.running, interactive=not state.stopping),
        tab.report: _download(report),
        tab.csv: _download(csv),
    }


def _download(path: Path | None) -> dict[str, Any]:
    update: dict[str, Any] = gr.update(value=str(path) if path else None, interactive=path is not None)
    return update
