"""The tab Many photos: its components and events. A study runs in steps of one photo, and can be stopped after any."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from demo.many import html as table_html
from demo.many.session import StudySession, TableState, explain_next, final_state, photo_path, sort, start, stop
from demo.service.event_settings import AT_ONCE, ON_PHOTO, PRIVATE
from demo.service.models import Models
from demo.service.study import StudyRequest

_LEAD = (
    "Choose several photos, or a zip of them. Each is explained as in Compare and gets a row: what the model "
    "predicted, warnings, and metrics. In a zip, the name of a folder is the species."
)
_BOXES_HINT = "The JSON file of MegaDetector or SpeciesNet. With it, the table says whether the heat is on the animal."


@dataclass(frozen=True)
class ManyTab:
    """The components of the tab."""

    upload: gr.File
    boxes: gr.File
    message: gr.HTML
    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    table: gr.HTML
    report: gr.DownloadButton
    csv: gr.DownloadButton


def build() -> ManyTab:
    """Create the components of the tab, inside the `gr.Tab` that is open."""
    gr.HTML(f'<p class="lead">{_LEAD}</p>', elem_id="many-lead")
    with gr.Row(elem_id="many-inputs", equal_height=False):
        with gr.Column(scale=3, min_width=280):
            upload = gr.File(file_count="multiple", label="Photos, or a zip", height=160, elem_id="many-upload")
        with gr.Column(scale=2, min_width=280):
            boxes = gr.File(label="Where the animals are (optional)", height=160, elem_id="many-boxes")
            gr.HTML(f'<p class="note">{_BOXES_HINT}</p>', elem_id="many-boxes-hint")
    message = gr.HTML(elem_id="many-message")
    with gr.Row(elem_id="many-actions"):
        start = gr.Button("Start", variant="primary", elem_id="many-start", scale=0)
        stop = gr.Button("Stop", variant="stop", visible=False, elem_id="many-stop", scale=0)
        status = gr.HTML(table_html.status(TableState()), elem_id="many-status")
    table = gr.HTML(elem_id="many-table", js_on_load=table_html.ON_LOAD)
    gr.HTML(table_html.meanings(), elem_id="many-metrics")
    with gr.Row(elem_id="many-downloads"):
        report = gr.DownloadButton("Download the report", interactive=False, elem_id="many-report", scale=0)
        csv = gr.DownloadButton("Download the metrics (CSV)", interactive=False, elem_id="many-csv", scale=0)
    return ManyTab(upload, boxes, message, start, stop, status, table, report, csv)


def wire(
    tab: ManyTab, models: Models, open_photo: gr.Image, tabs: gr.Tabs, compare_id: str, *, model_choice: gr.Dropdown
) -> None:
    """Connect the components of the tab; a row opens its photo in `open_photo`, on the tab `compare_id` of `tabs`.

    Each step explains one photo and changes the state `step`, which starts the next step. Other requests for the model
    run between two steps, and a page that was closed starts no more steps.
    """
    session, step = gr.State(StudySession(), delete_callback=StudySession.close), gr.State(None)

    def show(state: TableState | None) -> Any:
        return gr.skip() if state is None else {step: state.step, **_values(tab, state)}

    def on_start(session: StudySession, uploads: list[str] | None, boxes: str | None, model: str) -> Iterator[Any]:
        request = StudyRequest(tuple(map(Path, uploads or ())), Path(boxes) if boxes else None, model)
        yield from map(show, start(models, session, request))

    def on_step(session: StudySession, token: int | None) -> Any:
        # A token that is no longer valid belongs to a state that was shown after the study had been stopped.
        return show(explain_next(session, token) or (final_state(session) if token else None))

    outputs = [step, tab.message, tab.status, tab.table, tab.start, tab.stop, tab.report, tab.csv]
    inputs = [session, tab.upload, tab.boxes, model_choice]
    tab.start.click(on_start, inputs, outputs, trigger_mode="once", **PRIVATE)
    step.change(on_step, [session, step], outputs, trigger_mode="multiple", **ON_PHOTO)
    stopped = tab.stop.click(lambda session: show(stop(session)), session, outputs, **AT_ONCE)
    # The answer to Stop does not wait in the queue, and may arrive after the final state that the last step sent.
    stopped.then(lambda session: show(final_state(session)), session, outputs, **AT_ONCE)
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
    report, csv = map(str, state.files) if state.files else (None, None)
    return {
        tab.message: table_html.message(state),
        tab.status: table_html.status(state),
        tab.table: table_html.table(state),
        tab.start: gr.update(visible=not state.running),
        tab.stop: gr.update(visible=state.running, interactive=not state.stopping),
        tab.report: gr.update(value=report, interactive=report is not None),
        tab.csv: gr.update(value=csv, interactive=csv is not None),
    }
