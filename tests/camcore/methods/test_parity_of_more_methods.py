"""The methods beside the default three: equal to grad-cam 1.5.7 and torchcam 0.5.0 before a network's last layer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import pytorch_grad_cam
import torch
import torchcam.methods
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from camcore.methods.eigen_cam import eigen_cam
from camcore.methods.finer_cam import finer_weights
from camcore.methods.grad_cam import grad_cam
from camcore.methods.gradient_rules import hirescam, layercam, xgrad_cam
from camcore.methods.heatmap import to_heatmap
from camcore.methods.recipro_cam import recipro_cam
from camcore.model.manifest import TORCHSCRIPT
from camcore.model.torchscript import TracedModel
from camcore.types import Array, softmax
from tests.conftest import heatmap_by_torch, split_at, untrained

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

SIDE, LAYER = 96, "layer3"
RULES: dict[str, Callable[[Array, Array], Array]] = {
    "HiResCAM": hirescam,
    "LayerCAM": layercam,
    "XGradCAM": xgrad_cam,
}


@dataclass(frozen=True)
class Case:
    """A ResNet-18 of seeded weights, a photo of noise, a class, and what the traced model computes of them."""

    network: nn.Module
    traced: TracedModel
    x: Tensor
    class_idx: int
    logits: Array
    activations: Array

    def gradients(self) -> Array:
        return self.traced.gradients(self.activations, {self.class_idx: 1})

    def maps(self) -> list[Array]:
        gradients = self.gradients()
        return [rule(self.activations, gradients) for rule in (*RULES.values(), grad_cam)]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    torch.manual_seed(1)
    network = untrained("resnet18", num_classes=10)
    from export.trace import to_torchscript

    path = tmp_path_factory.mktemp("traced") / TORCHSCRIPT
    to_torchscript(split_at(network, LAYER, size=SIDE), (SIDE, SIDE), path)
    traced, x = TracedModel(path), torch.randn(1, 3, SIDE, SIDE)
    logits, activations = traced.forward(x.numpy())
    cases = (Case(network, traced, x, class_idx, logits[0], activations[0]) for class_idx in range(10))
    return next(case for case in cases if all(map(shows_places, case.maps())))


def shows_places(cam: Array) -> bool:
    return np.count_nonzero(cam) > 5


def heatmap(cam: Array) -> Array:
    assert shows_places(cam)
    return to_heatmap(cam, (SIDE, SIDE))[0]


@pytest.mark.parametrize("name", RULES)
def test_gradient_rules_equal_grad_cam(name: str, case: Case) -> None:
    with getattr(pytorch_grad_cam, name)(case.network, [case.network.get_submodule(LAYER)]) as peer:
        (theirs,) = peer(case.x, [ClassifierOutputTarget(case.class_idx)])
    assert_allclose(heatmap(RULES[name](case.activations, case.gradients())), theirs, atol=1e-4)


@pytest.mark.parametrize("name", ["LayerCAM", "XGradCAM"])
def test_gradient_rules_equal_torchcam(name: str, case: Case) -> None:
    ours = heatmap(RULES[name](case.activations, case.gradients()))
    assert_allclose(ours, by_torchcam(name, case), atol=1e-4)


def by_torchcam(name: str, case: Case) -> NDArray[np.floating]:
    with getattr(torchcam.methods, name)(case.network, LAYER) as peer:
        ((small,),) = peer(case.class_idx, case.network(case.x.clone().requires_grad_()))
    return heatmap_by_torch(small.detach().numpy(), (SIDE, SIDE))


def test_eigen_cam_equals_grad_cam_of_centred_activations_up_to_its_sign(case: Case) -> None:
    with pytorch_grad_cam.EigenCAM(case.network, [case.network.get_submodule(LAYER)]) as peer:
        (theirs,) = peer(case.x, [ClassifierOutputTarget(case.class_idx)])
    centred = case.activations - case.activations.mean(axis=(1, 2), keepdims=True)
    # The sum of a centred projection is 0 up to rounding, which then decides on the sign: one of both is theirs.
    direction = np.linalg.svd(centred.reshape(len(centred), -1).T)[2][0]
    projection = np.tensordot(direction, centred, axes=1)
    maps = [to_heatmap(np.maximum(sign * projection, 0), (SIDE, SIDE))[0] for sign in (1, -1)]
    assert min(np.abs(cam - theirs).max() for cam in maps) <= 1e-4
    ours = to_heatmap(eigen_cam(centred), (SIDE, SIDE))[0]
    assert min(np.abs(cam - ours).max() for cam in maps) <= 1e-4


def test_finer_cam_equals_torchcam_and_grad_cam_with_the_same_classes(case: Case) -> None:
    weights = finer_weights(case.logits, case.class_idx)
    ours = heatmap(grad_cam(case.activations, case.traced.gradients(case.activations, weights)))
    assert_allclose(ours, by_torchcam("FinerCAM", case), atol=1e-4)

    def score(logits: Tensor) -> Tensor:  # grad-cam's own target weighs the classes by their probability
        return sum((weight * logits[index] for index, weight in weights.items()), start=torch.zeros(()))

    with pytorch_grad_cam.FinerCAM(case.network, [case.network.get_submodule(LAYER)]) as peer:
        (theirs,) = peer(case.x, [score])
    assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(ours - heatmap(grad_cam(case.activations, case.gradients()))).max() > 0.01


def test_recipro_cam_equals_a_hook_that_keeps_one_place(case: Case) -> None:
    """No peer has it: the layer's output is masked in the eager network."""
    size = case.activations.shape[1:]
    masks = torch.eye(size[0] * size[1]).reshape(-1, 1, *size)
    handle = case.network.get_submodule(LAYER).register_forward_hook(lambda *args: args[2] * masks)
    with torch.no_grad():
        answers = case.network(case.x.expand(len(masks), -1, -1, -1)).softmax(dim=1)
    handle.remove()
    expected = answers[:, case.class_idx].reshape(size).numpy()
    cam = recipro_cam(case.activations, lambda kept: softmax(case.traced.logits(kept))[:, case.class_idx])
    assert_allclose(cam, expected, atol=1e-6)
    assert np.ptp(expected) > 1e-4
