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


def choices_sent(models: Models, session: Session) -> list[int | None]:
    """Return the choices among the names that the explanation of the newest request sends."""
    assert session.newest is not None
    updates = [events._values(state, session)[3] for state in explain(models, session, session.newest)]
    assert updates[-1]["visible"]
    return [update["value"] for update in updates if "value" in update]


def test_a_choice_is_sent_only_when_it_changes_once_the_names_can_be_read(
    models: Models, wired: tuple[gr.Blocks, CompareTab], eagle: str
) -> None:
    blocks, page = wired
    session = Session(ExplainRequest(eagle))
    assert {*choices_sent(models, session)} == {EAGLE}
    session.named_at -= events._READING_TIME
    choose = function_of(blocks, page.photo_panel.predictions, "input")
    choose(KITE, session, eagle, "paper", "crop", "fast", [], None)
    assert choices_sent(models, session) == [], "the page shows the choice already"
    session.newest = ExplainRequest(eagle, ExplainOptions(EAGLE))  # as typed, or by Back
    assert choices_sent(models, session) == [EAGLE]


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
    inputs = (session, eagle, "paper", "crop", "fast", [], None)
    choose = function_of(blocks, page.photo_panel.predictions, "input")
    monkeypatch.setattr(events, "prepare_photo", lambda *_: choose(class_idx, *inputs) and None if class_idx else None)
    values = function_of(blocks, page.photo_panel.photo, "change")(*inputs)
    assert all(value == NO_UPDATE for value in values) == kept
    assert session.newest is not None
    assert (session.newest.path, session.newest.options.class_idx) == (eagle, class_idx)
