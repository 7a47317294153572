"""Grad-CAM and Grad-CAM++ against sums by hand, closed forms, and the formula of the paper."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from camcore import Explainer, ForwardPass, open_photo
from camcore.images.preprocess import preprocess
from camcore.methods.grad_cam import grad_cam, grad_cam_pp, weighted_map
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MethodName
from camcore.model.manifest import TORCHSCRIPT
from camcore.model.torchscript import TracedModel
from export.models import find_source
from export.trace import SplitClassifier, to_torchscript
from tests.conftest import heatmap_by_torch, split_at, untrained

EAGLE, SPOONBILL = 17, 14  # indices of foolbox's photos
DIAGONAL = [[1, 0, 0], [0, 2, 0], [0, 0, 3]]
CROSS = [[1, 4, 0], [4, 0, 4], [0, 4, 0]]

non_negative = arrays(np.float32, (3, 4, 5), elements=st.floats(0, 100, width=32))
gradients_of_any_sign = arrays(np.float32, (3, 4, 5), elements=st.floats(-1, 1, width=32))


@dataclass(frozen=True)
class LinearHead:
    """The forward pass of a network that ends in average pooling and one linear layer, and that layer's float64 row."""

    explainer: Explainer
    model: TracedModel
    forward_pass: ForwardPass
    activations: NDArray[np.float64]
    row: NDArray[np.float64]
    class_idx: int


@pytest.fixture(
    scope="module",
    params=["lite0, its class", "lite0, another class", pytest.param("resnet50", marks=pytest.mark.slow)],
)
def linear(request: pytest.FixtureRequest, imagenet_photos: list[Path]) -> LinearHead:
    name, _, which = request.param.partition(", ")
    directory = request.getfixturevalue("artifacts") / "efficientnet_lite0"
    if name == "resnet50":
        directory = request.getfixturevalue("seeded_resnet50")
        weight = torch.load(request.getfixturevalue("resnet50_checkpoint"))["fc.weight"]
    else:
        weight = request.getfixturevalue("lite0_weights")["_fc.weight"]
    explainer = Explainer.load(directory)
    forward_pass = explainer.forward(open_photo(imagenet_photos[EAGLE]))
    class_idx = 129 if which == "another class" else int(forward_pass.logits.argmax())
    with torch.no_grad():
        activations = request.getfixturevalue(f"eager_{name}").features(torch.from_numpy(forward_pass.x))[0]
    row = weight[class_idx].double().numpy()
    model = TracedModel(directory / TORCHSCRIPT)
    return LinearHead(explainer, model, forward_pass, activations.double().numpy(), row, class_idx)


