"""Which event of the first tab runs what: one run at a time, replaced by the next, stopped at any moment."""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from camcore.formatting import percent
from camcore.methods.grad_cam import ALL_METHODS
from camcore.options import ExplainOptions
from demo.compare import html as figures
from demo.compare import links, text
from demo.compare import question_html as folds
from demo.compare import session as handlers
from demo.compare.layout import CompareTab, class_choices
from demo.compare.question_events import wire_folds
from demo.compare.session import ExplainRequest, PageState, Session
from demo.service.event_settings import ASKING, LAST, ON_MODEL
from demo.service.files import displayable_copy
from demo.service.models import Models

_SET_OPACITY = "(value) => { document.documentElement.style.setProperty('--heat-opacity', value); }"
_SET_COLOURS = "(value) => { document.documentElement.dataset.colours = value; }"


def wire(models: Models, page: CompareTab, session: gr.State) -> gr.State:
    """Connect the components; returns the state that holds the request last made.

    Whatever is asked for becomes the visit's newest request, at which the run in progress ends by itself, and changes
    `asked`, which starts the next. A mistyped class is no request and disturbs nothing.
    """
    asked = gr.State(ExplainRequest())
    _wire_requests(models, page, session, asked)
    _wire_drawing(page)
    wire_folds(models, page, session)

    def run(session: Session, request: ExplainRequest) -> Iterator[list[Any]]:
        shown: list[Any] = []
        for state in handlers.explain(models, session, request):
            values = _values(state, session)
            yield [gr.skip() if value in shown[i : i + 1] else value for i, value in enumerate(values)]
            shown = values
        if not shown:  # nothing to show; gradio would empty the outputs of a generator that yields nothing
            yield [gr.skip() for _ in _values(PageState(), session)]

    subject, maps, fold = page.subject, page.maps, page.folds
    asked.change(
        run,
        [session, asked],
        [
            subject.photo_message, subject.predictions, subject.explain, subject.stop, *maps.maps, subject.status,
            maps.outlines, maps.verdict, fold.where, fold.faithful, fold.contrast,
        ],
        trigger_mode="always_last",
        **ON_MODEL,
    )  # fmt: skip
    subject.stop.click(_stop, session, None, **LAST)
    return asked


def wire_link(blocks: gr.Blocks, models: Models, examples: Sequence[str], page: CompareTab, session: gr.State) -> None:
    """Open the page as its address asks: an example, a class, and settings. The photo's change then explains it."""
    maps = page.maps

    def open_link(session: Session, request: gr.Request) -> list[Any]:
        opening = links.from_query(request.query_params, models, examples)
        session.linked = (opening.class_idx, opening.message)
        wanted = (opening.path, opening.definition, opening.resize_mode, opening.effort, opening.model)
        return [gr.skip() if value is None else value for value in wanted]

    outputs = [page.subject.photo, maps.definition, maps.fit, maps.effort, maps.model]
    blocks.load(open_link, session, outputs, **LAST)


def _wire_requests(models: Models, page: CompareTab, session: gr.State, asked: gr.State) -> None:
    """What makes a request: a photo, a class, a setting, or the button."""
    subject, maps, fold = page.subject, page.maps, page.folds

    def choose(wanted: str | int | None, *now: Any) -> tuple[Any, str]:
        if wanted is None or wanted == "":
            return gr.skip(), ""
        class_idx, problem = handlers.choose_class(models.explainer(now[-1]), wanted)
        return gr.skip() if problem else _ask(class_idx, *now), figures.message(problem)

    def another_photo(session: Session, path: str | None, *now: Any) -> list[Any]:
        if path in session.photos:  # what stands for the photo that has been asked for
            return [gr.skip() for _ in outputs]
        picture = displayable_copy(path) if path else None
        session.photos = {picture: path} if picture and path else {}
        session.boxes, session.corner, session.view = (), None, None
        (class_idx, said), session.linked = session.linked, (None, "")
        request = _ask(class_idx, session, path, *now)
        return [picture or gr.skip(), request, None, figures.message(said), *(None for _ in fold.edges), ""]

    def another_model(session: Session, *now: Any) -> tuple[Any, ...]:
        manifest = models.explainer(now[-1]).manifest
        choices = gr.update(choices=class_choices(manifest), value=None)
        return _ask(None, session, *now), choices, choices, figures.note(text.described(manifest))

    now = [session, subject.photo, maps.definition, maps.fit, maps.effort, maps.model]
    chosen = [asked, subject.any_class, subject.class_message]
    outputs = [subject.photo, *chosen, *fold.edges, fold.box_message]
    subject.photo.change(another_photo, now, outputs, **ASKING)
    subject.predictions.input(
        lambda class_idx, *now: (_ask(class_idx, *now), None, ""), [subject.predictions, *now], chosen, **ASKING
    )
    subject.any_class.input(choose, [subject.any_class, *now], [asked, subject.class_message], **ASKING)
    for event in (subject.explain.click, maps.definition.input, maps.fit.input, maps.effort.input):
        event(lambda request, *now: _ask(request.options.class_idx, *now), [asked, *now], asked, **ASKING)
    for path, button in subject.examples:
        button.click(lambda path=path: path, None, subject.photo, **LAST)
    maps.model.input(another_model, now, [asked, subject.any_class, fold.other, maps.model_told], **ASKING)


def _wire_drawing(page: CompareTab) -> None:
    """Opacity and colours change in the browser, without computing or asking anything again."""
    page.maps.opacity.change(None, page.maps.opacity, None, js=_SET_OPACITY, **LAST)
    page.maps.colours.change(None, page.maps.colours, None, js=_SET_COLOURS, **LAST)


def _ask(class_idx: int | None, session: Session, *wanted: Any) -> ExplainRequest:
    """The request for the photo at that path on the page, definition, resize mode, effort and model."""
    path, definition, resize_mode, effort, model = wanted
    options = ExplainOptions(class_idx, None, definition, effort, resize_mode)
    session.wanted = ExplainRequest(session.photos.get(path, path), options, model)
    return session.wanted


def _stop(session: Session) -> None:
    session.wanted = None


def _values(state: PageState, session: Session) -> list[Any]:
    """What the outputs of a run show; what was measured of earlier maps goes."""
    choices = [(f"{each.name}  {percent(each.probability)}", each.class_idx) for each in state.predictions]
    chosen = state.class_idx if state.class_idx in [index for _, index in choices] else None
    return [
        figures.message(state.photo_message),
        gr.update(choices=choices, value=chosen, visible=bool(choices)),
        gr.update(visible=not state.running, interactive=state.view is not None),
        gr.update(visible=state.running),
        *(figures.figure(method, state) for method in ALL_METHODS),
        figures.status(state),
        folds.outlines(state.view, session.boxes),
        figures.verdict(state.verdict),
        folds.where(state.target_evidence),
        "",
        "",
    ]
