"""What the page says of a model follows its manifest, whatever its architecture."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import gradio as gr
import pytest

from camcore import Explainer
from camcore.images.preprocess import View, make_view
from camcore.model.manifest import Head, Preprocessing, ResizeMode
from camcore.options import ExplainOptions
from camcore.types import Box
from demo.compare import html, text
from demo.compare.events import _values, show_box, wire
from demo.compare.explain import explain
from demo.compare.layout import build
from demo.compare.session import ExplainRequest, PageState, Session
from demo.service.models import Models
from export import export_model
from tests.camcore.images.test_preprocess import ROUND, drawn
from tests.camcore.metrics.test_heads import RED_BOX, SIDE, colour_scores
from tests.camcore.metrics.test_heads import drawn as drawn_scores
from tests.camcore.model.test_manifest import WRITTEN

DESCRIBED = replace(WRITTEN, parity={"worst_share_of_range": 1e-6})


def test_the_note_on_look_alike_maps_follows_the_layer() -> None:
    assert text.LOOK_ALIKE.split(",")[0] in html.look_alike(DESCRIBED)
    other = replace(DESCRIBED, layers=(replace(DESCRIBED.layer, linear_head=False),))
    assert html.look_alike(other) == ""


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ("softmax", "plain borders.</"),
        ("one logit", "speaks against the other"),
        ("multi-label", "Several names may be right"),
    ],
)
def test_the_description_says_what_the_names_mean(head: Head, sentence: str) -> None:
    assert sentence in html.model_description(replace(DESCRIBED, head=head))


@pytest.mark.parametrize(
    ("resize_mode", "sentence"),
    [
        ("crop", "By default it is shown the centre of the photo."),
        ("squash", "By default it is shown the whole photo, squeezed."),
    ],
)
def test_the_description_says_what_the_model_is_shown(resize_mode: ResizeMode, sentence: str) -> None:
    steps = replace(DESCRIBED.preprocessing, resize_mode=resize_mode)
    assert sentence in html.model_description(replace(DESCRIBED, preprocessing=steps))


def test_another_view_is_offered_only_of_a_photo_that_is_not_cut_to_a_box() -> None:
    photo = drawn(400, 100, (0, 0, 9, 9))
    whole, of_box = make_view(photo, ROUND), make_view(photo, replace(ROUND, view="box"), None, Box(0, 0, 0.5, 1))
    offers = [_values(PageState(view=view), Session())[2]["visible"] for view in (whole, of_box)]
    assert offers == [True, False]


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (make_view(drawn(400, 100, (0, 0, 9, 9)), ROUND), "The model saw the middle 6% of the photo."),
        (make_view(drawn(400, 100, (0, 0, 9, 9)), ROUND, "pad"), "The model saw the whole photo."),
        (make_view(drawn(400, 100, (0, 0, 9, 9)), replace(ROUND, view="box"), None, Box(0, 0, 0.5, 1)), text.SAW_BOX),
    ],
)
def test_the_page_says_what_the_model_saw(view: View, sentence: str) -> None:
    assert text.seen(view) == sentence


@pytest.fixture(scope="module")
def models_of_boxes(tmp_path_factory: pytest.TempPathFactory) -> Models:
    steps = Preprocessing(SIDE, (SIDE, SIDE), "bilinear", (0.5,) * 3, (0.25,) * 3, "squash", "box")
    out = tmp_path_factory.mktemp("boxes") / "boxes"
    return Models(Explainer.load(export_model(colour_scores(2), out, preprocessing=steps, int8=False)), out)


def test_a_marked_box_is_shown_to_a_model_of_boxes_at_once(models_of_boxes: Models, tmp_path: Path) -> None:
    path = str(tmp_path / "fox.png")
    drawn_scores(RED_BOX).save(path)
    first = ExplainRequest(path)
    session = Session(first)
    assert list(explain(models_of_boxes, session, first))[-1].view.share == 1
    inputs = (path, "paper", "squash", "fast", [], None)
    assert show_box(models_of_boxes, first, session, *inputs) == gr.skip(), "no box was or is marked"
    session.corner = RED_BOX[:2]
    assert show_box(models_of_boxes, first, session, *inputs) == gr.skip(), "one corner is no box"
    session.corner, session.boxes = None, (RED_BOX,)
    request = show_box(models_of_boxes, first, session, *inputs)
    state = list(explain(models_of_boxes, session, request))[-1]
    assert state.view.of_box
    assert "The model saw the box of the animal only, 14% of the photo." in state.verdict
    assert show_box(models_of_boxes, first, session, None, *inputs[1:]) == gr.skip(), "there is no photo"
    session.boxes = ()
    request = show_box(models_of_boxes, first, session, *inputs)
    assert list(explain(models_of_boxes, session, request))[-1].view.share == 1


def test_the_page_asks_again_after_a_box_only_with_a_model_of_boxes(
    models_of_boxes: Models, stand_in: Explainer, stand_in_artifacts: Path
) -> None:
    counts = []
    for models in (models_of_boxes, Models(stand_in, stand_in_artifacts / "efficientnet_lite0", alone=True)):
        with gr.Blocks() as blocks:
            wire(models, build(models), gr.State(Session()))
        counts.append(sum(isinstance(function.fn, partial) for function in blocks.fns.values()))
    assert counts == [3, 0]


def test_maps_of_another_view_are_not_those_of_the_first_choice(models_of_boxes: Models, tmp_path: Path) -> None:
    path = str(tmp_path / "fox.png")
    drawn_scores(RED_BOX).save(path)
    session = Session()
    for boxes, class_idx, reused in (((), None, 3), ((), 1, 3), ((RED_BOX,), 1, 0)):
        session.boxes = boxes
        request = session.newest = ExplainRequest(path, ExplainOptions(class_idx))
        list(explain(models_of_boxes, session, request))
        assert session.finished is not None
        assert len(session.first_choice_maps(session.finished)) == reused
