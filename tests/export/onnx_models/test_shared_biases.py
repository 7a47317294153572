"""Biases that torch's older exporter writes once: each convolution of the artefact has its own, as int8 needs."""

from pathlib import Path

import onnx
import torch
from torch import nn

from camcore.model.manifest import ONNX
from export.pipeline import ExportOptions, export_artifact
from export.preprocessing import PreprocessingOptions


def test_equal_biases_of_the_older_exporter_become_one_for_each_convolution(tmp_path: Path) -> None:
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 6, 3, 1, 1), nn.Conv2d(6, 6, 3, 1, 1)]
    for convolution in convolutions:
        nn.init.constant_(convolution.bias, 0.25)  # type: ignore[arg-type]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)]
    model, path = nn.Sequential(*convolutions, *pool).eval(), tmp_path / "shared.onnx"
    torch.onnx.export(model, (torch.zeros(1, 3, 32, 32),), path, dynamo=False, opset_version=13)
    original = onnx.load(path).graph
    assert [node.op_type for node in original.node].count("Identity") == 2, "the exporter writes one bias"
    options = ExportOptions(
        str(path), out=tmp_path / "out", int8=False, preprocessing=PreprocessingOptions(size=(32, 32))
    )
    graph = onnx.load(export_artifact(options) / ONNX).graph
    weights = {tensor.name for tensor in graph.initializer}
    biases = [node.input[2] for node in graph.node if node.op_type == "Conv"]
    assert weights.issuperset(biases)
    assert len(set(biases)) == 3
