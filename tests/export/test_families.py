"""Small models of other families than ResNet, from their weights to a heatmap."""

from pathlib import Path

import numpy as np
import pytest
import torch

from camcore import Explainer, open_photo
from camcore.methods.grad_cam import grad_cam
from camcore.methods.heatmap import to_heatmap
from camcore.methods.method_table import DEFAULT_METHODS
from camcore.model.manifest import Preprocessing, read_manifest, verify
from export import export_model
from tests.conftest import split_at, untrained

SIZE = 96
STEPS = Preprocessing(SIZE, (SIZE, SIZE), "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Name: layer, shape of its map, whether one linear layer follows its mean, whether it has activations below zero.
SMALL = {
    "mobilenet_v3_small": ("features", (576, 3, 3), False, True),
    "shufflenet_v2_x0_5": ("conv5", (1024, 3, 3), True, False),
    "squeezenet1_1": ("features", (512, 5, 5), False, False),
    "mnasnet0_5": ("layers", (1280, 3, 3), True, False),
    "regnet_y_400mf": ("trunk_output", (440, 3, 3), True, False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_small_model_is_exported_and_explained(name: str, tmp_path: Path, animal_photos: list[Path]) -> None:
    torch.manual_seed(6)
    model = untrained(name, num_classes=5)
    out = export_model(model, tmp_path / "out", preprocessing=STEPS, int8=False, name=name)
    manifest = read_manifest(out)
    verify(out, manifest)
    layer, linear, signed = manifest.layer, *SMALL[name][2:]
    assert (layer.name, (layer.channels, *layer.map_size)) == SMALL[name][:2]
    assert (layer.linear_head, layer.signed, manifest.head) == (linear, signed, "softmax")
    assert manifest.parity["worst_share_of_range"] <= 1e-4
    explainer = Explainer.load(out)
    forward_pass = explainer.forward(open_photo(animal_photos[0]))
    explanations = {each.method: each for each in explainer.explain(forward_pass, 3, effort="exact")}
    assert set(explanations) == set(DEFAULT_METHODS)
    for explanation in explanations.values():
        assert explanation.heatmap.shape == (SIZE, SIZE)
        assert np.isfinite(explanation.heatmap).all()
    eager = split_at(model, size=SIZE)
    activations = eager.features(torch.from_numpy(forward_pass.x)).detach().requires_grad_()
    (gradients,) = torch.autograd.grad(eager.head(activations)[0, 3], activations)
    expected, _ = to_heatmap(grad_cam(activations[0].detach().numpy(), gradients[0].numpy()), (SIZE, SIZE))
    np.testing.assert_allclose(explanations["grad-cam"].heatmap, expected, atol=1e-4)
