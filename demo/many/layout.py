"""Layout of the tab Many photos."""

from dataclasses import dataclass
from html import escape

import gradio as gr

from demo.many import html as table_html
from demo.many import text
from demo.many.session import TableState


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
    gr.HTML(f'<p class="lead">{escape(text.LEAD)}</p>', elem_id="many-lead")
    with gr.Row(elem_id="many-inputs", equal_height=False):
        with gr.Column(scale=3, min_width=280):
            upload = gr.File(file_count="multiple", type="filepath", label=text.UPLOAD, height=160,
                             elem_id="many-upload")  # fmt: skip
        with gr.Column(scale=2, min_width=280):
            boxes = gr.File(file_count="single", type="filepath", label=text.BOXES, height=160,
                            elem_id="many-boxes")  # fmt: skip
            gr.HTML(f'<p class="note">{escape(text.BOXES_HINT)}</p>', elem_id="many-boxes-hint")
    message = gr.HTML(elem_id="many-message")
    with gr.Row(elem_id="many-actions"):
        start = gr.Button(text.START, variant="primary", elem_id="many-start", scale=0)
        stop = gr.Button(text.STOP, variant="stop", visible=False, elem_id="many-stop", scale=0)
        status = gr.HTML(table_html.status(TableState()), elem_id="many-status")
    table = gr.HTML(elem_id="many-table", js_on_load=table_html.ON_LOAD)
    gr.HTML(table_html.meanings(), elem_id="many-metrics")
    with gr.Row(elem_id="many-downloads"):
        report = gr.DownloadButton(text.REPORT, interactive=False, elem_id="many-report", scale=0)
        csv = gr.DownloadButton(text.CSV, interactive=False, elem_id="many-csv", scale=0)
    return ManyTab(upload, boxes, message, start, stop, status, table, report, csv)
