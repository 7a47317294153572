"""Layout of the questions about heatmaps on the tab Compare."""

from dataclasses import dataclass

import gradio as gr

from demo.compare import html as compare_html
from demo.compare import text


@dataclass(frozen=True)
class QuestionPanel:
    """The components below the heatmaps: questions about them, and the answers, each in an accordion."""

    edges: tuple[gr.Number, ...]
    clear: gr.Button
    box_message: gr.HTML
    localisation: gr.HTML
    answers: gr.HTML
    measure: gr.Button
    faithfulness: gr.HTML
    contrast_class: gr.Textbox
    compare: gr.Button
    contrast: gr.HTML


def build() -> QuestionPanel:
    """Add the components, and return them."""
    with gr.Accordion(text.ON_TARGET, open=False, elem_id="on-target"):
        gr.HTML(compare_html.note(text.ON_TARGET_HINT))
        with gr.Row(elem_id="edges"):
            edges = tuple(
                gr.Number(None, label=f"{label} %", minimum=0, maximum=100, elem_id=f"edge-{name}", min_width=90)
                for name, label in text.EDGES.items()
            )
        clear = gr.Button(text.CLEAR_BOX, size="sm", elem_id="clear-box")
        box_message = gr.HTML(elem_id="box-message")
        localisation = gr.HTML(elem_id="where")
    with gr.Accordion(text.NEEDED, open=False, elem_id="needed"):
        gr.HTML(compare_html.note(text.NEEDED_HINT))
        answers = gr.HTML(elem_id="answers")
    with gr.Accordion(text.FAITHFUL, open=False, elem_id="how-faithful"):
        gr.HTML(compare_html.note(text.FAITHFUL_HINT))
        measure = gr.Button(text.MEASURE, elem_id="measure")
        faithfulness = gr.HTML(elem_id="faithful")
    with gr.Accordion(text.CONTRAST, open=False, elem_id="why-not"):
        gr.HTML(compare_html.note(text.CONTRAST_HINT))
        contrast_class = class_field(text.CONTRAST_CLASS, None, "other-class")
        compare = gr.Button(text.CONTRAST_BUTTON, elem_id="set-against")
        contrast = gr.HTML(elem_id="contrast")
    return QuestionPanel(
        edges, clear, box_message, localisation, answers, measure, faithfulness, contrast_class, compare, contrast
    )


def class_field(label: str, info: str | None, elem_id: str) -> gr.Textbox:
    """Add a field for a class, which offers the names of `class_list` while a visitor types."""
    attributes = gr.InputHTMLAttributes(autocomplete="off", spellcheck=False, enterkeyhint="go")
    return gr.Textbox(
        label=label, info=info, max_lines=1, elem_id=elem_id, elem_classes="class-field", html_attributes=attributes
    )
