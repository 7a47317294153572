"""Contrasts of two classes, against oracles of the difference of their logits."""

from pathlib import Path

import numpy as np
import pytest

from camcore.errors import ClassError
from camcore.explainer import Explainer
from camcore.formatting import subject
from camcore.images.photo import open_photo
from camcore.methods.definitions import DEFINITIONS, channel_weights, log_weights
from camcore.methods.grad_cam import weighted_map
from camcore.methods.heatmap import to_heatmap
from camcore.methods.method_table import DEFAULT_METHODS
from camcore.methods.score_cam import alive_channels, masks
from camcore.options import ExplainOptions
from camcore.results import ForwardPass
from export.trace import SplitClassifier

LION, CHEETAH = 291, 293


@pytest.fixture(scope="module")
def lion(lite0: Explainer, animal_photos: list[Path]) -> ForwardPass:
    return lite0.forward(open_photo(animal_photos[0]))


def test_grad_cam_is_the_difference_of_two_rows_of_the_classifier(
    lite0: Explainer, eager_lite0: SplitClassifier, lion: ForwardPass
) -> None:
    """With a linear head g = (w_c - w_d) / 49, so the map is the ReLU of the difference of two classic CAMs."""
    matrix = [parameter for parameter in eager_lite0.parameters() if parameter.ndim == 2][-1].detach().numpy()
    for this, that in ((LION, CHEETAH), (CHEETAH, LION)):
        (explanation,) = lite0.explain(lion, this, ["grad-cam"], contrast_idx=that)
        weights = (matrix[this].astype(np.float64) - matrix[that]) / 49
        expected, peak = to_heatmap(weighted_map(weights, lion.activations), (224, 224))
        np.testing.assert_allclose(explanation.heatmap, expected, atol=1e-4)
        assert explanation.peak == pytest.approx(peak, rel=1e-4)


def test_grad_cam_pp_takes_the_positive_part_of_that_difference(
    lite0: Explainer, eager_lite0: SplitClassifier, lion: ForwardPass
) -> None:
    matrix = [parameter for parameter in eager_lite0.parameters() if parameter.ndim == 2][-1].detach().numpy()
    positive = np.maximum(matrix[LION].astype(np.float64) - matrix[CHEETAH], 0)
    weights = positive / (2 + positive * lion.activations.mean(axis=(1, 2), dtype=np.float64))
    (explanation,) = lite0.explain(lion, LION, ["grad-cam++"], contrast_idx=CHEETAH)
    np.testing.assert_allclose(
        explanation.heatmap, to_heatmap(weighted_map(weights, lion.activations), (224, 224))[0], atol=1e-4
    )


@pytest.mark.parametrize("definition", ["paper", "probability"])
def test_score_cam_scores_the_difference_of_the_logits(lite0: Explainer, lion: ForwardPass, definition: str) -> None:
    """Compare with a plain loop over the 40 most varied channels, one forward per channel."""
    few = ForwardPass(lion.x, lion.view, lion.logits, _only(lion.activations, 40), lion.seconds)
    (explanation,) = lite0.explain(
        few,
        LION,
        ["score-cam"],
        contrast_idx=CHEETAH,
        definition=definition,
        effort="exact",  # type: ignore[arg-type]
    )
    alive = alive_channels(few.activations)
    assert explanation.forwards == alive.size == 40
    differences = []
    for mask in masks(few.activations[alive], (224, 224), DEFINITIONS["paper"]):
        logits, _ = lite0._model.forward(few.x * mask)
        differences.append(float(logits[0, LION]) - float(logits[0, CHEETAH]))
    values = np.array(differences)
    if definition == "paper":
        weights = np.exp(values - values.max()) / np.exp(values - values.max()).sum()
    else:
        weights = 1 / (1 + np.exp(-values))
    expected = to_heatmap(weighted_map(weights, few.activations[alive]), (224, 224))[0]
    np.testing.assert_allclose(explanation.heatmap, expected, atol=1e-3)


def _only(activations: np.ndarray, count: int) -> np.ndarray:
    kept = np.zeros_like(activations)
    best = alive_channels(activations)[:count]
    kept[best] = activations[best]
    return kept


def test_the_probability_is_that_of_a_model_with_only_the_two_classes() -> None:
    logits = np.array([[2.0, -1.0, 5.0], [1000.0, -1000.0, 0.0]], np.float32)
    weights = channel_weights(log_weights(logits, 0, DEFINITIONS["probability"], 1), DEFINITIONS["probability"])
    np.testing.assert_allclose(weights, [1 / (1 + np.exp(-3)), 1])
    np.testing.assert_allclose(log_weights(logits, 0, DEFINITIONS["paper"], 1), [3, 2000])


@pytest.mark.slow
def test_both_directions_differ_and_are_named(lite0: Explainer, lion: ForwardPass) -> None:
    this, that = (lite0.explain(lion, a, contrast_idx=b) for a, b in ((LION, CHEETAH), (CHEETAH, LION)))
    for first, second in zip(this, that, strict=True):
        assert first.contrast_class is not None
        assert (first.class_idx, first.contrast_class.class_idx) == (LION, CHEETAH)
        assert subject(first) == "lion rather than cheetah"
        assert subject(second) == "cheetah rather than lion"
    grad_cam = {explanation.method: explanation for explanation in this}["grad-cam"]
    assert np.corrcoef(grad_cam.heatmap.ravel(), that[0].heatmap.ravel())[0, 1] < 0.5
    assert [explanation.method for explanation in this] == list(DEFAULT_METHODS)


def test_a_class_against_itself_or_out_of_range_is_refused(lite0: Explainer, lion: ForwardPass) -> None:
    with pytest.raises(ClassError, match="lion cannot be set against itself"):
        lite0.explain(lion, LION, contrast_idx=LION)
    with pytest.raises(ClassError, match="class 1000 is out of range"):
        lite0.explain(lion, LION, contrast_idx=1000)


def test_score_cam_grows_for_a_contrast_too(lite0: Explainer, lion: ForwardPass) -> None:
    steps = list(lite0.stream(lion, ExplainOptions(LION, CHEETAH, effort=24), ["score-cam"]))
    assert [step.forwards for step in steps] == [8, 16, 24]
    assert all(step.contrast_class is not None for step in steps)
