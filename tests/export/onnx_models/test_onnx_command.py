"""Small seeded models in ONNX files, exported by the command and explained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from camcore import Explainer, open_photo
from camcore.methods.method_table import DEFAULT_METHODS
from camcore.model.manifest import ONNX
from camcore.model.onnx import Scorer
from export.__main__ import main
from export.trace import Permute

SIZE = 64


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("kind", ["older exporter", "newer exporter", "NHWC"])
def test_a_file_is_exported_by_the_command_and_explained(kind: str, tmp_path: Path, animal_photos: list[Path]) -> None:
    torch.manual_seed(0)
    model: nn.Module = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3).eval()
    x, path, out = torch.randn(8, 3, SIZE, SIZE), tmp_path / "birds.onnx", tmp_path / "out"
    stored, example = model, x[:2]
    if kind == "NHWC":
        stored, example = nn.Sequential(Permute((0, 3, 1, 2)), model).eval(), example.permute(0, 2, 3, 1)
    if kind == "newer exporter":
        torch.onnx.export(stored, (example,), path, dynamic_shapes=({0: "batch"},), dynamo=True, external_data=False)
    else:
        axes = {"x": {0: "batch"}}
        torch.onnx.export(
            stored, (example,), path, input_names=["x"], dynamic_axes=axes, opset_version=13, dynamo=False
        )
    layout = ["--input-layout", "NHWC"] if kind == "NHWC" else []
    assert main(["--model", str(path), "--out", str(out), "--no-int8", *layout]) == 0
    explainer = Explainer.load(out)
    assert (explainer.manifest.layer.channels, explainer.manifest.layer.map_size) == (512, (2, 2))
    assert explainer.manifest.parity["worst_share_of_range"] <= 1e-4
    explanations = {result.method: result for result in explainer.explain(open_photo(animal_photos[0]), 1)}
    assert set(explanations) == set(DEFAULT_METHODS)
    assert all(np.isfinite(explanation.heatmap).all() for explanation in explanations.values())
    scorer = Scorer(out / ONNX)
    with torch.no_grad():
        expected = model(x).numpy()
    for count in (1, 2, 3, 8):
        np.testing.assert_allclose(scorer.forward(x[:count].numpy())[0], expected[:count], atol=1e-4 * np.ptp(expected))
