"""Heads that are cut from exported networks, against ONNX Runtime, and as TorchScript."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import MobileNetV3, ResNet, SwinTransformer
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.mobilenetv3 import InvertedResidualConfig
from torchvision.models.resnet import BasicBlock

from export.errors import ExportError
from export.onnx_models.onnx_head import OnnxPart

SIZE = 32


class SmallTransformer(nn.Module):
    """A convolution, a block with depthwise convolution and attention, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 16, 8, stride=8), nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.norm, self.qkv, self.mlp = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = functional.hardswish(x + self.depthwise(x)).flatten(2).transpose(1, 2)
        heads = self.qkv(self.norm(x)).unflatten(2, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        x = x + functional.scaled_dot_product_attention(*heads.unbind(0)).transpose(1, 2).flatten(2)
        x = x + functional.gelu(self.mlp(self.norm(x)))
        return self.fc(x.mean(dim=1))  # type: ignore[no-any-return]


def mobile_net() -> nn.Module:
    blocks = [
        InvertedResidualConfig(16, 3, 16, 16, True, "RE", 2, 1, 1.0),
        InvertedResidualConfig(16, 5, 32, 16, True, "HS", 1, 1, 1.0),
    ]
    return MobileNetV3(blocks, 24, num_classes=5)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5),
    "mobilenet": mobile_net,
    "convnext": lambda: ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], num_classes=5),
    "swin": lambda: SwinTransformer([4, 4], 8, [2], [2], [4, 4], num_classes=5),
    "transformer": SmallTransformer,
}
EXPORTS = [
    *((name, 14 if name == "transformer" else 13, False) for name in NETWORKS),
    *(("transformer", n, True) for n in (18, 23)),
]


def export_network(name: str, opset: int, *, dynamo: bool, dynamic: bool = False) -> onnx.ModelProto:
    torch.manual_seed(0)
    network, file = NETWORKS[name]().eval(), io.BytesIO()
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):  # so that the logits depend on the image
            nn.init.kaiming_normal_(part.weight)
    options: dict[str, Any] = {"dynamic_axes": {"x": {0: "n"}}} if dynamic else {}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            network, (torch.zeros(2, 3, SIZE, SIZE),), file, input_names=["x"], output_names=["logits"],
            opset_version=opset, dynamo=dynamo, verbose=False, **options,
        )  # fmt: skip
    return onnx.load_from_string(file.getvalue())


