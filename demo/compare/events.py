"""The events of the tab Compare. One explanation runs at a time; a newer request replaces it, and Stop ends it."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from camcore.formatting import percent
from camcore.methods.method_table import DEFAULT_METHODS, MORE_METHODS
from camcore.options import ExplainOptions
from demo.compare import html as compare_html
from demo.compare import question_html, questions, text
from demo.compare.explain import explain, prepare_photo
from demo.compare.layout import CompareTab
from demo.compare.question_events import wire_questions
from demo.compare.session import ExplainRequest, PageState, Session, choose_class
from demo.service.event_settings import ASKING, LAST, ON_MODEL, ON_PHOTO
from demo.service.models import Models

# Places in `_values` of what is hidden and shown again, which is sent every time: Gradio's page loses a change of
# visibility that follows another at once, and then Stop would stay, or the names would not be shown.
_HIDDEN_AT_TIMES = (2, 3, 4, 5)
# Seconds for which new names are sent with every step: while Gradio's page builds them, it may lose the choice.
# A person takes longer to read them and to choose another.
_READING_TIME = 1.0
_SET_OPACITY = "(value) => { document.documentElement.style.setProperty('--heat-opacity', value); }"
_SET_COLOURS = "(value) => { document.documentElement.dataset.colours = value; }"


def wire(models: Models, page: CompareTab, session: gr.State) -> gr.State:
    """Connect the components, and return the state of which a change starts an explanation.

    Every choice of a visitor becomes the newest request of the session, so that the explanation in progress ends by
    itself, and changes the state `request`, which starts the next explanation. A mistyped class makes no request.
    """
    request = gr.State(ExplainRequest())
    _wire_requests(models, page, session, request)
    box_events = wire_questions(models, page, session)
    if any(manifest.preprocessing.view == "box" for manifest in models.manifests.values()):
        for event in box_events:
            event.then(partial(show_box, models), [request, *_inputs(page, session)], request, **ASKING)

    def run(session: Session, request: ExplainRequest) -> Iterator[list[Any]]:
        previous: list[Any] = []
        for state in explain(models, session, request):
            values = _values(state, session)
            yield [
                gr.skip() if i not in _HIDDEN_AT_TIMES and value in previous[i : i + 1] else value
                for i, value in enumerate(values)
            ]
            previous = values
        if not previous:  # Gradio would empty the outputs of a generator that yields nothing
            yield [gr.skip() for _ in _values(PageState(), session)]

    photo_panel, map_panel, question_panel = page.photo_panel, page.map_panel, page.question_panel
    outputs = [
        photo_panel.photo_message, photo_panel.seen, photo_panel.other_view, photo_panel.predictions,
        photo_panel.explain, photo_panel.stop, *map_panel.maps, map_panel.more_maps,
        photo_panel.status, map_panel.outlines, map_panel.caution, map_panel.verdict, question_panel.localisation,
        question_panel.answers, question_panel.faithfulness, question_panel.contrast,
    ]  # fmt: skip
    request.change(run, [session, request], outputs, trigger_mode="always_last", **ON_MODEL)
    photo_panel.stop.click(_stop, session, None, **LAST)
    # Opacity and colours change in the browser, without any computation on the server.
    map_panel.opacity.change(None, map_panel.opacity, None, js=_SET_OPACITY, **LAST)
    map_panel.colours.change(None, map_panel.colours, None, js=_SET_COLOURS, **LAST)
    return request


def _wire_requests(models: Models, page: CompareTab, session: gr.State, request: gr.State) -> None:
    """Connect what makes a request: a photo, a class, a setting, or the button."""
    panel, inputs = page.map_panel, _inputs(page, session)
    _wire_photo(models, page, request, inputs)
    _wire_class(models, page, request, inputs)
    _wire_model(models, page, request, inputs)
    settings = (panel.definition, panel.resize_mode, panel.effort, panel.more_methods)
    for event in (page.photo_panel.explain.click, *(setting.input for setting in settings)):
        event(lambda old, *inputs: _request(old.options.class_idx, *inputs), [request, *inputs], request, **ASKING)

    def show_other_view(old: ExplainRequest, *inputs: Any) -> tuple[str, ExplainRequest]:
        session, path, definition, resize_mode, *others = inputs
        resize_mode = "squash" if resize_mode == "crop" else "crop"
        return resize_mode, _request(old.options.class_idx, session, path, definition, resize_mode, *others)

    page.photo_panel.other_view.click(show_other_view, [request, *inputs], [panel.resize_mode, request], **ASKING)


def _inputs(page: CompareTab, session: gr.State) -> list[Any]:
    panel = page.map_panel
    settings = [panel.definition, panel.resize_mode, panel.effort, panel.more_methods, panel.model]
    return [session, page.photo_panel.photo, *settings]


def show_box(models: Models, old: ExplainRequest, session: Session, *inputs: Any) -> Any:
    """Request the explanation of a box that was just marked or removed, if the chosen model sees boxes."""
    path, *_, model = inputs
    sees_boxes = models.explainer(model).manifest.preprocessing.view == "box"
    was_box = session.view is not None and session.view.of_box
    if not (path and sees_boxes and (session.boxes or was_box)) or session.corner is not None:
        return gr.skip()
    return _request(old.options.class_idx, session, *inputs)


def _wire_photo(models: Models, page: CompareTab, request: gr.State, inputs: list[Any]) -> None:
    panel = page.photo_panel
    edges, box_message = page.question_panel.edges, page.question_panel.box_message
    messages = [panel.class_message, panel.click_message, box_message]
    outputs = [panel.photo, request, panel.any_class, *messages, *edges]

    def change_photo(session: Session, path: str | None, *inputs: Any) -> list[Any]:
        if path in session.originals:  # the displayed copy of a photo that has already been requested
            return [gr.skip() for _ in outputs]
        earlier = session.newest
        picture = prepare_photo(models, session, Path(path), inputs[1], inputs[-1]) if path else None
        session.originals = {picture: path} if picture and path else {}
        session.boxes, session.linked_boxes, session.corner, session.view = session.linked_boxes, (), None, None
        (class_idx, message), session.linked_class = session.linked_class, (None, "")
        if session.newest is not earlier and session.newest and session.newest.path == path:
            return [picture or gr.skip(), *(gr.skip() for _ in outputs[1:])]  # a name or setting was chosen meanwhile
        new_request, box = _request(class_idx, session, path, *inputs), questions.box_edges(session)
        return [picture or gr.skip(), new_request, "", compare_html.message(message), "", "", *box]

    panel.photo.change(change_photo, inputs, outputs, trigger_mode="always_last", **ON_PHOTO)
    for path, button in panel.examples.items():
        button.click(lambda path=path: path, None, panel.photo, **LAST)


def _wire_class(models: Models, page: CompareTab, request: gr.State, inputs: list[Any]) -> None:
    panel = page.photo_panel

    def choose_prediction(class_idx: int, session: Session, *inputs: Any) -> tuple[Any, ...]:
        session.names = (session.names[0], class_idx)
        return _request(class_idx, session, *inputs), "", ""

    def type_class(query: str | None, *inputs: Any) -> tuple[Any, str]:
        if query is None or not query.strip():
            return gr.skip(), ""
        class_idx, problem = choose_class(models.explainer(inputs[-1]).manifest.labels, query)
        return gr.skip() if problem else _request(class_idx, *inputs), compare_html.message(problem)

    outputs = [request, panel.any_class, panel.class_message]
    panel.predictions.input(choose_prediction, [panel.predictions, *inputs], outputs, **ASKING)
    panel.any_class.submit(type_class, [panel.any_class, *inputs], [request, panel.class_message], **ASKING)


def _wire_model(models: Models, page: CompareTab, request: gr.State, inputs: list[Any]) -> None:
    panel = page.map_panel

    def change_model(*inputs: Any) -> tuple[Any, ...]:
        manifest = models.explainer(inputs[-1]).manifest
        class_list, description = compare_html.class_list(manifest), compare_html.model_description(manifest)
        (session, path, definition, _, *others), resize_mode = inputs, manifest.preprocessing.resize_mode
        request = _request(None, session, path, definition, resize_mode, *others)
        return request, "", "", class_list, description, compare_html.look_alike(manifest), resize_mode

    fields = [page.photo_panel.any_class, page.question_panel.contrast_class]
    described = [page.photo_panel.class_list, panel.model_description, panel.look_alike, panel.resize_mode]
    outputs = [request, *fields, *described]
    panel.model.input(change_model, inputs, outputs, **ASKING)


def _request(class_idx: int | None, session: Session, *inputs: Any) -> ExplainRequest:
    """Make the newest request of a session, from the photo's path on the page, definition, resize mode and so on."""
    path, definition, resize_mode, effort, chosen, model = inputs
    options = ExplainOptions(class_idx, None, definition, effort, resize_mode)
    more_methods = tuple(name for name in MORE_METHODS if name in chosen)
    session.newest = ExplainRequest(session.originals.get(path, path), options, model, more_methods)
    return session.newest


