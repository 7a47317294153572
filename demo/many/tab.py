"""The tab Many photos: its components and events. A study runs in steps of one photo, and can be stopped after any."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from demo.many import html as table_html
from demo.many import position
from demo.many.position import Opener
from demo.many.session import StudySession, TableState, explain_next, final_state, restore, sort, start, stop
from demo.many.store import StudyStore
from demo.service.event_settings import AT_ONCE, LAST, ON_PHOTO, PRIVATE
from demo.service.gradio_internals import event_value
from demo.service.models import Models
from demo.service.study import StudyRequest

_LEAD = (
    "Choose several photos, or a zip of them. Each is explained as in Compare and gets a row: what the model "
    "predicted, a verdict, and metrics. Photos to look at come first. In a zip, the name of a folder is the species."
)
_BOXES_HINT = (
    "The JSON file of MegaDetector, AddaxAI, SpeciesNet or COCO Camera Traps. With it, the table says whether the heat "
    "is on the animal."
)
_GONE = "This study was not used for an hour, so its photos have been deleted: press Start to study them again."
# The session storage belongs to one tab of the browser, and is gone when that is closed. It may be switched off.
_KEEP = """(token) => { try { if (token) sessionStorage.setItem("many-photos", token); } catch {} }"""
_RESTORE_TAB = """() => {
  const tab = () => document.querySelector("#many-tab-button");
  try {
    addEventListener("pagehide", () => sessionStorage.setItem("tab", tab()?.ariaSelected === "true" ? "many" : ""));
    if (sessionStorage.getItem("tab")) tab()?.click();
    return sessionStorage.getItem("many-photos") ?? "";
  } catch { return ""; }
}"""


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
        start = gr.Button("Start", variant="primary", interactive=False, elem_id="many-start", scale=0)
        stop = gr.Button("Stop", variant="stop", visible=False, elem_id="many-stop", scale=0)
        status = gr.HTML(table_html.status(TableState()), elem_id="many-status")
    table = gr.HTML(elem_id="many-table", js_on_load=table_html.ON_LOAD)
    gr.HTML(table_html.meanings(), elem_id="many-metrics")
    with gr.Row(elem_id="many-downloads"):
        report = gr.DownloadButton("Download the report", interactive=False, elem_id="many-report", scale=0)
        csv = gr.DownloadButton("Download the metrics (CSV)", interactive=False, elem_id="many-csv", scale=0)
    return ManyTab(upload, boxes, message, start, stop, status, table, report, csv)


def wire(
    blocks: gr.Blocks, tab: ManyTab, models: Models, row_position: gr.HTML, opener: Opener, *, model_choice: gr.Dropdown
) -> None:  # fmt: skip
    """Connect the components of the tab. A row is opened by `opener`, and `row_position` shows where it is.

    Each step explains one photo and changes the state `step`, which starts the next step. Other requests for the model
    run between two steps, and a page that was closed starts no more steps. The studies are in a store, by the value of
    `token`, which the browser keeps until its tab is closed.
    """
    store, step = StudyStore(), gr.State(None)
    token = gr.Textbox(visible="hidden", label="Study", elem_id="many-token")
    outputs = [step, token, tab.message, tab.status, tab.table, tab.start, tab.stop, tab.report, tab.csv]

    def show(state: TableState | None) -> Any:
        return gr.skip() if state is None else {step: state.step, **_values(tab, state)}

    def on_start(old: str, uploads: list[str] | None, boxes: str | None, model: str) -> Iterator[Any]:
        request = StudyRequest(tuple(map(Path, uploads or ())), Path(boxes) if boxes else None, model)
        new, session = store.open(old)
        for state in start(models, session, request):
            yield {token: new, **show(state)}

    def on_step(token: str, number: int | None) -> Any:
        # A number that is no longer valid belongs to a state that was shown after the study had been stopped.
        session = store.find(token) if number else None
        return show((explain_next(session, number) or final_state(session)) if session else None)

    def on_stop(token: str, action: Callable[[StudySession], TableState | None] = stop) -> Any:
        session = store.find(token)
        return show(action(session) if session else None)

    tab.start.click(on_start, [token, tab.upload, tab.boxes, model_choice], outputs, trigger_mode="once", **PRIVATE)
    step.change(on_step, [token, step], outputs, trigger_mode="multiple", **ON_PHOTO)
    stopped = tab.stop.click(on_stop, token, outputs, **AT_ONCE)
    # The answer to Stop does not wait in the queue, and may arrive after the final state that the last step sent.
    stopped.then(lambda token: on_stop(token, final_state), token, outputs, **AT_ONCE)

    def show_restored(state: TableState, can_start: bool) -> dict[Any, Any]:
        return {**show(state), tab.start: _start_button(state, can_start)}

    _wire_refresh(blocks, store, token, show_restored, outputs)
    _wire_choice(tab, store, token)
    _wire_table(tab, store, token, row_position, opener)


def _wire_refresh(
    blocks: gr.Blocks,
    store: StudyStore,
    token: gr.Textbox,
    values: Callable[[TableState, bool], dict[Any, Any]],
    outputs: list[Any],
) -> None:
    """Let the browser keep the token, and show the study of the token that it has when the page opens."""
    kept_token = gr.Textbox(visible="hidden", label="Study of this browser tab", elem_id="many-kept-token")

    def on_open_page(kept: str) -> Iterator[Any]:
        session = store.find(kept)
        if session is None:  # Gradio would empty the outputs of a generator that yields nothing
            yield gr.skip()
            return
        for state in restore(session):
            yield {token: kept, **values(state, session.can_resume)}

    blocks.load(None, None, kept_token, js=_RESTORE_TAB, **AT_ONCE)
    kept_token.change(on_open_page, kept_token, outputs, **ON_PHOTO)
    token.change(None, token, None, js=_KEEP, **AT_ONCE)


def _wire_choice(tab: ManyTab, store: StudyStore, token: gr.Textbox) -> None:
    def on_choose(token: str, uploads: list[str] | None) -> Any:
        session = store.find(token) or StudySession()
        if session.state.running:
            return gr.skip()
        if uploads:
            state = TableState(status=table_html.chosen(tuple(map(Path, uploads))))
        else:
            state = session.state if session.can_resume else TableState()
        return table_html.status(state), _start_button(state, bool(uploads) or session.can_resume)

    tab.upload.change(on_choose, [token, tab.upload], [tab.status, tab.start], **LAST)


def _wire_table(tab: ManyTab, store: StudyStore, token: gr.Textbox, row_position: gr.HTML, opener: Opener) -> None:
    gone = {tab.message: table_html.message(TableState(message=_GONE))}

    def on_sort(token: str, event: gr.EventData) -> Any:
        session, column = store.find(token), table_html.find_column(event_value(event, "column", str))
        if session is None:
            return gone
        return {tab.table: table_html.table(sort(session, column.key, column.worst_first))} if column else gr.skip()

    def on_open(token: str, compare_session: Any, event: gr.EventData) -> Any:
        session = store.find(token)
        if session is None:
            return gone
        opened = position.open_row(session, event_value(event, "row", int))
        if opened is None:
            return gr.skip()
        opening, html = opened
        return {row_position: html, **opener.open(compare_session, opening)}

    tab.table.sort(on_sort, token, [tab.table, tab.message], trigger_mode="multiple", **AT_ONCE)
    outputs = [row_position, tab.message, *opener.outputs, opener.tabs]
    for event in (tab.table.open, row_position.open):
        event(on_open, [token, opener.session], outputs, **AT_ONCE)


def _start_button(state: TableState, can_start: bool) -> Any:
    return gr.update(visible=not state.running, interactive=can_start)


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
