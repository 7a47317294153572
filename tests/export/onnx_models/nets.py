"""Small seeded classifiers as ONNX files, written by torch's exporters or node by node."""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

SIZE = 32
FLOAT = onnx.TensorProto.FLOAT
Shape = Sequence[int | str | None]


def conv_net(classes: int = 3, *ending: nn.Module) -> nn.Sequential:
    """Return two convolutions, a pooling and a linear layer for photos of 32 pixels, with seeded weights."""
    torch.manual_seed(0)
    features = [nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(8, 12, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, classes), *ending)
    nn.init.normal_(net[8].weight, std=2)
    net.train()(torch.randn(16, 3, SIZE, SIZE))  # gives the normalisation its mean and deviation
    return net.eval()


class FromChannelsLast(nn.Module):
    """Takes (N, H, W, 3) for a module that takes (N, 3, H, W)."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.permute(0, 3, 1, 2))  # type: ignore[no-any-return]


class TokenNet(nn.Module):
    """A vision transformer of two blocks with a class token, of 16 patches."""

    def __init__(self, classes: int = 3):
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.class_token = nn.Parameter(torch.randn(1, 1, 16))
        self.positions = nn.Parameter(torch.randn(1, 17, 16) / 4)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True) for _ in range(2))
        self.classifier = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(x.shape[0], -1, -1), tokens], dim=1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.classifier(tokens[:, 0])  # type: ignore[no-any-return]


def to_file(
    module: nn.Module, path: Path, *, photos: int | None = None, shape: tuple[int, ...] = (3, SIZE, SIZE),
    opset: int = 13, dynamo: bool = False,
) -> Path:  # fmt: skip
    """Write a module with one of torch's exporters, for a number of photos, None for any."""
    x = torch.zeros(photos or 2, *shape)
    open_axes: dict[str, Any] = {}
    if photos is None:
        open_axes = {"dynamic_shapes": ({0: "n"},)} if dynamo else {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
    names = {"input_names": ["x"], "output_names": ["y"], "opset_version": opset}
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), redirect_stdout(StringIO()), catch_warnings(action="ignore"):
            torch.onnx.export(
                module.eval(), (x,), path, dynamo=dynamo, verbose=False, external_data=False, **names, **open_axes
            )
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    return path


def model_of(
    nodes: Sequence[onnx.NodeProto], weights: Mapping[str, NDArray[Any]] | None = None, *,
    shape: Shape = (1, 3, SIZE, SIZE), outputs: Mapping[str, Shape] | None = None, kind: int = FLOAT, opset: int = 17,
    **more: Any,
) -> onnx.ModelProto:  # fmt: skip
    """Return a model from `x`, of a shape, to `y` or other outputs, with these nodes and weights."""
    initialisers = [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()]
    ends = (outputs or {"y": (None, None)}).items()
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in ends], initialisers,
    )  # fmt: skip
    operators = [helper.make_opsetid("", opset), *more.pop("domains", [])]
    return helper.make_model(graph, opset_imports=operators, **{"ir_version": 8, **more})


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """Return a node whose tensors are separated by spaces, with the name of its first output in upper case."""
    return helper.make_node(kind, inputs.split(), outputs.split(), outputs.split(maxsplit=1)[0].upper(), **attributes)


def small_nodes(end: str = "y") -> tuple[list[onnx.NodeProto], dict[str, NDArray[Any]]]:
    """Return the nodes and weights of one convolution, a pooling and a matrix of three classes."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.normal(size=(6, 3, 4, 4)).astype(np.float32) / 4,
        "m": random.normal(size=(6, 3)).astype(np.float32) * 2,
    }
    nodes = [
        node("Conv", "x w", "map", strides=[4, 4]), node("Relu", "map", "act"),
        node("GlobalAveragePool", "act", "pooled"), node("Flatten", "pooled", "flat"), node("MatMul", "flat m", end),
    ]  # fmt: skip
    return nodes, weights


def small_model(**options: Any) -> onnx.ModelProto:
    """Return that model; the options are those of `model_of`."""
    return model_of(*small_nodes(), **options)


def run_file(path: Path, x: NDArray[Any], output: str | None = None) -> NDArray[Any]:
    """Return what ONNX Runtime itself makes of photos, one by one, (N, K)."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(output and [output], {name: photo[None]})[0].reshape(1, -1) for photo in x])
