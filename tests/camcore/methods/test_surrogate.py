"""The Gaussian process against its textbook formulas in float64, and its properties with any scores."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from camcore.methods.heatmap import min_max, upsample
from camcore.methods.surrogate import (
    INFLATION_RUNS,
    LENGTH_SCALE,
    LINEAR_VARIANCE,
    MEAN_VARIANCE,
    MIN_RUNS_FOR_ESTIMATE,
    NUGGET,
    ExhaustiveSampler,
    GaussianProcessSampler,
    MaskedForward,
)

Matrix = NDArray[np.float64]
SIZE = (28, 35)
NOISE, SPEED_UP = 0.05, 2.5


def channels(count: int = 12, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0, 3, (count, 4, 5)).astype(np.float32)


def scores(activations: NDArray[np.float32]) -> Matrix:
    """Return scores that are smooth in the mask, as those of a network are."""
    masks = min_max(activations).astype(np.float64)
    return 3 * np.sin(masks[:, 1, 2] + masks[:, 2, 2]) + masks[:, 0].sum(axis=1)


def prior(activations: NDArray[np.float32], contributions: NDArray[np.float32] | None = None) -> Matrix:
    roots = np.sqrt(min_max(activations).reshape(len(activations), -1).astype(np.float64))
    distance = np.sqrt(((roots[:, None] - roots[None]) ** 2).mean(axis=-1))
    kernel = np.exp(-((distance / LENGTH_SCALE) ** 2) / 2) + MEAN_VARIANCE + NUGGET * np.eye(len(activations))
    for score in (roots.sum(axis=1), None if contributions is None else roots @ contributions.ravel()):
        if score is not None:
            standardised = (score - score.mean()) / score.std()
            kernel += LINEAR_VARIANCE * standardised[:, None] * standardised
    return kernel


class Textbook:
    """The mean and the covariance of the exact scores after `runs`, from one large matrix."""

    def __init__(
        self,
        activations: NDArray[np.float32],
        runs: list[MaskedForward],
        values: Matrix,
        contributions: NDArray[np.float32] | None = None,
    ):
        kernel = prior(activations, contributions)
        at = [run.channel for run in runs]
        int8 = np.array([not run.exact for run in runs], float)
        observed = kernel[np.ix_(at, at)] * (1 + NOISE * np.outer(int8, int8))
        gain = np.linalg.solve(observed, kernel[at]).T
        residuals = values - values.mean()
        self.covariance = kernel - gain @ kernel[at]
        self.scale = float(residuals @ np.linalg.solve(observed, residuals)) / len(runs)
        self.mean = values.mean() + gain @ residuals

    @property
    def log_weights(self) -> Matrix:
        return self.mean + np.minimum(self.scale * self.covariance.diagonal(), 4) / 2

    def error(self, activations: NDArray[np.float32], weights: Matrix) -> float:
        """Return the expected square error orthogonal to the heatmap, as a share of its square, from all its pixels."""
        heat = upsample(activations, SIZE).reshape(len(activations), -1).astype(np.float64)
        heat -= heat.mean(axis=1, keepdims=True)
        cam = weights @ heat
        toward = heat * weights[:, None]
        toward -= np.outer(toward @ cam, cam) / (cam @ cam)
        return self.scale * float(np.einsum("ip,ij,jp->", toward, self.covariance, toward)) / float(cam @ cam)


def observed(surrogate: GaussianProcessSampler, true: Matrix, steps: int, chunk: int = 2) -> list[MaskedForward]:
    """Run this many steps; the scores of int8 runs are a tenth too large."""
    runs: list[MaskedForward] = []
    for _ in range(steps):
        chosen = surrogate.choose(chunk)
        surrogate.observe(values(chosen, true))
        runs += chosen
    return runs


def values(runs: list[MaskedForward], true: Matrix) -> Matrix:
    return np.array([true[run.channel] * (1 if run.exact else 1.1) for run in runs])


CONTRIBUTIONS = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)


@pytest.mark.parametrize("contributions", [None, CONTRIBUTIONS], ids=["mask", "mask and head"])
@pytest.mark.parametrize("noise", [None, NOISE])
def test_predictions_and_fidelity_are_the_textbooks(
    noise: float | None, contributions: NDArray[np.float32] | None
) -> None:
    activations = channels()
    true = scores(activations)
    surrogate = GaussianProcessSampler(activations, SIZE, 20, noise, SPEED_UP, contributions=contributions)
    runs = observed(surrogate, true, steps=4)
    assert len({run.exact for run in runs}) == 1
    textbook = Textbook(activations, runs, values(runs, true), contributions)
    expected = textbook.log_weights
    for run in runs:
        if run.exact:
            expected[run.channel] = true[run.channel]
    assert_allclose(surrogate.log_weights, expected, atol=2e-3)
    weights = np.exp(expected - expected.max())
    error = (1 + INFLATION_RUNS / len(runs)) * textbook.error(activations, weights)
    expected_fidelity = 1 / np.sqrt(1 + error)
    assert surrogate.fidelity == pytest.approx(expected_fidelity, abs=2e-3)
    assert 0 < expected_fidelity < 1


def test_int8_and_exact_runs_of_one_channel_are_combined() -> None:
    activations = channels(6)
    true = scores(activations)
    surrogate = GaussianProcessSampler(activations, SIZE, 20, NOISE, SPEED_UP)
    runs = observed(surrogate, true, steps=4)
    assert {run.exact for run in runs} == {True, False}
    textbook = Textbook(activations, runs, values(runs, true))
    exact = [run.channel for run in runs if run.exact]
    int8 = sorted({run.channel for run in runs} - set(exact))
    assert_allclose(surrogate.log_weights[int8], textbook.log_weights[int8], atol=5e-3)
    assert_array_equal(surrogate.log_weights[exact], true[exact])


def test_the_next_run_is_the_one_that_most_lowers_the_expected_error() -> None:
    activations = channels()
    true = scores(activations)
    surrogate = GaussianProcessSampler(activations, SIZE, 20)
    runs = observed(surrogate, true, steps=2)
    weights = np.exp(surrogate.log_weights - surrogate.log_weights.max())
    (chosen,) = surrogate.choose(1)
    measured = values(runs, true)
    left = {}
    for channel in sorted(set(range(12)) - {run.channel for run in runs}):
        after = Textbook(activations, [*runs, MaskedForward(channel, True)], np.append(measured, measured.mean()))
        after.scale = 1.0
        left[channel] = after.error(activations, weights)
    assert chosen == MaskedForward(min(left, key=left.__getitem__), True)


def test_a_run_counts_for_the_time_it_takes() -> None:
    activations = channels()
    kinds = {}
    for speed_up in (0.5, 1e9):
        surrogate = GaussianProcessSampler(activations, SIZE, 20, NOISE, speed_up)
        kinds[speed_up] = {run.exact for run in surrogate.choose(5)}
    assert kinds == {0.5: {True}, 1e9: {False}}


@pytest.mark.parametrize("noise", [None, NOISE, 1e-6])
def test_no_channel_is_run_twice_the_same_way_nor_in_int8_after_exactly(noise: float | None) -> None:
    activations = channels(9)
    surrogate = GaussianProcessSampler(activations, SIZE, 30, noise, SPEED_UP)
    runs = observed(surrogate, scores(activations), steps=12, chunk=4)
    assert len(set(runs)) == len(runs)
    for number, run in enumerate(runs):
        assert run.exact or MaskedForward(run.channel, True) not in runs[:number]
    assert surrogate.exhausted
    assert {run.channel for run in runs if run.exact} == set(range(9))
    assert surrogate.choose(4) == []


@pytest.mark.parametrize("noise", [None, NOISE])
def test_once_every_channel_was_run_exactly_nothing_is_predicted(noise: float | None) -> None:
    activations = channels(9)
    true = scores(activations)
    surrogate = GaussianProcessSampler(activations, SIZE, 30, noise, SPEED_UP)
    observed(surrogate, true, steps=12, chunk=4)
    assert_array_equal(surrogate.log_weights, true)
    assert surrogate.fidelity == 1


def test_measured_scores_are_kept_as_more_runs_follow() -> None:
    activations = channels(20)
    true = scores(activations)
    surrogate = GaussianProcessSampler(activations, SIZE, 20)
    runs: list[MaskedForward] = []
    for _ in range(4):
        runs += observed(surrogate, true, steps=1, chunk=5)
        measured = [run.channel for run in runs]
        assert_array_equal(surrogate.log_weights[measured], true[measured])


@given(
    arrays(np.float64, 10, elements=st.sampled_from([-1e4, -3.0, 0.0, 1.0, 1e4])),
    st.sampled_from([None, 1e-9, NOISE]),
)
def test_any_scores_give_finite_weights_and_a_fidelity(true: Matrix, noise: float | None) -> None:
    activations = channels(10)
    activations[3] = activations[7]  # two channels with one mask
    surrogate = GaussianProcessSampler(activations, SIZE, 20, noise, SPEED_UP)
    for _ in range(5):
        surrogate.observe(values(surrogate.choose(3), true))
        assert np.isfinite(surrogate.log_weights).all()
        assert surrogate.fidelity is None or 0 <= surrogate.fidelity <= 1


def test_constant_scores_are_predicted_exactly_after_enough_runs() -> None:
    surrogate = GaussianProcessSampler(channels(), SIZE, 20)
    observed(surrogate, np.full(12, 4.5), steps=1, chunk=MIN_RUNS_FOR_ESTIMATE - 1)
    assert surrogate.fidelity is None
    observed(surrogate, np.full(12, 4.5), steps=1, chunk=1)
    assert_allclose(surrogate.log_weights, np.full(12, 4.5), rtol=1e-14)
    assert surrogate.fidelity == 1


def test_the_exhaustive_sampler_runs_all_and_predicts_none() -> None:
    plain = ExhaustiveSampler(5)
    assert plain.choose(3) == [MaskedForward(0, True), MaskedForward(1, True), MaskedForward(2, True)]
    plain.observe(np.array([1.0, 2.0, 3.0]))
    assert_array_equal(plain.log_weights, [1, 2, 3, -np.inf, -np.inf])
    assert plain.fidelity is None
    assert plain.choose(2) == [MaskedForward(3, True), MaskedForward(4, True)]
    plain.observe(np.array([4.0, 5.0]))
    assert plain.exhausted
    assert plain.fidelity == 1


@pytest.mark.slow
def test_memory_stays_within_a_gigabyte_at_4096_channels() -> None:
    """NumPy reports its arrays to tracemalloc; the limit of runs is that of the fast Score-CAM."""
    activations = np.random.default_rng(0).uniform(0, 1, (4096, 12, 12)).astype(np.float32)
    tracemalloc.start()
    try:
        sampler = GaussianProcessSampler(activations, (224, 224), 320, noise=0.1, speed_up=2)
        for _ in range(3):
            sampler.observe(np.zeros(len(sampler.choose(8))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1e9
