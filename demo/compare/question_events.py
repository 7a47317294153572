"""Which event of the folds runs what: the box, the figures, and the contrast."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from demo.compare import html as figures
from demo.compare import question_html as folds
from demo.compare import questions, text
from demo.compare.layout import Compare
from demo.compare.questions import Marked
from demo.compare.session import Visit
from demo.service.event_settings import LAST, ON_MODEL
from demo.service.models import Models


def wire_folds(models: Models, page: Compare, visit: gr.State) -> None:
    """Connect the folds."""
    _wire_box(page, visit)
    fold = page.folds

    def measure(visit: Visit) -> Iterator[Any]:
        yield figures.note(text.MEASURING)
        yield folds.faithful(questions.measure(models, visit))

    def contrast(visit: Visit, wanted: Any) -> Iterator[str]:
        yield figures.note(text.MEASURING)
        for found in questions.contrast(models, visit, wanted):
            yield folds.contrast(found)

    fold.measure.click(measure, visit, fold.faithful, trigger_mode="once", **ON_MODEL)
    fold.set_against.click(contrast, [visit, fold.other], fold.contrast, trigger_mode="once", **ON_MODEL)


def _wire_box(page: Compare, visit: gr.State) -> None:
    fold, maps = page.folds, page.maps

    def shown(visit: Visit, marked: Marked) -> list[Any]:
        return [
            *marked.edges,
            figures.message(marked.message),
            folds.outlines(visit.view, visit.boxes),
            folds.where(marked.sight),
            figures.verdict(marked.verdict) if marked.verdict else gr.skip(),
        ]

    def click(visit: Visit, at: gr.SelectData) -> list[Any]:
        return shown(visit, questions.click(visit, at.index[0], at.index[1]))

    def type_edges(visit: Visit, *edges: Any) -> list[Any]:
        return [gr.skip() for _ in edges] + shown(visit, questions.type_edges(visit, edges))[len(edges) :]

    def clear(visit: Visit) -> list[Any]:
        return shown(visit, questions.clear(visit))

    told = [*fold.edges, fold.box_message, maps.outlines, fold.where, maps.verdict]
    page.subject.photo.select(click, visit, told, **LAST)
    # One event for all four, so that what is typed last is also answered last.
    gr.on([edge.input for edge in fold.edges], type_edges, [visit, *fold.edges], told, **LAST)
    fold.clear.click(clear, visit, told, **LAST)
