"""The events of the tab Compare, without a browser: no answer of the server undoes what a visitor chose meanwhile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from camcore import Explainer
from camcore.options import ExplainOptions
from demo.compare import events
from demo.compare.explain import explain
from demo.compare.layout import CompareTab, build
from demo.compare.session import ExplainRequest, Session
from demo.service.models import Models

EAGLE, KITE = 22, 21
NO_UPDATE = gr.skip()


@pytest.fixture
def models(stand_in: Explainer, stand_in_artifacts: Path) -> Models:
    return Models(stand_in, stand_in_artifacts / "efficientnet_lite0")


@pytest.fixture
def eagle(imagenet_photos: list[Path]) -> str:
    return str(next(path for path in imagenet_photos if path.stem.endswith("_22")))


@pytest.fixture
def wired(models: Models) -> tuple[gr.Blocks, CompareTab]:
    with gr.Blocks() as blocks:
        page = build(models)
        events.wire(models, page, gr.State(Session()))
    return blocks, page


def function_of(blocks: gr.Blocks, component: Any, event: str) -> Callable[..., Any]:
    """Return the only function that an event of a component calls on the server."""
    (function,) = (
        function.fn for function in blocks.fns.values() if (component._id, event) in function.targets and function.fn
    )
    return function


def updates_of_names(models: Models, session: Session) -> list[Any]:
    """Return what the explanation of the newest request sends to the names."""
    assert session.newest is not None
    sent = []
    for state in explain(models, session, session.newest):
        update = events._values(state, session)[3]
        if update != NO_UPDATE:
            sent.append(dict(update))
            update.pop("value")  # as Gradio does
    return sent


def test_the_names_are_sent_only_when_they_or_the_choice_change(
    models: Models, wired: tuple[gr.Blocks, CompareTab], eagle: str
) -> None:
    blocks, page = wired
    session = Session(ExplainRequest(eagle))
    (first,) = updates_of_names(models, session)
    assert (first["value"], first["visible"]) == (EAGLE, True)
    choose = function_of(blocks, page.photo_panel.predictions, "input")
    choose(KITE, session, eagle, "paper", "crop", "fast", None)
    assert updates_of_names(models, session) == [], "the page shows the choice already"
    session.newest = ExplainRequest(eagle, ExplainOptions(EAGLE))  # as typed, or by Back
    assert [update["value"] for update in updates_of_names(models, session)] == [EAGLE]


def test_names_of_an_outdated_request_are_not_sent(models: Models, eagle: str) -> None:
    session = Session(request := ExplainRequest(eagle))
    states = explain(models, session, request)
    assert next(states).running
    session.newest = ExplainRequest(eagle, ExplainOptions(KITE))
    assert list(states) == []


@pytest.mark.parametrize(("class_idx", "kept"), [(KITE, True), (None, False)], ids=["chosen", "nothing chosen"])
def test_a_choice_that_is_made_while_the_photo_is_decoded_is_kept(
    *,
    class_idx: int | None,
    kept: bool,
    wired: tuple[gr.Blocks, CompareTab],
    eagle: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks, page = wired
    session = Session()
    inputs = (session, eagle, "paper", "crop", "fast", None)
    choose = function_of(blocks, page.photo_panel.predictions, "input")
    monkeypatch.setattr(events, "prepare_photo", lambda *_: choose(class_idx, *inputs) and None if class_idx else None)
    values = function_of(blocks, page.photo_panel.photo, "change")(*inputs)
    assert all(value == NO_UPDATE for value in values) == kept
    assert session.newest is not None
    assert (session.newest.path, session.newest.options.class_idx) == (eagle, class_idx)
