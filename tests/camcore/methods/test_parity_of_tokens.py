"""Maps of a transformer's tokens: equal to grad-cam 1.5.7, torchcam 0.5.0, and the formulas in plain torch."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam
import timm
import torch
import torchcam.methods
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import VisionTransformer

from camcore import Explainer
from camcore.methods.grad_cam import grad_cam, grad_cam_pp
from camcore.methods.heatmap import to_heatmap
from camcore.model.layer import Layer
from camcore.model.manifest import TORCHSCRIPT, Preprocessing
from camcore.model.torchscript import TracedModel
from export import export_model
from export.trace import to_torchscript
from export.traced import ClassifierGraph
from tests.conftest import heatmap_by_torch
from tests.export.test_tokens import Transformer

pytestmark = pytest.mark.slow

SIDE = 224
MODELS: dict[str, tuple[str, str, int]] = {  # name: the last layer, the target layer, and the number of other tokens
    "vit_b_16": ("heads.head", "encoder.layers.encoder_layer_10", 1),
    "deit_tiny_patch16_224": ("head", "blocks.10", 1),
    "deit_tiny_distilled_patch16_224": ("head", "blocks.10", 2),
}


@dataclass(frozen=True)
class Case:
    """A model with random weights, a photo, and what camcore computes of them at the default layer."""

    model: nn.Module
    layer: Layer
    x: Tensor
    class_idx: int
    activations: NDArray[np.float32]
    gradients: NDArray[np.float32]


@pytest.fixture(scope="module", params=MODELS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Draw the weights of the last layer too: that of torchvision's ViT starts with zeros.

    Except in `make soak`, ViT-B/16 has its blocks, heads and patches, and a quarter of its width, to save time.
    """
    torch.manual_seed(0)
    last, name, others = MODELS[request.param]
    if request.param == "vit_b_16":
        width = 768 if "SOAK" in os.environ else 192
        model = VisionTransformer(SIDE, 16, num_layers=12, num_heads=12, hidden_dim=width, mlp_dim=4 * width).eval()
    else:
        model = timm.create_model(request.param).eval()
    nn.init.normal_(model.get_submodule(last).weight, std=0.5)
    graph = ClassifierGraph(model, (SIDE, SIDE))
    cut = graph.default
    assert (cut.name, cut.layer.map_size, cut.layer.other_tokens) == (name, (14, 14), others)
    path = tmp_path_factory.mktemp(request.param) / TORCHSCRIPT
    to_torchscript(graph.split([cut]), (SIDE, SIDE), path)
    traced, x = TracedModel(path), torch.randn(1, 3, SIDE, SIDE)
    output = traced.forward(x.numpy())[1][0]
    activations = cut.layer.to_activations(output)[0]
    for class_idx in range(100):
        gradients = cut.layer.to_activations(traced.gradients(output, {class_idx: 1}))[0]
        if np.count_nonzero(grad_cam(activations, gradients)) > 20:
            yield Case(model, cut.layer, x, class_idx, activations, gradients)
            return
    raise AssertionError("no class has a map")


def to_grid(tokens: Tensor, others: int) -> Tensor:
    """Return the tokens of the grid (N, T, C), which follow the others, as (N, C, 14, 14)."""
    return tokens[:, others:].transpose(1, 2).unflatten(2, (14, 14))


def test_grad_cam_equals_that_of_grad_cam(case: Case) -> None:
    ours, _ = to_heatmap(grad_cam(case.activations, case.gradients), (SIDE, SIDE))
    target, others = case.model.get_submodule(case.layer.name), case.layer.other_tokens
    with pytorch_grad_cam.GradCAM(case.model, [target], lambda tokens: to_grid(tokens, others)) as peer:
        theirs = peer(case.x, [ClassifierOutputTarget(case.class_idx)])[0]
    assert_allclose(ours, theirs, atol=1e-4)


class WithGrid(nn.Module):
    """A block whose tokens become feature maps and tokens again: torchcam knows feature maps only."""

    def __init__(self, block: nn.Module, others: int):
        super().__init__()
        self.block, self.grid, self._others = block, nn.Identity(), others

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.block(x)
        grid = self.grid(to_grid(tokens, self._others))
        return torch.cat([tokens[:, : self._others], grid.flatten(2).transpose(1, 2)], dim=1)


