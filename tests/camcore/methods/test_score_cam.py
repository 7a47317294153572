"""Score-CAM against a plain loop in torch, and its properties with any network."""

import weakref
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from camcore import DEFINITIONS, Explainer, ForwardPass, open_photo
from camcore.methods.definitions import DefinitionName, channel_weights, log_weights
from camcore.methods.effort import StoppingRule
from camcore.methods.heatmap import to_heatmap
from camcore.methods.score_cam import Int8Forward, alive_channels, masks, score_cam
from camcore.model.manifest import ONNX
from camcore.model.onnx import Scorer
from camcore.types import softmax
from export.trace import SplitClassifier
from tests.conftest import heatmap_by_torch

Array = NDArray[np.float32]
Forward = Callable[[Array], Array]

# The four definitions, independent of the code: (score, stretched before upsampling, corners aligned).
BY_HAND = {
    "paper": ("logit", False, False),
    "probability": ("probability", False, False),
    "pytorch-grad-cam": ("logit", False, True),
    "torchcam": ("logit", True, False),
}
SIZE = (32, 40)
EAGLE = 22


class Counting:
    """A forward that records the batch size of every call, and all logits."""

    def __init__(self, forward: Forward):
        self._forward = forward
        self.batches: list[int] = []
        self.logits: list[Array] = []

    def __call__(self, x: Array) -> Array:
        logits = self._forward(x)
        self.batches.append(len(x))
        self.logits.append(logits)
        return logits


