"""Which event of the folds runs what: the box, the figures, and the contrast."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from demo.compare import html as figures
from demo.compare import question_html as folds
from demo.compare import questions, text
from demo.compare.layout import CompareTab
from demo.compare.questions import MarkedBox
from demo.compare.session import Session
from demo.service.event_settings import LAST, ON_MODEL
from demo.service.models import Models


def wire_folds(models: Models, page: CompareTab, session: gr.State) -> None:
    """Connect the folds."""
    _wire_box(page, session)
    fold = page.folds

    def measure(session: Session) -> Iterator[Any]:
        yield figures.note(text.MEASURING)
        yield folds.faithful(questions.measure(models, session))

    def contrast(session: Session, wanted: Any) -> Iterator[str]:
        yield figures.note(text.MEASURING)
        for found in questions.contrast(models, session, wanted):
            yield folds.contrast(found)

    fold.measure.click(measure, session, fold.faithful, trigger_mode="once", **ON_MODEL)
    fold.set_against.click(contrast, [session, fold.other], fold.contrast, trigger_mode="once", **ON_MODEL)


def _wire_box(page: CompareTab, session: gr.State) -> None:
    fold, maps = page.folds, page.maps

    def shown(session: Session, marked: MarkedBox) -> list[Any]:
        return [
            *marked.edges,
            figures.message(marked.message),
            folds.outlines(session.view, session.boxes),
            folds.where(marked.target_evidence),
            figures.verdict(marked.verdict) if marked.verdict else gr.skip(),
        ]

    def click(session: Session, at: gr.SelectData) -> list[Any]:
        return shown(session, questions.click(session, at.index[0], at.index[1]))

    def type_edges(session: Session, *edges: Any) -> list[Any]:
        return [gr.skip() for _ in edges] + shown(session, questions.type_edges(session, edges))[len(edges) :]

    def clear(session: Session) -> list[Any]:
        return shown(session, questions.clear(session))

    told = [*fold.edges, fold.box_message, maps.outlines, fold.where, maps.verdict]
    page.subject.photo.select(click, session, told, **LAST)
    # One event for all four, so that what is typed last is also answered last.
    gr.on([edge.input for edge in fold.edges], type_edges, [session, *fold.edges], told, **LAST)
    fold.clear.click(clear, session, told, **LAST)
