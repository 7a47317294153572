"""Which event runs what: one run at a time, replaced by the next, stopped at any moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from camcore.explain import ALL_METHODS, Explainer
from camcore.text import percent
from demo import figures, handlers
from demo.handlers import Plate, Request, Visit

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "always_last"}
_SET_OPACITY = "(value) => { document.documentElement.style.setProperty('--heat-opacity', value); }"
_SET_COLOURS = "(value) => { document.documentElement.dataset.colours = value; }"


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
    effort: gr.Radio


def wire(explainer: Explainer, subject: Subject, evidence: Evidence) -> None:
    """Connect the components.

    Whatever is asked for becomes the visit's newest request, at which the run in progress ends by itself, and changes
    `asked`, which starts the next. A mistyped class is no request and disturbs nothing.
    """
    visit, asked = gr.State(Visit()), gr.State(Request())
    _wire_requests(explainer, subject, evidence, visit, asked)
    _wire_drawing(evidence)

    def run(visit: Visit, request: Request) -> Iterator[list[Any]]:
        shown: list[Any] = []
        for plate in handlers.explain(explainer, visit, request):
            values = _values(plate)
            yield [gr.skip() if value in shown[i : i + 1] else value for i, value in enumerate(values)]
            shown = values
        if not shown:  # nothing to show; gradio would empty the outputs of a generator that yields nothing
            yield [gr.skip() for _ in _values(Plate())]

    asked.change(
        run,
        [visit, asked],
        [subject.photo_message, subject.predictions, subject.explain, subject.stop, *evidence.maps, subject.status],
        concurrency_id="model",
        concurrency_limit=1,
        **_PRIVATE,
    )
    subject.stop.click(_stop, visit, None, **_PRIVATE)


def _wire_requests(
    explainer: Explainer, subject: Subject, evidence: Evidence, visit: gr.State, asked: gr.State
) -> None:
    """What makes a request: a photo, a class, a setting, or the button."""

    def choose(wanted: str | int | None, *now: Any) -> tuple[Any, str]:
        if wanted is None or wanted == "":
            return gr.skip(), ""
        class_idx, problem = handlers.choose_class(explainer, wanted)
        return gr.skip() if problem else _ask(class_idx, *now), figures.message(problem)

    now = [visit, subject.photo, evidence.definition, evidence.fit, evidence.effort]
    chosen = [asked, subject.any_class, subject.class_message]
    subject.photo.change(lambda *now: (_ask(None, *now), None, ""), now, chosen, **_PRIVATE)
    subject.predictions.input(
        lambda class_idx, *now: (_ask(class_idx, *now), None, ""), [subject.predictions, *now], chosen, **_PRIVATE
    )
    subject.any_class.input(choose, [subject.any_class, *now], [asked, subject.class_message], **_PRIVATE)
    for event in (subject.explain.click, evidence.definition.input, evidence.fit.input, evidence.effort.input):
        event(lambda request, *now: _ask(request.class_idx, *now), [asked, *now], asked, **_PRIVATE)


def _wire_drawing(evidence: Evidence) -> None:
    """Opacity and colours change in the browser, without computing or asking anything again."""
    evidence.opacity.change(None, evidence.opacity, None, js=_SET_OPACITY, **_PRIVATE)
    evidence.colours.change(None, evidence.colours, None, js=_SET_COLOURS, **_PRIVATE)


def _ask(class_idx: int | None, visit: Visit, *wanted: Any) -> Request:
    """The request for that photo path, definition, fit and effort."""
    visit.wanted = Request(wanted[0], class_idx, *wanted[1:])
    return visit.wanted


def _stop(visit: Visit) -> None:
    visit.wanted = None


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