@pytest.fixture(scope="module", params=["resnet18 layer3", "resnet18 layer2"])
def earlier_layer(
    request: pytest.FixtureRequest, imagenet_photos: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[SplitClassifier, TracedModel, NDArray[np.float32]]:
    """Return a seeded ResNet-18 split before its last layer, eager and traced, and the activations of a photo."""
    name, layer = request.param.split()
    torch.manual_seed(1)
    split = split_at(untrained(name), layer)
    path = tmp_path_factory.mktemp("earlier") / TORCHSCRIPT
    to_torchscript(split, (224, 224), path)
    x, _ = preprocess(open_photo(imagenet_photos[SPOONBILL]), find_source(name).preprocessing)
    model = TracedModel(path)
    return split, model, model.forward(x)[1][0]


def array(*maps: list[list[float]]) -> NDArray[np.float32]:
    return np.array(maps, np.float32)


def paper_grad_cam_pp(
    activations: NDArray[np.float32], gradients: NDArray[np.float32], logit: float
) -> NDArray[np.float64]:
    """Compute equations 10 to 19 of the paper in float64, with its Y = exp(logit), without any simplification."""
    a, g, score = activations.astype(np.float64), gradients.astype(np.float64), np.exp(logit)
    first, second, third = score * g, score * g**2, score * g**3
    denominator = 2 * second + a.sum(axis=(1, 2), keepdims=True) * third
    alpha = np.divide(second, denominator, out=np.zeros_like(second), where=denominator != 0)
    weights = (alpha * np.maximum(first, 0)).sum(axis=(1, 2))
    return np.maximum(np.einsum("k,kij->ij", weights, a), 0)


def test_grad_cam_by_hand() -> None:
    corner = [[9, 0, 0], [0, 0, 0], [0, 0, 0]]  # mean 1
    against = np.full((3, 3), -0.5)
    cam = grad_cam(array(DIAGONAL, CROSS), array(corner, against.tolist()))
    assert_array_equal(cam, array([[0.5, 0, 0], [0, 2, 0], [0, 0, 3]])[0])


def test_grad_cam_pp_by_hand() -> None:
    """The sums of the channels are 6, 17 and 0; only positive gradients count."""
    first = [[1, 0, 0], [0, 2, 0], [0, 0, -3]]  # 1 / (2 + 6) + 2 / (2 + 12) = 15/56
    second = [[0, 0, 0], [0, -1, 0], [1, 0, 0]]  # 1 / (2 + 17) = 1/19
    dead = [[5.0] * 3] * 3
    cam = grad_cam_pp(array(DIAGONAL, CROSS, [[0] * 3] * 3), array(first, second, dead))
    assert_allclose(cam, 15 / 56 * np.array(DIAGONAL) + 1 / 19 * np.array(CROSS), rtol=1e-6)


def test_grad_cam_pp_of_signed_activations_by_hand() -> None:
    """Only activations above zero are summed: 4 of a channel whose sum is -2, where 2 + S g would be 0 for g = 1."""
    signed = [[4, 0, -6], [0, 0, 0], [0, 0, 0]]
    cam = grad_cam_pp(array(signed), array([[1, 0, 0], [0, 0, 0], [0, 0, 0]]))  # weight 1 / (2 + 4)
    assert_allclose(cam, [[4 / 6, 0, 0], [0, 0, 0], [0, 0, 0]], rtol=1e-6)


def test_weighted_map_by_hand() -> None:
    cam = weighted_map(np.array([2.0, -1.0]), array(DIAGONAL, CROSS))
    assert_array_equal(cam, array([[1, 0, 0], [0, 4, 0], [0, 0, 6]])[0])
    assert cam.dtype == np.float32


@given(non_negative, st.floats(0.001, 100))
def test_evidence_that_cancels_leaves_nothing(activations: NDArray[np.float32], weight: float) -> None:
    twice = np.concatenate([activations, activations])
    assert not weighted_map(np.array([weight] * 3 + [-weight] * 3), twice).any()


@given(non_negative, gradients_of_any_sign)
def test_no_positive_gradient_leaves_nothing(activations: NDArray[np.float32], gradients: NDArray[np.float32]) -> None:
    assert not grad_cam(activations, -np.abs(gradients)).any()
    assert not grad_cam_pp(activations, -np.abs(gradients)).any()


@given(non_negative, gradients_of_any_sign, st.permutations(range(3)))
def test_the_order_of_channels_does_not_matter(
    activations: NDArray[np.float32], gradients: NDArray[np.float32], order: list[int]
) -> None:
    for method in (grad_cam, grad_cam_pp):
        shuffled = method(activations[order], gradients[order])
        assert_allclose(shuffled, method(activations, gradients), rtol=1e-5, atol=1e-5)


@given(non_negative, gradients_of_any_sign)
def test_grad_cam_pp_is_the_papers_fraction(activations: NDArray[np.float32], gradients: NDArray[np.float32]) -> None:
    # Below this the paper's g**3 underflows in float64; the code's form does not.
    gradients[np.abs(gradients) < 1e-30] = 0
    expected = paper_grad_cam_pp(activations, gradients, 0.0)
    assert_allclose(grad_cam_pp(activations, gradients), expected, rtol=1e-5, atol=1e-30)


def test_grad_cam_pp_keeps_gradients_whose_cube_underflows() -> None:
    tiny = np.full((1, 2, 2), 1e-30, np.float32)
    cam = grad_cam_pp(np.array([[[1, 2], [3, 4]]], np.float32), tiny)
    assert_allclose(cam, 2e-30 * np.array([[1, 2], [3, 4]]), rtol=1e-5)


def test_the_gradients_of_a_linear_head_are_its_weights_over_the_area(linear: LinearHead) -> None:
    gradients = linear.model.gradients(linear.forward_pass.activations, {linear.class_idx: 1})
    _, height, width = gradients.shape
    expected = np.broadcast_to(linear.row[:, None, None] / (height * width), gradients.shape)
    assert_allclose(gradients, expected, rtol=1e-5, atol=0)


def test_grad_cam_of_a_linear_head_is_classic_cam(linear: LinearHead) -> None:
    _, height, width = linear.activations.shape
    classic = np.maximum(np.einsum("k,kij->ij", linear.row, linear.activations), 0) / (height * width)
    (explanation,) = linear.explainer.explain(linear.forward_pass, linear.class_idx, ["grad-cam"])
    assert explanation.peak == pytest.approx(classic.max(), rel=1e-5)
    assert_allclose(explanation.heatmap, heatmap_by_torch(classic), atol=1e-5)


def test_grad_cam_pp_of_a_linear_head_is_its_closed_form(linear: LinearHead) -> None:
    weights = np.maximum(linear.row, 0) / (2 + linear.row * linear.activations.mean(axis=(1, 2)))
    positive = np.where(linear.row > 0, weights, 0)
    expected = np.einsum("k,kij->ij", positive, linear.activations)
    (explanation,) = linear.explainer.explain(linear.forward_pass, linear.class_idx, ["grad-cam++"])
    assert explanation.peak == pytest.approx(expected.max(), rel=1e-5)
    assert_allclose(explanation.heatmap, heatmap_by_torch(expected), atol=1e-5)


def test_grad_cam_pp_of_a_linear_head_is_the_papers_fraction(linear: LinearHead) -> None:
    gradients = linear.model.gradients(linear.forward_pass.activations, {linear.class_idx: 1})
    logit = float(linear.forward_pass.logits[linear.class_idx])
    expected = paper_grad_cam_pp(linear.forward_pass.activations, gradients, logit)
    (explanation,) = linear.explainer.explain(linear.forward_pass, linear.class_idx, ["grad-cam++"])
    assert explanation.peak == pytest.approx(expected.max() / np.exp(logit), rel=1e-5)
    assert_allclose(explanation.heatmap, heatmap_by_torch(expected), atol=1e-5)


def test_gradients_before_the_last_layer_are_autograds(
    earlier_layer: tuple[SplitClassifier, TracedModel, NDArray[np.float32]],
) -> None:
    split, model, activations = earlier_layer
    leaf = torch.from_numpy(activations).double()[None].requires_grad_()
    split.double().head(leaf)[0, 7].backward()
    split.float()
    assert leaf.grad is not None
    expected = leaf.grad[0].numpy()
    assert_allclose(model.gradients(activations, {7: 1}), expected, atol=1e-4 * np.abs(expected).max())


def test_grad_cam_pp_before_the_last_layer_is_the_papers_fraction(
    earlier_layer: tuple[SplitClassifier, TracedModel, NDArray[np.float32]],
) -> None:
    _, model, activations = earlier_layer
    gradients = model.gradients(activations, {7: 1})
    assert np.ptp(gradients, axis=(1, 2)).min() > 0, "the gradients must vary, or this shows no more than a last layer"
    expected = paper_grad_cam_pp(activations, gradients, 3.0) / np.exp(3.0)
    assert_allclose(grad_cam_pp(activations, gradients), expected, rtol=1e-5)


def test_gradients_leave_no_state_behind(linear: LinearHead) -> None:
    before = linear.model.gradients(linear.forward_pass.activations, {linear.class_idx: 1})
    linear.model.gradients(linear.forward_pass.activations, {3: 1})
    linear.model.forward(linear.forward_pass.x)
    assert_array_equal(linear.model.gradients(linear.forward_pass.activations, {linear.class_idx: 1}), before)


def test_the_table_names_the_functions_and_the_files() -> None:
    assert [METHODS[name].rule for name in DEFAULT_METHODS] == [grad_cam, grad_cam_pp, None]
    assert list(METHODS) == list(get_args(MethodName)) == [method.title.lower() for method in METHODS.values()]
    assert all(method.hint.endswith(".") and len(method.hint) < 120 for method in METHODS.values())
    assert [method.file_name for method in METHODS.values()] == [name.replace("++", "-pp") for name in METHODS]
    assert [name for name, method in METHODS.items() if not method.knows_class] == ["eigen-cam"]
