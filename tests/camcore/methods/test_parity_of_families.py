"""Grad-CAM of other families than ResNet: equal to grad-cam 1.5.7 and torchcam 0.5.0 at the same layer."""

from pathlib import Path

import numpy as np
import pytest
import pytorch_grad_cam
import torch
import torchcam.methods
from numpy.testing import assert_allclose
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchvision.models import get_model

from camcore import open_photo
from camcore.images.preprocess import preprocess
from camcore.methods.grad_cam import grad_cam
from camcore.methods.heatmap import to_heatmap
from camcore.model.manifest import TORCHSCRIPT
from camcore.model.torchscript import TracedModel
from export.models import IMAGENET_STEPS
from export.trace import to_torchscript
from tests.conftest import heatmap_by_torch, split_at

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "layer"), [("convnext_tiny", "features"), ("efficientnet_v2_s", "features"), ("swin_t", "permute")]
)
def test_grad_cam_equals_both_peers(name: str, layer: str, imagenet_photos: list[Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = get_model(name, weights=None).eval()
    split = split_at(model)
    to_torchscript(split, (224, 224), tmp_path / TORCHSCRIPT)
    traced, x = TracedModel(tmp_path / TORCHSCRIPT), preprocess(open_photo(imagenet_photos[17]), IMAGENET_STEPS)[0]
    activations = traced.forward(x)[1][0]
    maps = (
        (class_idx, grad_cam(activations, traced.gradients(activations, {class_idx: 1}))) for class_idx in range(1000)
    )
    class_idx, cam = next((class_idx, cam) for class_idx, cam in maps if np.count_nonzero(cam) > 3)
    ours, _ = to_heatmap(cam, (224, 224))
    with pytorch_grad_cam.GradCAM(model, [model.get_submodule(layer)]) as peer:
        assert_allclose(ours, peer(torch.from_numpy(x), [ClassifierOutputTarget(class_idx)])[0], atol=1e-4)
    with torchcam.methods.GradCAM(model, layer) as peer:
        ((small,),) = peer(class_idx, model(torch.from_numpy(x).requires_grad_()))
    assert_allclose(ours, heatmap_by_torch(small.detach().numpy()), atol=1e-4)
