"""A transformer whose evidence is where it was planted: the maps of its tokens must lie there."""

import numpy as np
import pytest
from PIL import Image

from camcore import Box, Explainer
from camcore.metrics.assessment import locate_heat
from camcore.metrics.localisation import Localisation
from tests.planted_tokens import BLUE, CELL, GREY, RED, token_explainer

pytestmark = pytest.mark.slow

BOXES = [(8, 16, 32, 48), (0, 0, 24, 24), (40, 32, 64, 64), (16, 0, 40, 16)]  # left, top, right, bottom in pixels


@pytest.fixture(
    scope="module", params=[((64, 64), 0), ((64, 96), 4)], ids=["square, class token", "wide, class token, 4 registers"]
)
def explainer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    size, registers = request.param
    return token_explainer(tmp_path_factory.mktemp("tokens"), size, registers)


def picture_of(explainer: Explainer, box: tuple[int, int, int, int], background: tuple[int, int, int]) -> Image.Image:
    height, width = explainer.manifest.preprocessing.size
    picture = Image.new("RGB", (width, height), background)
    picture.paste(RED, box)
    return picture


def test_the_tokens_without_a_place_are_recognised(explainer: Explainer) -> None:
    layer, (height, width) = explainer.manifest.layer, explainer.manifest.preprocessing.size
    assert (layer.name, layer.has_tokens, layer.map_size) == ("blocks.0", True, (height // CELL, width // CELL))
    assert layer.first_token == layer.other_tokens == (1 if height == width else 5)


def test_the_score_of_red_does_not_depend_on_the_background(explainer: Explainer) -> None:
    scores = [explainer.forward(picture_of(explainer, BOXES[0], colour)).logits[0] for colour in (BLUE, GREY)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert scores[0] > 5


@pytest.mark.parametrize("box", BOXES)
def test_all_methods_put_the_heat_on_the_place_that_counts(
    explainer: Explainer, box: tuple[int, int, int, int]
) -> None:
    """The map on the grid is exact; the heatmap reaches half a cell beyond, by its upsampling."""
    picture = picture_of(explainer, box, BLUE)
    left, top, right, bottom = (edge // CELL for edge in box)
    inside = np.zeros(explainer.manifest.layer.map_size, bool)
    inside[top:bottom, left:right] = True
    for class_idx, place in ((0, inside), (1, ~inside)):
        for explanation in explainer.explain(picture, class_idx, effort="exact"):
            assert explanation.cam is not None
            assert explanation.cam[place].min() > 0.99 * explanation.peak, explanation.method
            assert explanation.cam[~place].max() < 0.05 * explanation.peak, explanation.method


@pytest.mark.parametrize("box", BOXES)
def test_energy_and_pointing_follow_the_class(explainer: Explainer, box: tuple[int, int, int, int]) -> None:
    forward_pass = explainer.forward(picture_of(explainer, box, BLUE))
    width, height = forward_pass.view.photo_size
    marked = Box(box[0] / width, box[1] / height, box[2] / width, box[3] / height)
    for class_idx in (0, 1):
        evidence = locate_heat([marked], forward_pass.view, explainer.explain(forward_pass, class_idx), "bird")
        assert evidence is not None
        for localisation in evidence.localisations.values():
            assert isinstance(localisation, Localisation)
            assert localisation.pointing_hit == (class_idx == 0)
            assert localisation.energy > 0.6 if class_idx == 0 else localisation.lift < 0.25
