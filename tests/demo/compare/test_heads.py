"""What the page says of a model follows its manifest, whatever its architecture."""

from dataclasses import replace

import pytest

from camcore.images.preprocess import View, make_view
from camcore.model.manifest import Head, ResizeMode
from camcore.types import Box
from demo.compare import html, text
from demo.compare.events import _values
from demo.compare.session import PageState, Session
from tests.camcore.images.test_preprocess import ROUND, drawn
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
