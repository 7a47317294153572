"""The untrained classifier: its random weights, and the correlation of its maps with the trained one's."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from camcore.explainer import Explainer
from camcore.images.photo import open_photo
from camcore.methods.grad_cam import grad_cam
from camcore.methods.method_table import DEFAULT_METHODS
from camcore.metrics.sanity import sanity
from export.trace import SplitClassifier


def maps(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(6, 3, 3)).astype(np.float32) for _ in range(count))


def test_the_correlation_is_the_mean_spearman_over_seeds() -> None:
    activations = np.abs(next(maps(1, 5)))
    gradients, first, second = maps(3)
    found = sanity(activations, {"gradients": [gradients, first, second]}, DEFAULT_METHODS)
    own, *others = (grad_cam(activations, each).ravel() for each in (gradients, first, second))
    assert found["grad-cam"] == pytest.approx(np.mean([spearmanr(own, other).statistic for other in others]))
    assert set(found) == {"grad-cam", "grad-cam++"}


def test_unchanged_gradients_correlate_fully() -> None:
    activations = np.abs(next(maps(1, 5)))
    gradients = next(maps(1))
    assert sanity(activations, {"gradients": [gradients] * 3}, ["grad-cam"])["grad-cam"] == pytest.approx(1)


def test_an_empty_map_has_no_correlation() -> None:
    activations = np.abs(next(maps(1, 5)))
    none = -np.ones_like(activations)
    for gradients in ([none, *maps(2)], [*maps(1), none]):
        assert sanity(activations, {"gradients": gradients}, ["grad-cam"]) == {"grad-cam": None}


def test_the_random_matrix_is_normal_of_the_same_scale_and_seeded(lite0: Explainer, animal_photos: list[Path]) -> None:
    """At the last layer, the gradient times the size of the grid is the class's row of the weight matrix."""
    forward_pass = lite0.forward(open_photo(animal_photos[0]))
    learnt = lite0._model.gradients(forward_pass.activations, {7: 1}) * 49
    first, again, second = (
        next(iter(lite0._model.randomised_gradients(forward_pass.activations, {7: 1}, [seed]))) * 49
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first[:, 0, 0], second[:, 0, 0])[0, 1]) < 0.1
    assert abs(np.corrcoef(first[:, 0, 0], learnt[:, 0, 0])[0, 1]) < 0.1
    assert abs(first.mean()) < 0.2 * learnt.std()
    np.testing.assert_array_equal(lite0._model.gradients(forward_pass.activations, {7: 1}) * 49, learnt)


def test_the_random_matrix_has_the_scale_of_the_whole_matrix(
    lite0: Explainer, eager_lite0: SplitClassifier, animal_photos: list[Path]
) -> None:
    forward_pass = lite0.forward(open_photo(animal_photos[0]))
    rows = [
        next(iter(lite0._model.randomised_gradients(forward_pass.activations, {class_idx: 1}, [0])))[:, 0, 0] * 49
        for class_idx in range(0, 1000, 100)
    ]
    matrix = [parameter for parameter in eager_lite0.parameters() if parameter.ndim == 2][-1]
    assert np.std(rows) == pytest.approx(float(matrix.detach().std()), rel=0.03)


def test_the_sanity_of_a_contrast_is_that_of_its_own_map(lite0: Explainer, animal_photos: list[Path]) -> None:
    forward_pass = lite0.forward(open_photo(animal_photos[0]))
    plain, contrast = lite0.sanity(forward_pass, 291), lite0.sanity(forward_pass, 291, contrast_idx=293)
    assert plain["grad-cam"] != contrast["grad-cam"]


@pytest.mark.slow
def test_grad_cam_changes_with_the_classifier_and_grad_cam_pp_hardly(
    lite0: Explainer, imagenet_photos: list[Path]
) -> None:
    """Grad-CAM passes the check, and Grad-CAM++ nearly repeats the mean activation, as documented."""
    found = [lite0.sanity(lite0.forward(open_photo(path))) for path in imagenet_photos]
    grad, pp = (np.array([each[name] for each in found], float) for name in ("grad-cam", "grad-cam++"))
    assert np.nanmean(grad) < 0.5
    assert np.nanmean(pp) > np.nanmean(grad) + 0.3