def cuts(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the tensors on which alone the rest of a graph depends."""
    depends = {"x"}
    for node in graph.node:
        depends.update(node.output if depends.intersection(node.input) else ())
    order = [node for node in graph.node if depends.intersection(node.output)]
    last_use = {name: number for number, node in enumerate(order) for name in node.input}
    alive = {"x"}
    for number, node in enumerate(order):
        alive = {name for name in alive.union(node.output) if last_use.get(name, 0) > number}
        if alive == {node.output[0]}:
            yield node.output[0]


def head_of(model: onnx.ModelProto, cut: str) -> onnx.GraphProto:
    """Return the graph from a tensor to the logits; what it needs no longer is left in it."""
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(cut, TensorProto.FLOAT, None))
    for node in graph.node:
        if cut in node.output:
            graph.node.remove(node)
            break
    return graph


def opsets(model: onnx.ModelProto) -> dict[str, int]:
    return {entry.domain: entry.version for entry in model.opset_import}


def run_onnx(model: onnx.ModelProto, x: Tensor, names: list[str]) -> dict[str, Tensor]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run(["logits", *names], {"x": x.numpy()})
    return {name: torch.from_numpy(result) for name, result in zip(["logits", *names], results, strict=True)}


def save_and_load(part: nn.Module, x: Tensor, path: Path) -> Any:
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        torch.jit.trace(part, (x,)).save(path)  # type: ignore[no-untyped-call]
        return torch.jit.load(path)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("name", "opset", "dynamo"), EXPORTS)
def test_heads_of_networks_agree_with_onnx_runtime(name: str, opset: int, dynamo: bool, tmp_path: Path) -> None:
    model = export_network(name, opset, dynamo=dynamo)
    names = list(cuts(model.graph))
    names = [*names[1 :: len(names) // 3], names[-2]]
    assert len(names) >= 4
    x = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    values = run_onnx(model, x, names)
    tolerance = {"rtol": 0, "atol": 1e-3 * float(values["logits"].std(dim=0).min())}
    assert tolerance["atol"] > 0
    for cut in names:
        result = OnnxPart(head_of(model, cut), opsets(model))(values[cut])
        torch.testing.assert_close(result, values["logits"], **tolerance, msg=cut)
    middle = names[len(names) // 2]
    with warnings.catch_warnings(action="error", category=torch.jit.TracerWarning):  # type: ignore[attr-defined]
        script = save_and_load(OnnxPart(head_of(model, middle), opsets(model)), values[middle], tmp_path / "head.pt")
    activations = values[middle].requires_grad_()
    logits = script(activations)
    torch.testing.assert_close(logits, values["logits"], **tolerance)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), activations)
    assert gradient.isfinite().all()
    assert gradient.any()


def test_a_head_takes_other_batch_sizes_than_its_graph_was_exported_with() -> None:
    model = export_network("resnet", 13, dynamo=False, dynamic=True)
    cut = list(cuts(model.graph))[-3]
    values = run_onnx(model, torch.randn(5, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2)), [cut])
    result = OnnxPart(head_of(model, cut), opsets(model))(values[cut])
    torch.testing.assert_close(result, values["logits"], rtol=1e-4, atol=1e-5)


def graph_of(nodes: list[onnx.NodeProto], **weights: Any) -> onnx.GraphProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)]
    initialisers = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    return helper.make_graph(nodes, "head", inputs, [onnx.ValueInfoProto(name="y")], initialisers)


def linear_head(matrix: str = "fc.weight") -> onnx.GraphProto:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "shape"], ["flat"]),
        helper.make_node("Transpose", [matrix], ["transposed"], perm=[1, 0]),
        helper.make_node("MatMul", ["flat", "transposed"], ["product"]),
        helper.make_node("Mul", ["product", "half"], ["halves"]),
        helper.make_node("Add", ["halves", "fc/bias"], ["y"]),
    ]
    weights = {matrix: np.eye(3, 4, dtype=np.float32), "fc/bias": np.ones(3, np.float32), "unused": np.ones((2, 2))}
    constants = {"shape": np.array([0, -1]), "half": np.array([0.5], np.float32)}
    return graph_of(nodes, **weights, **constants)


def test_weights_are_parameters_and_scalars_and_shapes_are_not() -> None:
    part = OnnxPart(linear_head(), 13)
    assert {name: tuple(tensor.shape) for name, tensor in part.named_parameters()} == {
        "fc_weight": (4, 3),
        "fc_bias": (3,),
    }
    assert part.weight_names == ["fc_weight"]
    assert list(part.buffers()) == []


@pytest.mark.parametrize("name", ["in", "0", "forward", "training", "fc/bias_", "onnx::MatMul_7", "é"])
def test_any_name_of_a_weight_can_be_saved(name: str, tmp_path: Path) -> None:
    x = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    part = OnnxPart(linear_head(name), 13)
    script = save_and_load(part, x, tmp_path / "head.pt")
    assert [key for key, _ in script.named_parameters()] == [key for key, _ in part.named_parameters()]
    torch.testing.assert_close(script(x), x.mean(dim=(2, 3))[:, :3] / 2 + 1)


def test_weights_that_share_an_initialiser_have_names_of_their_own() -> None:
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "w"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "t"], ["y"]),
    ]
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    part = OnnxPart(graph_of(nodes, w=matrix), 13)
    assert part.weight_names == ["w", "w_"]
    np.testing.assert_allclose(part(torch.eye(2)).numpy(), matrix @ matrix.T)


def test_weights_in_int8_are_parameters_in_float() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale"], ["floats"]),
        helper.make_node("MatMul", ["x", "floats"], ["y"]),
    ]
    part = OnnxPart(graph_of(nodes, w=np.array([[2, -4]], np.int8), scale=np.float32(0.5)), 13)
    assert part.weight_names == ["w"]
    assert part(torch.ones(1, 1)).tolist() == [[1, -2]]


def test_weights_in_half_precision_are_computed_in_float32() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["half", "w"], ["y"]),
    ]
    result = OnnxPart(graph_of(nodes, w=np.array([[2, -4]], np.float16)), 13)(torch.full((1, 1), 0.1))
    torch.testing.assert_close(result, torch.tensor([[0.2, -0.4]]))


def test_inputs_that_are_initialisers_too_are_weights() -> None:
    graph = linear_head()
    graph.input.append(helper.make_tensor_value_info("fc.weight", TensorProto.FLOAT, [3, 4]))
    assert OnnxPart(graph, {"ai.onnx": 13}).weight_names == ["fc_weight"]


def test_all_operators_that_torch_cannot_compute_are_named_once() -> None:
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["a"], name="up"),
        helper.make_node("Resize", ["a", "", "scales"], ["b"], name="up again"),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d", "indices"], kernel_shape=[2, 2]),
        helper.make_node("NonZero", ["x"], ["unused"]),
        helper.make_node("Mul", ["d", "indices"], ["e"]),
        helper.make_node("Relu", ["e"], ["y"], domain="com.example"),
    ]
    with pytest.raises(ExportError) as error:
        OnnxPart(graph_of(nodes, scales=np.ones(4, np.float32)), 13)
    assert str(error.value) == (
        "operators after the layer cannot be computed in torch: Resize (node 'up'), MaxPool with 2 outputs (node 'd'), "
        "com.example.Relu (node 'y'): choose a later layer with --layer, after them, or export the model from its "
        "Python code"
    )


def test_a_node_with_a_graph_inside_is_no_constant() -> None:
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "then", [], [onnx.ValueInfoProto(name="z")])
    node = helper.make_node("If", ["condition"], ["y"], then_branch=inner, else_branch=inner)
    with pytest.raises(ExportError, match=r"torch: If \(node 'y'\): choose"):
        OnnxPart(graph_of([node], condition=np.array(True)), 13)


def test_a_graph_that_needs_another_tensor_is_refused() -> None:
    with pytest.raises(ExportError, match="also need 'skip': choose another layer with --layer"):
        OnnxPart(graph_of([helper.make_node("Add", ["x", "skip"], ["y"])]), 13)
