"""The events of the questions: what runs when a visitor marks a box, measures, or compares two classes."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from demo.compare import html as compare_html
from demo.compare import question_html, questions, text
from demo.compare.layout import CompareTab
from demo.compare.questions import MarkedBox
from demo.compare.session import Session
from demo.service.event_settings import LAST, ON_MODEL
from demo.service.gradio_internals import event_value
from demo.service.models import Models


def wire_questions(models: Models, page: CompareTab, session: gr.State) -> tuple[Any, ...]:
    """Connect the components of the questions, and return the events that change the marked box."""
    box_events = _wire_box(page, session)
    panel, map_panel = page.question_panel, page.map_panel

    def ask_again(session: Session) -> tuple[Any, Any]:
        answer = questions.ask_again(models, session)
        if answer is None or session.view is None:
            return gr.skip(), gr.skip()
        return compare_html.verdict(answer[0]), question_html.counterfactuals(session.view, answer[1])

    for event in box_events:
        event.then(ask_again, session, [map_panel.verdict, panel.answers], trigger_mode="always_last", **ON_MODEL)

    def measure(session: Session) -> Iterator[str]:
        yield compare_html.note(text.MEASURING)
        yield question_html.faithfulness(questions.measure(models, session))

    def contrast(session: Session, query: str) -> Iterator[str]:
        yield compare_html.note(text.MEASURING)
        for answer in questions.contrast(models, session, query):
            yield question_html.contrast(answer)

    panel.measure.click(measure, session, panel.faithfulness, trigger_mode="once", **ON_MODEL)
    # A name that is typed while another is compared follows.
    gr.on(
        [panel.compare.click, panel.contrast_class.submit],
        contrast, [session, panel.contrast_class], panel.contrast, trigger_mode="always_last", **ON_MODEL,
    )  # fmt: skip
    return box_events


def _wire_box(page: CompareTab, session: gr.State) -> tuple[Any, ...]:
    panel, map_panel = page.question_panel, page.map_panel

    def values(session: Session, marked: MarkedBox, click_message: str = "") -> list[Any]:
        return [
            *marked.edges,
            click_message,
            "" if click_message else compare_html.message(marked.message),
            question_html.outlines(session.view, session.boxes, session.corner),
            question_html.localisation(marked.target_evidence),
            compare_html.verdict(marked.verdict) if marked.verdict else gr.skip(),
        ]

    def click(session: Session, event: gr.EventData) -> list[Any]:
        x, y = event_value(event, "index", tuple[float, float])
        marked = questions.click(session, x, y)
        show = compare_html.prompt if session.corner else compare_html.message
        return values(session, marked, show(marked.message))

    def type_edges(session: Session, *edges: Any) -> list[Any]:
        return [gr.skip() for _ in edges] + values(session, questions.type_edges(session, edges))[len(edges) :]

    def clear(session: Session) -> list[Any]:
        return values(session, questions.clear(session))

    outputs = [
        *panel.edges, page.photo_panel.click_message, panel.box_message,
        map_panel.outlines, panel.localisation, map_panel.verdict,
    ]  # fmt: skip
    return (
        page.photo_panel.photo.select(click, session, outputs, **LAST),
        # One event for all four edges, so that the answer is to what was typed last.
        gr.on([edge.input for edge in panel.edges], type_edges, [session, *panel.edges], outputs, **LAST),
        panel.clear.click(clear, session, outputs, **LAST),
    )
