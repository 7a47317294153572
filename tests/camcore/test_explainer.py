"""The facade: what it yields, in which order, and its results for photos without evidence."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image

from camcore import ClassError, Explainer, Explanation, ForwardPass, Prediction, open_photo
from camcore.methods.effort import StoppingRule
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, Method, MethodName
from camcore.methods.score_cam import score_cam
from camcore.options import ExplainOptions
from camcore.types import Array

EAGLE = 22
SCORE_CAM_ONLY = (
    "definition", "forwards", "channels", "channels_alive", "effort", "precision", "fidelity_estimate",
)  # fmt: skip


@pytest.fixture(scope="module")
def photo(imagenet_photos: list[Path]) -> Image.Image:
    """Return the photo of a bald eagle."""
    return open_photo(imagenet_photos[17])


@pytest.fixture(scope="module")
def forward_pass(stand_in: Explainer, photo: Image.Image) -> ForwardPass:
    return stand_in.forward(photo)


@pytest.fixture(scope="module")
def streamed(stand_in: Explainer, forward_pass: ForwardPass) -> list[Explanation]:
    """Return everything that one run of all methods yields."""
    return list(stand_in.stream(forward_pass, ExplainOptions(effort="exact"), chunk=50))


def same(first: Explanation, second: Explanation) -> bool:
    """Return whether two explanations differ only in their times."""
    names = [name for name in vars(first) if name not in ("heatmap", "cam", "seconds")]
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("heatmap", "cam")) and all(
        getattr(first, name) == getattr(second, name) for name in names
    )


def first_of(steps: Iterator[Explanation], number: int) -> list[Explanation]:
    """Return the first explanations, and close the generator."""
    explanations = [next(steps) for _ in range(number)]
    steps.close()  # type: ignore[attr-defined]
    return explanations


def test_lite0_predicts_the_labels_of_foolboxs_imagenet_photos(lite0: Explainer, imagenet_photos: list[Path]) -> None:
    assert len(imagenet_photos) == 20
    named = {path.name: lite0.predict(open_photo(path), top=1)[0].class_idx for path in imagenet_photos}
    right = [name for name, class_idx in named.items() if name.endswith(f"_{class_idx}.jpg")]
    assert len(right) >= 17


def test_predictions_are_the_softmax_of_the_logits_in_order(stand_in: Explainer, forward_pass: ForwardPass) -> None:
    probabilities = torch.from_numpy(forward_pass.logits).double().softmax(dim=0).numpy()
    predictions = stand_in.predict(forward_pass, top=1000)
    assert [p.class_idx for p in predictions] == np.argsort(-probabilities, kind="stable").tolist()
    assert [p.probability for p in predictions] == pytest.approx(sorted(probabilities, reverse=True), rel=1e-9)
    assert stand_in.predict(forward_pass) == predictions[:5]
    assert predictions[0] == Prediction(EAGLE, "bald eagle", pytest.approx(probabilities[EAGLE]))


def test_a_forward_pass_holds_one_photo(stand_in: Explainer, forward_pass: ForwardPass, photo: Image.Image) -> None:
    assert [a.shape for a in (forward_pass.x, forward_pass.logits, forward_pass.activations)] == [
        (1, 3, 224, 224),
        (1000,),
        (1024, 7, 7),
    ]
    assert all(a.dtype == np.float32 for a in (forward_pass.x, forward_pass.logits, forward_pass.activations))
    assert forward_pass.probabilities.sum() == pytest.approx(1)
    assert forward_pass.view.image.size == (224, 224)
    assert forward_pass.seconds > 0
    assert not np.array_equal(stand_in.forward(photo, "squash").x, forward_pass.x)


def test_the_stream_gives_the_gradient_methods_first_and_then_a_growing_score_cam(
    stand_in: Explainer, streamed: list[Explanation]
) -> None:
    assert [e.method for e in streamed[:3]] == ["grad-cam", "grad-cam++", "score-cam"]
    assert {e.method for e in streamed[3:]} == {"score-cam"}
    alive = streamed[-1].channels_alive
    assert alive is not None
    assert [e.forwards for e in streamed[2:]] == [*range(50, alive, 50), alive]
    assert [e.complete for e in streamed] == [True, True, *[False] * (len(streamed) - 3), True]
    assert {e.channels for e in streamed[2:]} == {stand_in.manifest.layer.channels}
    assert 0 < alive < stand_in.manifest.layer.channels


def test_each_explanation_names_its_class_method_and_definition(
    forward_pass: ForwardPass, streamed: list[Explanation]
) -> None:
    for e in streamed:
        assert (e.class_idx, e.name) == (EAGLE, "bald eagle")
        assert e.probability == forward_pass.probabilities[EAGLE]
        assert e.heatmap.shape == (224, 224)
        assert e.heatmap.dtype == np.float32
        assert (e.heatmap.min(), e.heatmap.max()) == (0, 1)
        assert e.peak > 0
        assert e.shows_a_place
        assert e.definition == ("paper" if e.method == "score-cam" else None)
    assert all(getattr(e, name) is None for e in streamed[:2] for name in SCORE_CAM_ONLY)


def test_the_three_methods_give_three_maps(streamed: list[Explanation]) -> None:
    grad_cam, grad_cam_pp, *_, score_cam = (e.heatmap for e in streamed)
    for first, second in ((grad_cam, grad_cam_pp), (grad_cam, score_cam), (grad_cam_pp, score_cam)):
        assert np.abs(first - second).max() > 1e-2


@pytest.mark.slow
def test_explain_returns_the_last_map_of_each_method_in_the_requested_order(
    stand_in: Explainer, forward_pass: ForwardPass, streamed: list[Explanation]
) -> None:
    methods: tuple[MethodName, ...] = ("score-cam", "grad-cam++", "grad-cam")
    explanations = stand_in.explain(forward_pass, methods=methods, effort="exact")
    assert tuple(e.method for e in explanations) == methods
    assert same(explanations[1], streamed[1])
    assert same(explanations[2], streamed[0])
    # Chunks of another size may round the last bits otherwise.
    assert np.abs(explanations[0].heatmap - streamed[-1].heatmap).max() < 1e-5
    assert explanations[0].forwards == streamed[-1].forwards


def test_only_the_requested_methods_are_run(stand_in: Explainer, forward_pass: ForwardPass) -> None:
    assert [e.method for e in stand_in.stream(forward_pass, methods=["grad-cam++"])] == ["grad-cam++"]
    assert stand_in.explain(forward_pass, methods=[]) == []
    assert [e.method for e in first_of(stand_in.stream(forward_pass, methods=["score-cam"]), 1)] == ["score-cam"]


def test_a_new_gradient_method_needs_only_an_entry_in_the_table(
    stand_in: Explainer, forward_pass: ForwardPass, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(activations: Array, gradients: Array) -> Array:
        return np.maximum(np.maximum(gradients, 0) * activations, 0).sum(axis=0)

    monkeypatch.setitem(METHODS, "own", Method("Own", "own", "Made up.", ("activations", "gradients"), own))  # type: ignore[misc]
    (explanation,) = stand_in.explain(forward_pass, EAGLE, ["own"])  # type: ignore[list-item]
    assert (explanation.method, explanation.name, explanation.complete) == ("own", "bald eagle", True)
    assert explanation.shows_a_place


def test_a_photo_and_its_forward_pass_are_explained_alike(
    stand_in: Explainer, photo: Image.Image, forward_pass: ForwardPass
) -> None:
    for method in ("grad-cam", "grad-cam++"):
        assert same(stand_in.explain(photo, methods=[method])[0], stand_in.explain(forward_pass, methods=[method])[0])
    assert same(*(first_of(stand_in.stream(source, methods=["score-cam"]), 1)[0] for source in (photo, forward_pass)))
    assert stand_in.predict(photo) == stand_in.predict(forward_pass)


def test_the_same_photo_gives_the_same_maps(stand_in: Explainer, photo: Image.Image) -> None:
    first, second = (first_of(stand_in.stream(photo), 5) for _ in range(2))
    assert all(same(a, b) for a, b in zip(first, second, strict=True))


def test_another_class_gives_another_map(stand_in: Explainer, forward_pass: ForwardPass) -> None:
    (eagle,), (kite,) = (stand_in.explain(forward_pass, class_idx, ["grad-cam"]) for class_idx in (EAGLE, 21))
    assert (kite.class_idx, kite.name, kite.probability) == (21, "kite", forward_pass.probabilities[21])
    assert np.abs(eagle.heatmap - kite.heatmap).max() > 1e-2


def test_another_resize_mode_is_explained_as_its_own_forward_pass(stand_in: Explainer, photo: Image.Image) -> None:
    wide = photo.crop((0, 100, 512, 300))
    (squashed,) = stand_in.explain(wide, EAGLE, ["grad-cam"], resize_mode="squash")
    assert same(squashed, stand_in.explain(stand_in.forward(wide, "squash"), EAGLE, ["grad-cam"])[0])
    assert not same(squashed, stand_in.explain(wide, EAGLE, ["grad-cam"])[0])


@pytest.mark.parametrize("class_idx", [-1, 1000])
def test_a_class_out_of_range_is_refused(stand_in: Explainer, forward_pass: ForwardPass, class_idx: int) -> None:
    with pytest.raises(ClassError, match=rf"class {class_idx} is out of range: this model has classes 0 to 999"):
        stand_in.explain(forward_pass, class_idx)
    with pytest.raises(ClassError):
        next(stand_in.stream(forward_pass, ExplainOptions(class_idx), ["score-cam"]))


def test_a_stream_can_be_closed_and_the_explainer_used_again(stand_in: Explainer, forward_pass: ForwardPass) -> None:
    before = first_of(stand_in.stream(forward_pass, methods=["score-cam"], chunk=3), 2)
    assert [e.forwards for e in before] == [3, 6]
    assert not before[1].complete
    again = first_of(stand_in.stream(forward_pass, methods=["score-cam"], chunk=3), 2)
    assert all(same(a, b) for a, b in zip(before, again, strict=True))


def test_two_maps_can_grow_in_turns(stand_in: Explainer, forward_pass: ForwardPass) -> None:
    alone = {
        class_idx: first_of(stand_in.stream(forward_pass, ExplainOptions(class_idx), ["score-cam"]), 3)[-1]
        for class_idx in (EAGLE, 21)
    }
    growing = {
        class_idx: stand_in.stream(forward_pass, ExplainOptions(class_idx), ["score-cam"]) for class_idx in alone
    }
    for _ in range(3):
        together = {class_idx: next(steps) for class_idx, steps in growing.items()}
    assert all(same(together[class_idx], alone[class_idx]) for class_idx in alone)


def test_the_definition_changes_the_map_and_is_named(stand_in: Explainer, forward_pass: ForwardPass) -> None:
    paper, other = (
        first_of(stand_in.stream(forward_pass, ExplainOptions(definition=d), ["score-cam"]), 1)[0]
        for d in ("paper", "torchcam")
    )
    assert (paper.definition, other.definition) == ("paper", "torchcam")
    assert not np.array_equal(paper.heatmap, other.heatmap)


def test_channels_that_are_not_run_are_predicted_from_the_gradients_too(
    stand_in: Explainer, forward_pass: ForwardPass
) -> None:
    activations = forward_pass.activations
    contributions = (stand_in._model.gradients(activations, {EAGLE: 1.0}) * activations).sum(axis=0)
    (explanation,) = stand_in.explain(forward_pass, EAGLE, ("score-cam",), effort=24)
    maps = {}
    for name, values in {"mask": None, "mask and head": contributions}.items():
        *_, step = score_cam(
            forward_pass.x, activations, EAGLE, stand_in._logits,
            rule=StoppingRule(24), contributions=values, int8=stand_in._int8,
        )  # fmt: skip
        maps[name] = step.cam
    assert explanation.cam is not None
    assert_array_equal(explanation.cam, maps["mask and head"])
    assert not np.array_equal(explanation.cam, maps["mask"])


def test_shares_of_time_are_positive_and_no_more_than_the_time_spent(stand_in: Explainer, photo: Image.Image) -> None:
    start = time.perf_counter()
    latest = {}
    for explanation in first_of(stand_in.stream(photo), 4):
        latest[explanation.method] = explanation.seconds
        time.sleep(0.2)  # the time that the caller spends is not the map's
    spent = time.perf_counter() - start
    assert set(latest) == set(DEFAULT_METHODS)
    assert all(share > 0 for share in latest.values())
    assert sum(latest.values()) <= spent - 0.8


def test_the_shares_hold_the_forward_pass_once(stand_in: Explainer, forward_pass: ForwardPass) -> None:
    slow = ForwardPass(forward_pass.x, forward_pass.view, forward_pass.logits, forward_pass.activations, seconds=300)
    shares = [e.seconds for e in stand_in.explain(slow, methods=["grad-cam", "grad-cam++"])]
    assert shares == pytest.approx([150, 150], abs=5)
    assert [e.seconds for e in stand_in.explain(slow, methods=["grad-cam"])] == pytest.approx([300], abs=5)


def test_score_cams_time_grows(streamed: list[Explanation]) -> None:
    times = [e.seconds for e in streamed[2:]]
    assert times == sorted(set(times))


def test_no_positive_evidence_is_a_heatmap_of_zeros_without_a_peak(
    lite0: Explainer, photo: Image.Image, lite0_weights: dict[str, torch.Tensor]
) -> None:
    forward_pass = lite0.forward(photo)
    weight = lite0_weights["_fc.weight"].double().numpy()
    evidence = np.einsum("ck,kij->cij", weight, forward_pass.activations.astype(np.float64))
    without = np.flatnonzero(evidence.max(axis=(1, 2)) < -1e-3)
    assert without.size, "some class must have none for this to show anything"
    (explanation,) = lite0.explain(forward_pass, int(without[0]), ["grad-cam"])
    assert_array_equal(explanation.heatmap, np.zeros((224, 224), np.float32))
    assert explanation.peak == 0
    assert not explanation.shows_a_place
    assert explanation.complete


@pytest.mark.parametrize("colour", [(0, 0, 0), (127, 127, 127), (255, 30, 200)])
def test_a_photo_of_one_colour_is_explained_without_nan(stand_in: Explainer, colour: tuple[int, int, int]) -> None:
    explanations = stand_in.explain(Image.new("RGB", (300, 200), colour))
    assert [e.complete for e in explanations] == [True, True, True]
    for e in explanations:
        assert np.isfinite(e.heatmap).all()
        assert (e.heatmap.min(), e.heatmap.max()) == ((0, 1) if e.shows_a_place else (0, 0))
        assert e.peak >= 0


def test_channels_that_are_all_dead_are_one_finished_empty_map(stand_in: Explainer, forward_pass: ForwardPass) -> None:
    dead = ForwardPass(
        forward_pass.x,
        forward_pass.view,
        forward_pass.logits,
        np.zeros_like(forward_pass.activations),
        forward_pass.seconds,
    )
    (only,) = stand_in.stream(dead, methods=["score-cam"])
    assert (only.forwards, only.channels_alive, only.channels, only.peak) == (0, 0, stand_in.manifest.layer.channels, 0)
    assert only.complete
    assert not only.shows_a_place
