"""Which event runs what: one run at a time, replaced by the next, stopped at any moment."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from camcore.explain import ALL_METHODS, Explainer
from camcore.preprocess import Fit
from camcore.score_cam import DefinitionName
from camcore.text import percent
from demo import figures, handlers, text
from demo.handlers import Plate

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_SET_OPACITY = "(value) => { document.documentElement.style.setProperty('--heat-opacity', value); }"
_SET_COLOURS = "(value) => { document.documentElement.dataset.colours = value; }"

Request = tuple[int, int | None]  # when it was made, so that asking again is new; and the class, None for the top one


@dataclass(frozen=True)
class Subject:
    """The components on the left: the photo and the class to explain."""

    photo: gr.Image
    photo_message: gr.HTML
    predictions: gr.Radio
    any_class: gr.Dropdown
    class_message: gr.HTML
    explain: gr.Button
    stop: gr.Button
    status: gr.HTML


@dataclass(frozen=True)
class Evidence:
    """The components on the right: the maps, and how they are drawn and computed."""

    maps: tuple[gr.HTML, ...]
    opacity: gr.Slider
    colours: gr.Radio
    definition: gr.Dropdown
    fit: gr.Radio


def wire(explainer: Explainer, subject: Subject, evidence: Evidence) -> None:
    """Connect the components.

    A valid request changes `asked`, which cancels the run in progress and then changes `accepted`, which starts the
    next. So no run waits for the one it replaces, and a mistyped class disturbs nothing.
    """
    asked, accepted = gr.State((0, None)), gr.State((0, None))
    _wire_requests(explainer, subject, evidence, asked)
    _wire_drawing(evidence)

    def run(request: Request, path: str | None, definition: DefinitionName, fit: Fit) -> Iterator[list[Any]]:
        shown: list[Any] = []
        for plate in handlers.explain(explainer, path, request[1], definition, fit):
            values = _values(plate)
            yield [gr.skip() if value in shown[i : i + 1] else value for i, value in enumerate(values)]
            shown = values

    running = accepted.change(
        run,
        [accepted, subject.photo, evidence.definition, evidence.fit],
        [subject.photo_message, subject.predictions, subject.explain, subject.stop, *evidence.maps, subject.status],
        concurrency_id="model",
        concurrency_limit=1,
        **_PRIVATE,
    )
    asked.change(lambda request: request, asked, accepted, cancels=[running], **_PRIVATE)
    subject.stop.click(_stopped, None, [subject.explain, subject.stop, subject.status], cancels=[running], **_PRIVATE)


def _wire_requests(explainer: Explainer, subject: Subject, evidence: Evidence, asked: gr.State) -> None:
    """What makes a request: a photo, a class, a setting, or the button."""

    def choose(wanted: str | int | None) -> tuple[Any, str]:
        if wanted is None or wanted == "":
            return gr.skip(), ""
        class_idx, problem = handlers.choose_class(explainer, wanted)
        return gr.skip() if problem else _request(class_idx), figures.message(problem)

    chosen = [asked, subject.any_class, subject.class_message]
    subject.photo.change(lambda: (_request(None), None, ""), None, chosen, **_PRIVATE)
    subject.predictions.input(lambda i: (_request(i), None, ""), subject.predictions, chosen, **_PRIVATE)
    subject.any_class.input(choose, subject.any_class, [asked, subject.class_message], **_PRIVATE)
    for event in (subject.explain.click, evidence.definition.input, evidence.fit.input):
        event(lambda request: _request(request[1]), asked, asked, **_PRIVATE)


def _wire_drawing(evidence: Evidence) -> None:
    """Opacity and colours change in the browser, without computing or asking anything again."""
    evidence.opacity.change(None, evidence.opacity, None, js=_SET_OPACITY, **_PRIVATE)
    evidence.colours.change(None, evidence.colours, None, js=_SET_COLOURS, **_PRIVATE)


def _request(class_idx: int | None) -> Request:
    return time.monotonic_ns(), class_idx


def _values(plate: Plate) -> list[Any]:
    """What the outputs of a run show."""
    choices = [(f"{each.name}  {percent(each.probability)}", each.class_idx) for each in plate.predictions]
    chosen = plate.class_idx if plate.class_idx in [index for _, index in choices] else None
    return [
        figures.message(plate.photo_message),
        gr.update(choices=choices, value=chosen, visible=bool(choices)),
        gr.update(visible=not plate.running, interactive=plate.view is not None),
        gr.update(visible=plate.running),
        *(figures.figure(method, plate) for method in ALL_METHODS),
        figures.status(plate),
    ]


def _stopped() -> tuple[Any, Any, str]:
    return (
        gr.update(visible=True, interactive=True),
        gr.update(visible=False),
        figures.status(Plate(status=text.STOPPED)),
    )
