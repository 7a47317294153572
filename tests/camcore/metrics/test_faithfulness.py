"""Drop, increase, gain, deletion and insertion: by hand, against a plain loop, torchcam and SciPy."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import nn
from torchcam.metrics import ClassificationMetric

from camcore.explainer import Explainer
from camcore.images.photo import open_photo
from camcore.metrics.faithfulness import BLUR, PROTOCOL, STEPS, area, blurred, drop, faithfulness, gain

Array = NDArray[np.float32]


def by_mean(batch: Array) -> Array:
    """Return logits of two classes whose probabilities are the mean of the input, and 1 minus the mean."""
    means = batch.mean(axis=(1, 2, 3)).astype(np.float64)
    return np.log(np.stack([means, 1 - means], axis=1) + 1e-12)


@pytest.mark.parametrize(
    ("p", "q", "dropped", "gained"),
    [(0.8, 0.2, 75, 0), (0.2, 0.8, 0, 75), (0.5, 0.5, 0, 0), (1, 0.5, 50, 0), (1, 1, 0, 0), (0, 0.3, 0, 30)],
)
def test_drop_and_gain_by_hand(p: float, q: float, dropped: float, gained: float) -> None:
    assert drop(p, q) == pytest.approx(dropped)
    assert gain(p, q) == pytest.approx(gained)


def test_the_area_by_hand() -> None:
    assert area([1, 0.5, 0]) == pytest.approx(0.5)
    assert area([0, 1, 0]) == pytest.approx(0.5)
    assert area([0.4] * 33) == pytest.approx(0.4)


def test_four_by_four_by_hand() -> None:
    """16 pixels of 0.5 in 32 steps: every second step deletes one more, so the mean falls from 0.5 to 0 evenly."""
    x = np.full((1, 3, 4, 4), 0.5, np.float32)
    heatmap = (np.arange(16, dtype=np.float32).reshape(4, 4)) / 15
    (found,) = faithfulness(x, [heatmap], 0, by_mean)
    assert found is not None
    expected = [0.5 * (16 - round(step / 2)) / 16 for step in range(STEPS + 1)]
    np.testing.assert_allclose(found.deletion, expected, atol=1e-6)
    assert found.deletion_auc == pytest.approx(np.trapezoid(expected) / STEPS, abs=1e-6)
    np.testing.assert_allclose(found.insertion, 0.5, atol=1e-6)  # a blurred even input is the input
    masked = 0.5 * heatmap.mean()
    assert found.average_drop == pytest.approx(100 * (0.5 - masked) / 0.5, rel=1e-5)
    assert (found.increase, found.average_gain) == (False, 0)


def test_the_hottest_pixel_goes_first() -> None:
    """The probability of a model that uses one pixel falls exactly at the step that deletes this pixel."""
    x = np.ones((1, 3, 8, 8), np.float32)

    def one_pixel(batch: Array) -> Array:
        return np.stack([4 * batch[:, 0, 2, 5], np.zeros(len(batch))], axis=1).astype(np.float32)

    hot, cold = np.zeros((2, 8, 8), np.float32)
    hot[2, 5] = 1
    cold[:] = 1
    cold[2, 5] = 0
    first, last = faithfulness(x, [hot, cold], 0, one_pixel)
    assert first is not None
    assert last is not None
    before, after = 1 / (1 + math.exp(-4)), 0.5
    np.testing.assert_allclose(first.deletion, [before] + [after] * 32, atol=1e-6)
    np.testing.assert_allclose(last.deletion, [before] * 32 + [after], atol=1e-6)


def test_equal_pixels_go_row_by_row() -> None:
    x = np.ones((1, 3, 8, 8), np.float32)
    seen: list[Array] = []

    def keep(batch: Array) -> Array:
        seen.extend(batch[:, 0])
        return np.zeros((len(batch), 2), np.float32)

    heatmap = np.zeros((8, 8), np.float32)
    heatmap[0, 0] = 1
    faithfulness(x, [heatmap], 0, keep, chunk=5)
    steps = seen[2 + 3 :][:31]
    assert len(seen) == 2 + 3 + 2 * 31
    for number, step in enumerate(steps, start=1):
        np.testing.assert_array_equal(step.ravel() == 0, np.arange(64) < 2 * number)


def test_the_blur_equals_that_of_scipy() -> None:
    x = np.random.default_rng(0).normal(size=(3, 70, 45)).astype(np.float32)
    expected = gaussian_filter(x.astype(np.float64), BLUR, axes=(1, 2), mode="reflect", truncate=4)
    np.testing.assert_allclose(blurred(x), expected, atol=1e-6)


def plainly(x: Array, heatmap: Array, class_idx: int, explainer: Explainer) -> tuple[list[float], list[float]]:
    """Return deletion and insertion from a plain loop over the steps, with one forward pass of torch each."""
    order = sorted(range(heatmap.size), key=lambda pixel: (-heatmap.ravel()[pixel], pixel))
    blur = gaussian_filter(x, 10, axes=(2, 3), mode="reflect")
    curves: tuple[list[float], list[float]] = ([], [])
    for step in range(33):
        gone = order[: round(heatmap.size * step / 32)]
        deleted, inserted = x.copy().reshape(3, -1), blur.copy().reshape(3, -1)
        deleted[:, gone] = 0
        inserted[:, gone] = x.reshape(3, -1)[:, gone]
        for curve, changed in zip(curves, (deleted, inserted), strict=True):
            logits, _ = explainer._model.forward(changed.reshape(x.shape))
            powers = np.exp(logits[0].astype(np.float64) - logits.max())
            curve.append(float(powers[class_idx] / powers.sum()))
    return curves


@pytest.mark.slow
def test_the_curves_equal_a_plain_loop_and_do_not_depend_on_the_batch(stand_in: Explainer, animal_photos: list) -> None:
    forward_pass = stand_in.forward(open_photo(animal_photos[0]))
    explanations = stand_in.explain(forward_pass)
    together = stand_in.faithfulness(forward_pass, explanations, exact=True)
    for explanation, found in zip(explanations, together, strict=True):
        assert found is not None
        deletion, insertion = plainly(forward_pass.x, explanation.heatmap, explanation.class_idx, stand_in)
        np.testing.assert_allclose(found.deletion, deletion, atol=1e-4)
        np.testing.assert_allclose(found.insertion, insertion, atol=1e-4)
        assert found.deletion_auc == pytest.approx(sum(_trapezoids(deletion)), abs=1e-4)
        assert found.insertion_auc == pytest.approx(sum(_trapezoids(insertion)), abs=1e-4)
        assert found.precision == "fp32"
        (alone,) = stand_in.faithfulness(forward_pass, [explanation], exact=True)
        assert alone is not None
        np.testing.assert_allclose(alone.deletion, found.deletion, atol=1e-5)


def _trapezoids(curve: list[float]) -> list[float]:
    return [(first + second) / 2 / 32 for first, second in pairwise(curve)]


class _Precomputed:
    """The interface that torchcam's metric needs of an extractor, with a precomputed heatmap."""

    def __init__(self, model: nn.Module, heatmap: Array):
        self.model = model
        self._cam = torch.from_numpy(heatmap)[None]

    def __call__(self, *_: object, **__: object) -> list[torch.Tensor]:
        return [self._cam]

    def fuse_cams(self, cams: list[torch.Tensor]) -> torch.Tensor:
        return cams[0]

    def _hooks_off(self) -> torch.no_grad:
        return torch.no_grad()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1, 4])