def _stop(session: Session) -> None:
    session.newest = None


def _values(state: PageState, session: Session) -> list[Any]:
    """Return the values of the outputs of `run`. The answers to questions about earlier heatmaps are cleared.

    While a photo is explained, its former view, and the former names and table, keep their places for the new ones.
    """
    state = replace(state, view=state.view or session.view)
    can_explain = bool(session.started and session.started.path and not state.photo_message)
    return [
        compare_html.message(state.photo_message),
        compare_html.note(text.seen(state.view)) if state.view else "",
        gr.update(
            visible=state.view is not None and not state.view.of_box,
            value=text.SHOW["crop" if state.view and state.view.whole else "squash"],
        ),
        _predictions(state, session),
        gr.update(visible=not state.running, interactive=can_explain),
        gr.update(visible=state.running),
        *(compare_html.map_figure(method, state) for method in DEFAULT_METHODS),
        compare_html.more_figures(state),
        compare_html.status(state),
        question_html.outlines(state.view, session.boxes, session.corner),
        gr.skip() if state.running else compare_html.caution(state.caution),
        compare_html.verdict(state.verdict),
        gr.skip() if state.running else question_html.localisation(state.target_evidence),
        gr.skip() if state.running else question_html.counterfactuals(state.view, state.counterfactuals),
        "",
        "",
    ]


def _predictions(state: PageState, session: Session) -> Any:
    """Return the update of the names, with a choice only if it or the names have changed: it may undo a visitor's."""
    choices = tuple((f"{item.name}  {percent(item.probability)}", item.class_idx) for item in state.predictions)
    choice = state.class_idx if state.class_idx in [class_idx for _, class_idx in choices] else None
    if state.running and not choices:
        return gr.skip()
    if choices != session.names[0]:
        session.named_at = time.monotonic()
    elif choice == session.names[1] and time.monotonic() - session.named_at > _READING_TIME:
        return gr.update(visible=bool(choices))
    session.names = (choices, choice)
    return gr.update(choices=list(choices), value=choice, visible=bool(choices))
