"""Counterfactuals: the inputs, the rules, int8, and findings on photos on which what the network needs is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from camcore import Box, Explainer, Target
from camcore.images.preprocess import View, denormalise, make_view, normalise
from camcore.methods.score_cam import Int8Forward
from camcore.metrics.counterfactuals import (
    MASKED,
    ChangedInput,
    Counterfactuals,
    ask_again,
    change_inputs,
    class_holds,
    decide,
    rank_of,
)
from camcore.metrics.faithfulness import blurred
from camcore.model.manifest import Manifest, Preprocessing
from camcore.results import ForwardPass, Prediction
from camcore.types import Array
from tests.planted import STEPS, TRUTH, planted_explainer, planted_photos


def test_masked_inputs_show_the_target_or_the_rest() -> None:
    x = np.random.default_rng(0).normal(size=(1, 3, 20, 30)).astype(np.float32)
    coverage = np.zeros((20, 30))
    coverage[5:15, 10:20], coverage[4, 10:20] = 1, 0.25
    whole = np.ones((3, 20, 30), np.float32)
    inputs = change_inputs(x, coverage, {"whole": whole})
    assert [(changed.part, changed.filling) for changed in inputs] == [*MASKED, ("whole", None)]
    only_zero, only_blurred, without_zero, without_blurred, other = (changed.x for changed in inputs)
    hidden, seen, edge = coverage == 0, coverage == 1, coverage == 0.25
    assert_array_equal(only_zero[:, seen], x[0][:, seen])
    assert_array_equal(only_zero[:, hidden], 0)
    assert_array_equal(without_zero[:, seen], 0)
    assert_array_equal(without_zero[:, hidden], x[0][:, hidden])
    blur = blurred(x[0], 2.0)  # a tenth of the shorter side
    assert_allclose(only_blurred[:, hidden], blur[:, hidden])
    assert_allclose(without_blurred[:, seen], blur[:, seen])
    assert_allclose(without_blurred[:, edge], (0.75 * x[0] + 0.25 * blur)[:, edge], atol=1e-6)
    assert_array_equal(other, whole)


@pytest.mark.parametrize(
    ("holds", "share", "finding"),
    [
        ([1, 1, 0, 0], 0.05, "needs the target"),
        ([0, 0, 1, 1], 0.05, "relies on the background"),
        ([1, 1, 1, 1], 0.5, "either suffices"),
        ([0, 0, 0, 0], 0.2, "needs both"),
        ([0, 0, 0, 0], 0.19, "not decided"),
        ([1, 0, 0, 0], 0.5, "not decided"),
        ([1, 1, 0, 1], 0.5, "not decided"),
        ([0, 0, 0, 0, 1, 1], 0.5, "needs both"),
    ],
)
def test_a_finding_needs_both_fillings(holds: list[int], share: float, finding: str) -> None:
    assert decide([bool(value) for value in holds], share) == finding


def test_a_class_holds_if_it_ranks_as_high() -> None:
    before = np.array([3.0, 2.0, 1.0], np.float32)
    after = np.array([[3, 2, 1], [1, 2, 3], [2, 3, 1], [3, 1, 2]], np.float32)
    assert class_holds(before, after, 0, False) == [True, False, False, True]
    assert class_holds(before, after, 1, False) == [True, True, True, False]
    assert class_holds(before, np.array([[3, 3, 1]], np.float32), 0, False) == [False], "an equal logit counts"
    assert class_holds(before, after, 0, False, shift=1.5) == [True, False, True, True]
    assert [rank_of(row, 0) for row in after] == [1, 3, 2, 1]
    labels = np.array([[-0.1, 5.0, 0.1]], np.float32)
    assert [class_holds(before, labels, idx, True)[0] for idx in range(3)] == [False, True, True]
    assert class_holds(before, labels, 0, True, shift=0.2) == [True]


def forward_pass(logits: Array) -> ForwardPass:
    view = View(Image.new("RGB", (8, 8)), (0, 0, 8, 8), (8, 8))
    return ForwardPass(np.zeros((1, 3, 8, 8), np.float32), view, logits, np.zeros((1, 1, 1), np.float32), 0.0)


def test_what_int8_cannot_decide_is_run_again(tiny_manifest: Manifest) -> None:
    exact = np.array([[3, 0, 0, 0], [1.9, 2, 0, 0], [0, 3, 0, 0], [0.2, 0.1, 0, 0]], np.float32)
    inputs = [
        ChangedInput(part, filling, np.full((3, 8, 8), number, np.float32))
        for number, (part, filling) in enumerate([*MASKED[:3], ("zoom", None)])
    ]
    exact_runs: list[int] = []

    def forward(x: Array) -> Array:
        numbers = x[:, 0, 0, 0].astype(int)
        exact_runs.extend(numbers.tolist())
        return exact[numbers]

    def inexact(x: Array) -> Array:
        return exact + np.array([0.15, 0, 0, 0], np.float32)  # by which the second and the last could be wrong

    photo = forward_pass(np.array([3, 2, 1, 0], np.float32))
    answers = ask_again(photo, 0, inputs, manifest=tiny_manifest, forward=forward, int8=Int8Forward(inexact, 0.01, 3))
    assert exact_runs == [1, 3]
    assert [answer.holds for answer in answers] == [True, False, False, True]
    assert [answer.rank for answer in answers] == [1, 2, 2, 1]
    assert [answer.first_choice.name for answer in answers] == ["eagle", "kite", "kite", "eagle"]
    exactly = ask_again(photo, 0, inputs, manifest=tiny_manifest, forward=forward)
    assert [answer.holds for answer in exactly] == [answer.holds for answer in answers]
    assert exactly[1].probability == answers[1].probability


def test_the_log_ratio_is_a_mean_over_fillings(tiny_manifest: Manifest) -> None:
    logits = np.log(np.array([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.2, 0.8]], np.float32))
    inputs = [ChangedInput(part, filling, np.zeros((3, 8, 8), np.float32)) for part, filling in MASKED]
    photo = forward_pass(np.array([1, 0], np.float32))
    answers = ask_again(photo, 0, inputs, manifest=tiny_manifest, forward=lambda _: logits)
    asked = Counterfactuals(Prediction(0, "eagle", 0.7), True, "target", 0.3, answers, "not decided")
    expected = (np.log(0.8) + np.log(0.4) - np.log(0.1) - np.log(0.2)) / 2
    assert asked.log_ratio == pytest.approx(expected, rel=1e-5)
    assert not asked.small_target


@pytest.fixture
def tiny_manifest(quick_artifacts: Path) -> Manifest:
    """A manifest whose first classes are birds."""
    manifest = Explainer.load(quick_artifacts / "finches").manifest
    return replace(manifest, labels=("eagle", "kite", "owl", "wren"))


def test_an_input_is_shown_as_the_picture_it_is_made_of() -> None:
    steps = Preprocessing(20, (20, 20), "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    view = make_view(Image.fromarray(noise), steps)
    assert_array_equal(denormalise(normalise(view, steps)[0], steps), np.asarray(view.image))
    assert_array_equal(denormalise(np.full((3, 2, 2), 99, np.float32), steps), 255)


def test_the_zoom_is_the_box_with_a_margin() -> None:
    photo = Image.new("RGB", (100, 100), "blue")
    photo.paste("red", (40, 40, 60, 60))
    view = make_view(photo, STEPS, "squash", Box(0.4, 0.4, 0.6, 0.6))
    assert view.box == (0, 0, 100, 100)
    assert view.zoom is not None
    pixels = np.asarray(view.zoom)
    assert pixels.shape == (96, 96, 3)
    assert (pixels[10:-10, 10:-10] == (255, 0, 0)).all()
    assert pixels[0, 48, 2] > 200  # the margin, a tenth on each side
    assert Box(0.0, 0.5, 0.5, 1.0).grown(0.1) == pytest.approx((0, 0.45, 0.55, 1))
    assert make_view(photo, STEPS).zoom is None


@pytest.fixture(scope="module")
def animal_network(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return planted_explainer("animal", tmp_path_factory.mktemp("animal"))


def test_what_is_asked_depends_on_the_marker_and_the_view(animal_network: Explainer, animal_photos: list[Path]) -> None:
    (planted,) = planted_photos("animal", 1, animal_photos)
    photo = animal_network.forward(planted.image, box=planted.box)
    target = Target.of_boxes([planted.box])
    asked = animal_network.counterfactuals(photo, target)
    assert asked is not None
    assert (asked.finding, asked.marked_by) == ("needs the target", "target")
    assert asked.share == pytest.approx(planted.box.area, abs=0.01)
    assert [answer.part for answer in asked.answers] == [*(part for part, _ in MASKED), "zoom"]
    mask = np.zeros((96, 96))
    left, top, right, bottom = (round(96 * edge) for edge in planted.box)
    mask[top:bottom, left:right] = 1
    by_mask = animal_network.counterfactuals(animal_network.forward(planted.image), Target.of_mask(mask))
    assert by_mask is not None
    assert (by_mask.finding, len(by_mask.answers)) == ("needs the target", 4)
    (score_cam,) = animal_network.explain(photo, methods=["score-cam"])
    by_map = animal_network.counterfactuals(photo, heatmap=score_cam.heatmap)
    assert by_map is not None
    assert by_map.marked_by == "hottest fifth"
    assert 0 < by_map.share <= 0.25
    assert animal_network.counterfactuals(photo) is None
    assert animal_network.counterfactuals(photo, heatmap=np.zeros((96, 96), np.float32)) is None
    assert animal_network.counterfactuals(photo, Target.of_boxes([Box(0, 0, 1, 1)])) is None
    wide = Image.new("RGB", (192, 96))
    wide.paste(planted.image, (48, 0))
    crop = animal_network.forward(wide)
    at_crop = animal_network.counterfactuals(crop, Target.of_boxes([Box(0.3, 0.3, 0.6, 0.6)]))
    assert at_crop is not None
    assert at_crop.answers[-1].part == "whole"


@pytest.mark.slow
def test_the_finding_is_right_on_generated_photos(
    animal_network: Explainer, animal_photos: list[Path], imagenet_photos: list[Path], tmp_path: Path
) -> None:
    """The rates that `python -m tests.bench needs` prints, of 50 photos for each of four networks."""
    pieces = [*animal_photos, *imagenet_photos[:6]]
    decided = right = total = 0
    for evidence, truth in TRUTH.items():
        explainer = animal_network if evidence == "animal" else planted_explainer(evidence, tmp_path)
        for planted in planted_photos(evidence, 50, pieces):
            photo = explainer.forward(planted.image, box=planted.box)
            assert int(photo.logits.argmax()) == 0, (evidence, "the planted evidence is not found")
            asked = explainer.counterfactuals(photo, Target.of_boxes([planted.box]))
            assert asked is not None
            total += 1
            decided += asked.finding != "not decided"
            right += asked.finding == truth
    assert total == 200
    assert decided >= 0.8 * total
    assert right >= 0.95 * decided