def test_drop_and_increase_equal_those_of_torchcam(
    lite0: Explainer, eager_lite0: nn.Module, animal_photos: list, rank: int
) -> None:
    forward_pass = lite0.forward(open_photo(animal_photos[1]))
    class_idx = lite0.predict(forward_pass)[rank].class_idx
    explanations = lite0.explain(forward_pass, class_idx)

    class Logits(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return eager_lite0(x)[0]

    for explanation, found in zip(explanations, lite0.faithfulness(forward_pass, explanations), strict=True):
        assert found is not None
        metric = ClassificationMetric(_Precomputed(Logits().eval(), explanation.heatmap), lambda y: y.softmax(dim=-1))
        metric.update(torch.from_numpy(forward_pass.x), class_idx)
        theirs = metric.summary()
        assert found.average_drop == pytest.approx(100 * theirs["avg_drop"], abs=0.02)
        assert found.increase == bool(theirs["conf_increase"])


def test_an_empty_heatmap_gets_none_and_does_not_affect_the_others() -> None:
    x = np.full((1, 3, 4, 4), 0.5, np.float32)
    ramp = np.arange(16, dtype=np.float32).reshape(4, 4) / 15
    empty = np.zeros_like(ramp)
    assert faithfulness(x, [empty, empty], 0, by_mean) == [None, None]
    nothing, found = faithfulness(x, [empty, ramp], 0, by_mean)
    assert nothing is None
    assert [found] == faithfulness(x, [ramp], 0, by_mean)


def test_the_int8_model_runs_only_the_curves() -> None:
    x = np.full((1, 3, 4, 4), 0.5, np.float32)
    counts = {"exact": 0, "quick": 0}

    def counting(name: str) -> Callable[[Array], Array]:
        def forward(batch: Array) -> Array:
            counts[name] += len(batch)
            return by_mean(batch)

        return forward

    ramp = np.arange(16, dtype=np.float32).reshape(4, 4) / 15
    found = faithfulness(x, [ramp, ramp.T.copy()], 0, counting("exact"), int8=counting("quick"))
    assert counts == {"exact": 1 + 2, "quick": 3 + 2 * 62}
    assert [each.precision for each in found if each] == ["int8", "int8"]


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 9), st.integers(2, 9))
def test_metrics_stay_in_their_ranges_for_any_chunk(seed: int, chunk: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, 3, height, width)).astype(np.float32)
    matrix = rng.normal(size=(3 * height * width, 3))
    heatmap = rng.random((height, width)).astype(np.float32)
    (found,) = faithfulness(x, [heatmap], 1, lambda batch: batch.reshape(len(batch), -1) @ matrix, chunk=chunk)
    assert found is not None
    assert 0 <= found.average_drop <= 100
    assert 0 <= found.average_gain <= 100
    assert found.increase == (found.average_gain > 0)
    assert found.average_drop == 0 or found.average_gain == 0
    assert all(0 <= each <= 1 for each in (*found.deletion, *found.insertion, found.deletion_auc, found.insertion_auc))
    assert len(found.deletion) == len(found.insertion) == PROTOCOL.steps + 1
    assert found.deletion[0] == found.insertion[-1]