def test_grad_cam_equals_that_of_torchcam_of_the_tokens_as_feature_maps(case: Case) -> None:
    ours, _ = to_heatmap(grad_cam(case.activations, case.gradients), (SIDE, SIDE))
    parent, _, name = case.layer.name.rpartition(".")
    block = case.model.get_submodule(case.layer.name)
    setattr(case.model.get_submodule(parent), name, WithGrid(block, case.layer.other_tokens))
    try:
        with torchcam.methods.GradCAM(case.model, f"{case.layer.name}.grid") as peer:
            ((small,),) = peer(case.class_idx, case.model(case.x.clone().requires_grad_()))
    finally:
        setattr(case.model.get_submodule(parent), name, block)
    assert_allclose(ours, heatmap_by_torch(small.detach().numpy()), atol=1e-4)


def grid_and_gradients(model: nn.Module, layer: str, x: Tensor, class_idx: int, cells: slice) -> tuple[Tensor, Tensor]:
    """Return some tokens of a layer and their gradients, (T, C) in float64, by a hook and autograd."""
    outputs: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *args: outputs.append(args[2]))
    score = model(x)[0, class_idx]
    handle.remove()
    (gradients,) = torch.autograd.grad(score, outputs[0])
    return outputs[0][0, cells].detach().double(), gradients[0, cells].double()


def papers_grad_cam(a: Tensor, g: Tensor) -> Tensor:
    return (a * g.mean(dim=0)).sum(dim=1).relu()


def papers_grad_cam_pp(a: Tensor, g: Tensor) -> Tensor:
    """Return the paper's map of tokens (T, C), with the sum of the activations above zero for that of signed ones."""
    alpha = torch.where(g > 0, g**2 / (2 * g**2 + a.relu().sum(dim=0) * g**3), 0)
    return (a * (alpha * g.relu()).sum(dim=0)).sum(dim=1).relu()


@pytest.mark.parametrize(("ours", "formula"), [(grad_cam, papers_grad_cam), (grad_cam_pp, papers_grad_cam_pp)])
def test_gradient_maps_equal_the_formulas_in_torch(
    case: Case, ours: Callable[..., Any], formula: Callable[[Tensor, Tensor], Tensor]
) -> None:
    cells = slice(case.layer.other_tokens, None)
    tokens, gradients = grid_and_gradients(case.model, case.layer.name, case.x, case.class_idx, cells)
    assert (tokens < 0).any()
    expected = formula(tokens, gradients).reshape(14, 14).numpy()
    assert expected.max() > 0
    assert_allclose(ours(case.activations, case.gradients), expected, atol=1e-4 * expected.max())


def test_score_cam_equals_a_loop_over_the_channels_of_the_grid(tmp_path: Path) -> None:
    """Two tokens before the grid and three after it; their values are no channels, and mask nothing."""
    torch.manual_seed(0)
    size, class_idx = (48, 64), 1
    model = Transformer(before=2, after=3).eval()
    steps = Preprocessing(48, size, "bilinear", mean=(0.5,) * 3, std=(0.25,) * 3, resize_mode="squash")
    explainer = Explainer.load(export_model(model, tmp_path / "model", preprocessing=steps, int8=False))
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    forward_pass = explainer.forward(Image.fromarray(noise))
    x = torch.from_numpy(forward_pass.x)
    outputs: list[Tensor] = []
    handle = model.blocks[0].register_forward_hook(lambda *args: outputs.append(args[2]))
    with torch.no_grad():
        model(x)
        handle.remove()
        channels = outputs[0][0, 2:-3].T.reshape(-1, 6, 8)
        scores = []
        for channel in channels:
            mask = functional.interpolate(channel[None, None], size, mode="bilinear", align_corners=False)
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            scores.append(model(x * mask)[0, class_idx])
    weights = torch.stack(scores).double().softmax(dim=0)
    expected = (weights[:, None, None] * channels).sum(dim=0).relu().numpy()
    assert np.count_nonzero(expected) > 5
    (explanation,) = explainer.explain(forward_pass, class_idx, ["score-cam"], effort="exact")
    assert explanation.cam is not None
    assert_allclose(explanation.cam / explanation.cam.max(), expected / expected.max(), atol=1e-4)
    assert_allclose(explanation.heatmap, heatmap_by_torch(expected, size), atol=1e-4)