class Small:
    """A small seeded network and its forward pass of noise: x, and activations (8, 8, 10), two of them constant."""

    def __init__(self, seed: int = 0):
        torch.manual_seed(seed)
        first, second = nn.Conv2d(3, 10, 3, 2, 1), nn.Conv2d(10, 8, 3, 2, 1)
        self.features = nn.Sequential(first, nn.ReLU(), second, nn.ReLU()).eval()
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()
        with torch.no_grad():
            self.head[2].weight.mul_(40)  # scores far apart, or softmax would give all channels one weight
        self.x = torch.randn(1, 3, *SIZE).numpy()
        self.activations = self.features(torch.from_numpy(self.x))[0].detach().numpy().copy()
        self.activations[2], self.activations[5] = 0, 0.1

    def forward(self, x: Array) -> Array:
        return self.eager(torch.from_numpy(x)).numpy()

    def eager(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.head(self.features(x))


def loop(
    x: Array, activations: Array, class_idx: int, model: Callable[[torch.Tensor], torch.Tensor], preset: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores (C,) and the map (h, w) of channels that all vary, in torch, from the definitions alone."""
    score, before, aligned = BY_HAND[preset]
    photo, masked = torch.from_numpy(x), []
    for activation in torch.from_numpy(activations).split(1):
        mask = stretched(activation[None]) if before else activation[None]
        mask = functional.interpolate(mask, photo.shape[2:], mode="bilinear", align_corners=aligned)
        mask = mask if before else stretched(mask)
        masked.append(photo * mask)
    with torch.no_grad():
        logits = torch.cat([model(torch.cat(masked[start : start + 4])) for start in range(0, len(masked), 4)]).double()
    values = logits[:, class_idx] if score == "logit" else logits.softmax(dim=1)[:, class_idx]
    weights = values.softmax(dim=0) if score == "logit" else values
    cam = (weights[:, None, None] * torch.from_numpy(activations).double()).sum(dim=0).relu()
    return values.numpy(), cam.numpy()


def stretched(maps: torch.Tensor) -> torch.Tensor:
    return (maps - maps.min()) / (maps.max() - maps.min())


def final(small: Small, preset: str = "paper", chunk: int = 8, class_idx: int = 3) -> Array:
    *_, last = score_cam(
        small.x, small.activations, class_idx, small.forward, definition=DEFINITIONS[preset], chunk=chunk
    )
    return last.cam


def row(*values: float) -> Array:
    return np.array([[values]], np.float32)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("preset", BY_HAND)
def test_every_definition_equals_the_loop_on_a_small_network(preset: str, seed: int) -> None:
    small = Small(seed)
    alive = small.activations[[0, 1, 3, 4, 6, 7]]
    _, expected = loop(small.x, alive, 3, small.eager, preset)
    cam = final(small, preset)
    assert_allclose(cam, expected, atol=1e-4 * expected.max())
    assert_allclose(to_heatmap(cam, SIZE)[0], heatmap_by_torch(expected, SIZE), atol=1e-4)


def test_the_definitions_differ_on_a_small_network() -> None:
    heatmaps = {preset: to_heatmap(final(Small(), preset), SIZE)[0] for preset in DEFINITIONS}
    assert list(heatmaps) == list(BY_HAND)
    for first, second in combinations(heatmaps.values(), 2):
        assert np.abs(first - second).max() > 1e-3


@pytest.fixture(scope="module")
def resnet50(seeded_resnet50: Path, imagenet_photos: list[Path]) -> tuple[ForwardPass, Scorer]:
    """Return the forward pass of a photo through the seeded ResNet-50, and that network's scorer."""
    explainer = Explainer.load(seeded_resnet50)
    return explainer.forward(open_photo(imagenet_photos[0])), Scorer(seeded_resnet50 / ONNX)


@pytest.mark.slow
@pytest.mark.parametrize("preset", BY_HAND)
def test_chosen_channels_of_resnet50_score_as_in_the_loop(
    preset: str, resnet50: tuple[ForwardPass, Scorer], eager_resnet50: SplitClassifier
) -> None:
    forward_pass, scorer = resnet50
    alive = np.random.default_rng(0).permutation(alive_channels(forward_pass.activations))[:12]
    class_idx = int(forward_pass.logits.argmax())
    expected, expected_cam = loop(
        forward_pass.x, forward_pass.activations[alive], class_idx, lambda x: eager_resnet50(x)[0], preset
    )
    forward = Counting(scorer.logits)
    chosen, definition = forward_pass.activations[alive], DEFINITIONS[preset]
    *_, last = score_cam(forward_pass.x, chosen, class_idx, forward, definition=definition)
    weights = np.empty(12)
    logarithms = log_weights(np.concatenate(forward.logits), class_idx, definition)
    weights[alive_channels(chosen)] = logarithms if BY_HAND[preset][0] == "logit" else np.exp(logarithms)
    assert np.ptp(expected) > 1e-2 * np.abs(expected).max(), "the scores must differ for this to show anything"
    assert_allclose(weights, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert_allclose(to_heatmap(last.cam, (224, 224))[0], heatmap_by_torch(expected_cam), atol=1e-4)


@pytest.mark.parametrize("preset", BY_HAND)
@pytest.mark.parametrize("chunk", [1, 2, 4, 5, 6, 1000])
def test_chunks_do_not_change_the_map(chunk: int, preset: str) -> None:
    assert_allclose(final(Small(), preset, chunk), final(Small(), preset, 3), rtol=1e-4, atol=1e-6)


def test_each_step_is_the_map_of_the_channels_run_so_far() -> None:
    small = Small()
    order = alive_channels(small.activations)
    steps = list(score_cam(small.x, small.activations, 3, small.forward, chunk=4))
    assert [(step.forwards, step.channels_alive) for step in steps] == [(4, 6), (6, 6)]
    for step in steps:
        _, expected = loop(small.x, small.activations[order[: step.forwards]], 3, small.eager, "paper")
        assert_allclose(step.cam, expected, atol=1e-4 * expected.max())


def test_dead_channels_are_never_run() -> None:
    small = Small()
    forward = Counting(small.forward)
    *_, last = score_cam(small.x, small.activations, 3, forward, chunk=4)
    assert forward.batches == [4, 2]
    assert (last.forwards, last.channels_alive) == (6, 6)


def test_dead_channels_contribute_nothing() -> None:
    with_dead, without = Small(), Small()
    with_dead.activations[5] = 1e6
    without.activations = without.activations[[0, 1, 3, 4, 6, 7]]
    assert_allclose(final(with_dead), final(without), rtol=1e-6)


def test_with_all_channels_dead_there_is_one_empty_map_and_no_forward() -> None:
    small = Small()
    forward = Counting(small.forward)
    dead = np.ones((4, 8, 10), np.float32) * np.array([0, 0.1, 3, 7e8], np.float32)[:, None, None]
    (only,) = score_cam(small.x, dead, 3, forward)
    assert (only.forwards, only.channels_alive, forward.batches) == (0, 0, [])
    assert_array_equal(only.cam, np.zeros((8, 10), np.float32))


def test_nothing_runs_before_the_first_map_is_requested_and_closing_stops_the_work() -> None:
    small = Small()
    forward = Counting(small.forward)
    steps = score_cam(small.x, small.activations, 3, forward, chunk=2)
    assert forward.batches == []
    next(steps)
    next(steps)
    steps.close()
    assert forward.batches == [2, 2]
    assert list(steps) == []


UNTIL_ALL_RUN = StoppingRule(limit=1000, target_fidelity=2.0)  # a fidelity that is never reached


def int8(small: Small, forward: Forward | None = None) -> Int8Forward:
    """Return a forward whose logits are a tenth too large."""
    return Int8Forward(forward or (lambda x: np.float32(1.1) * small.forward(x)), noise=0.01, speed_up=2.0)


@pytest.mark.parametrize("preset", BY_HAND)
@pytest.mark.parametrize("chunk", [1, 4, 8])
@pytest.mark.parametrize("with_int8", [False, True])
def test_an_estimate_from_every_channel_is_the_exhaustive_map(preset: str, chunk: int, with_int8: bool) -> None:
    small = Small()
    *_, last = score_cam(
        small.x,
        small.activations,
        3,
        small.forward,
        definition=DEFINITIONS[preset],
        rule=UNTIL_ALL_RUN,
        int8=int8(small) if with_int8 else None,
        chunk=chunk,
    )
    assert (last.fidelity, last.done, last.exact_forwards) == (1, True, 6)
    assert_allclose(last.cam, final(small, preset), rtol=1e-4, atol=1e-7)


def test_a_limit_is_kept_and_one_that_leaves_none_out_is_exhaustive() -> None:
    small = Small()
    for limit, expected in ((1, [1]), (4, [2, 2]), (5, [2, 2, 1]), (6, [2, 2, 2]), (99, [2, 2, 2])):
        forward = Counting(small.forward)
        steps = list(score_cam(small.x, small.activations, 3, forward, rule=StoppingRule(limit), chunk=2))
        assert forward.batches == expected
        assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
        assert steps[-1].fidelity == (1 if limit >= 6 else None)


def test_int8_forwards_are_run_where_they_are_more_informative_and_dead_channels_never() -> None:
    small = Small()
    exact, inexact = Counting(small.forward), Counting(small.forward)
    steps = list(
        score_cam(small.x, small.activations, 3, exact, rule=UNTIL_ALL_RUN, int8=int8(small, inexact), chunk=3)
    )
    assert steps[0].precision == "int8"
    assert steps[-1].precision == "int8+fp32"
    assert sum(exact.batches) == 6
    assert 1 <= sum(inexact.batches) <= 6
    assert steps[-1].forwards == sum(exact.batches) + sum(inexact.batches)
    assert {step.channels_alive for step in steps} == {6}


def test_the_same_input_gives_the_same_maps() -> None:
    def maps() -> list[Array]:
        small = Small()
        return [s.cam for s in score_cam(small.x, small.activations, 3, small.forward, rule=StoppingRule(5), chunk=2)]

    for first, second in zip(maps(), maps(), strict=True):
        assert_array_equal(first, second)


@pytest.mark.parametrize("preset", BY_HAND)
def test_a_class_whose_score_never_moves(preset: str) -> None:
    small = Small()

    def forward(x: Array) -> Array:
        return np.full((len(x), 5), 2.5, np.float32)

    definition = DEFINITIONS[preset]
    *_, last = score_cam(small.x, small.activations, 3, forward, definition=definition, rule=StoppingRule(3), chunk=2)
    *_, exhaustive = score_cam(small.x, small.activations, 3, forward, definition=definition)
    assert_allclose(last.cam, exhaustive.cam, rtol=1e-4)


def test_a_photo_with_one_live_channel() -> None:
    small = Small()
    small.activations[:-1] = 0
    for rule in (None, UNTIL_ALL_RUN, StoppingRule(1)):
        (only,) = score_cam(small.x, small.activations, 3, small.forward, rule=rule, chunk=8)
        assert (only.forwards, only.channels_alive, only.fidelity, only.done) == (1, 1, 1, True)
        assert_allclose(only.cam, small.activations[-1], rtol=1e-5)


def test_closing_stops_within_a_chunk_and_frees_the_memory() -> None:
    small = Small()
    forward = Counting(small.forward)
    batches, held = forward.batches, weakref.ref(forward)
    steps = score_cam(small.x, small.activations, 3, forward, rule=UNTIL_ALL_RUN, chunk=2)
    next(steps)
    del forward
    assert held() is not None
    steps.close()
    assert held() is None, "the generator holds no reference any more"
    assert batches == [2]


@pytest.mark.slow
@pytest.mark.parametrize(("photo", "definition"), [(0, "paper"), (14, "probability")])
def test_the_fast_map_of_lite0_resembles_the_exhaustive_one_as_estimated(
    definition: DefinitionName, photo: int, lite0: Explainer, imagenet_photos: list[Path]
) -> None:
    forward_pass = lite0.forward(open_photo(imagenet_photos[photo]))
    fast, exact = (
        lite0.explain(forward_pass, None, ["score-cam"], definition=definition, effort=effort)[0]
        for effort in ("fast", "exact")
    )
    assert fast.forwards is not None
    assert exact.forwards is not None
    assert fast.forwards <= 320 < exact.forwards
    correlation = np.corrcoef(fast.heatmap.ravel(), exact.heatmap.ravel())[0, 1]
    assert correlation >= 0.99
    assert fast.fidelity_estimate is not None
    assert fast.fidelity_estimate - correlation < 0.005
    assert (exact.precision, exact.fidelity_estimate) == ("fp32", 1)


def test_maps_already_yielded_stay_as_they_were() -> None:
    small = Small()
    steps = score_cam(small.x, small.activations, 3, small.forward, chunk=2)
    first = next(steps).cam
    kept = first.copy()
    list(steps)
    assert_array_equal(first, kept)


def test_the_input_and_the_activations_are_left_alone() -> None:
    small, untouched = Small(), Small()
    final(small, "torchcam")
    assert_array_equal(small.x, untouched.x)
    assert_array_equal(small.activations, untouched.activations)


@given(arrays(np.float32, (6, 2, 3), elements=st.sampled_from([0.0, 0.1, 1.0, 5.0])))
def test_alive_channels_are_those_that_vary_the_most_varied_first(activations: Array) -> None:
    order = alive_channels(activations)
    assert sorted(order) == [k for k, channel in enumerate(activations) if np.unique(channel).size > 1]
    spread = [activations[k].astype(np.float64).std() for k in order]
    assert spread == sorted(spread, reverse=True)


def test_masks_by_hand() -> None:
    """With (0, 1, 0) upsampled to six, the order of the two steps and the alignment both matter."""
    by_preset = {preset: masks(row(0, 2, 0), (1, 6), DEFINITIONS[preset])[0, 0] for preset in DEFINITIONS}
    after = [0, 1 / 3, 1, 1, 1 / 3, 0]
    assert_allclose(by_preset["paper"], after, atol=1e-6)
    assert_allclose(by_preset["probability"], after, atol=1e-6)
    assert_allclose(by_preset["pytorch-grad-cam"], [0, 0.5, 1, 1, 0.5, 0], atol=1e-6)
    assert_allclose(by_preset["torchcam"], [0, 0.25, 0.75, 0.75, 0.25, 0], atol=1e-6)


@pytest.mark.parametrize("preset", BY_HAND)
@given(base=st.sampled_from([0.1, 0.7, 1.0, 3.3, 6.0]), place=st.integers(0, 8), ulps=st.integers(1, 3))
def test_a_channel_that_varies_by_rounding_alone_still_has_a_finite_mask(
    preset: str, base: float, place: int, ulps: int
) -> None:
    activation = np.full((1, 3, 3), base, np.float32)
    for _ in range(ulps):
        activation.flat[place] = np.nextafter(activation.flat[place], np.float32(9))
    mask = masks(activation, (7, 8), DEFINITIONS[preset])
    assert np.isfinite(mask).all()
    assert 0 <= mask.min() <= mask.max() <= 1


def test_scores_and_weights_by_hand() -> None:
    logits = np.log(np.array([[1, 3], [1, 1], [6, 2]], np.float32))
    paper, probability = DEFINITIONS["paper"], DEFINITIONS["probability"]
    assert_allclose(log_weights(logits, 1, paper), np.log([3, 1, 2]), rtol=1e-6)
    assert_allclose(log_weights(logits, 1, probability), np.log([3 / 4, 1 / 2, 1 / 4]), rtol=1e-6)
    assert_allclose(channel_weights(np.log([3.0, 1, 2]), paper), [1 / 2, 1 / 6, 1 / 3])
    assert_allclose(channel_weights(np.log([0.75, 0.5, 0.25]), probability), [0.75, 0.5, 0.25])


@given(arrays(np.float64, st.integers(1, 9), elements=st.floats(-500, 500)), st.floats(-1000, 1000))
def test_a_baseline_never_changes_softmaxed_weights(channel_scores: NDArray[np.float64], baseline: float) -> None:
    for definition in DEFINITIONS.values():
        if definition.score == "logit":
            weights = channel_weights(channel_scores, definition)
            assert weights.sum() == pytest.approx(1)
            assert_allclose(channel_weights(channel_scores - baseline, definition), weights, rtol=1e-9, atol=1e-15)


def test_softmax_neither_overflows_nor_vanishes() -> None:
    assert_array_equal(softmax(np.array([[1e4, 1e4], [-1e4, -1e4]], np.float32)), [[0.5, 0.5], [0.5, 0.5]])
    assert_array_equal(softmax(np.array([-1e4, 1e4], np.float32)), [0, 1])
