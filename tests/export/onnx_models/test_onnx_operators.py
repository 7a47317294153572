"""Each operator of the table against ONNX Runtime, in every version from 7 on, and its gradient against differences."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from export.onnx_models.onnx_head import OnnxPart
from export.onnx_models.onnx_operators import OPERATORS, torch_function

OLDEST = 7  # the oldest that ONNX Runtime supports
NEWEST = 28  # as of ONNX Runtime 1.32
RNG = np.random.default_rng(0)
# Whose gradient is zero, or which return no real numbers.
FLAT = {
    *("Cast", "CastLike", "Ceil", "Floor", "Round", "Sign", "Shape", "Size", "ConstantOfShape", "Range"),
    *("And", "Or", "Not", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsNaN"),
}


def forms(operator: str) -> list[int]:
    """Return the versions from which an operator has its inputs and attributes, 7 for those of the first ones."""
    versions: dict[Any, int] = {}
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if (s.name, s.domain) == (operator, "")]
    for schema in sorted(schemas, key=lambda schema: schema.since_version):
        attributes = sorted((name, str(entry.default_value)) for name, entry in schema.attributes.items())
        form = str(([entry.name for entry in schema.inputs], attributes))
        versions.setdefault(form, schema.since_version)
    return sorted({max(version, OLDEST) for version in versions.values()}) or [OLDEST]


@dataclass(frozen=True)
class Call:
    """A node: an operator, its inputs (nodes, the activations X, arrays, or None), and its attributes."""

    operator: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1


@dataclass(frozen=True)
class Case:
    """An operator on activations of a shape, from the version `first` to the version `last` of the operator set."""

    call: Call
    shape: tuple[int, ...]
    first: int = OLDEST
    last: int = NEWEST

    def opsets(self) -> list[int]:
        """Return the versions in which the operator changes, and the first and the last."""
        versions = forms(self.call.operator)
        first = max(self.first, versions[0])
        return sorted({first, self.last, *(version for version in versions if first < version < self.last)})


X = "x"


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return np.abs(floats(*shape)) + np.float32(0.5)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def call(operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Call:
    return Call(operator, inputs, attributes, outputs)


def build(case: Case, opset: int) -> onnx.ModelProto:
    nodes: list[onnx.NodeProto] = []
    initialisers: list[onnx.TensorProto] = []

    def name_of(value: Any) -> str:
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, Call):
            domain, _, operator = value.operator.rpartition(".")
            inputs = [name_of(entry) for entry in value.inputs]
            outputs = [f"n{len(nodes)}_{number}" for number in range(value.outputs)]
            nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **value.attributes))
            return outputs[-1] if operator == "Split" else outputs[0]
        initialisers.append(onnx.numpy_helper.from_array(np.asarray(value), f"w{len(initialisers)}"))
        return initialisers[-1].name

    output = onnx.ValueInfoProto(name=name_of(case.call))
    inputs = [helper.make_tensor_value_info(X, TensorProto.FLOAT, case.shape)]
    graph = helper.make_graph(nodes, "case", inputs, [output], initialisers)
    operators = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=operators, ir_version=10)


def run_onnx(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    if any(node.op_type == "Swish" for node in model.graph.node):  # which ONNX Runtime lacks on a CPU
        [result] = ReferenceEvaluator(model).run(None, {X: x})
        return result  # type: ignore[no-any-return]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {X: x})[0]  # type: ignore[no-any-return]


def unary(*operators: str, first: int = OLDEST, last: int = NEWEST, **attributes: Any) -> list[Case]:
    return [Case(call(operator, X, **attributes), (2, 3, 4), first, last) for operator in operators]


def on_positive(operator: str, *others: Any) -> Case:
    """Return a case whose operator gets numbers from 0.5 on."""
    return Case(call(operator, call("Add", call("Abs", X), np.float32(0.5)), *others), (2, 3))


def above(threshold: float) -> Call:
    return call("Greater", X, np.float32(threshold))


SHAPE = call("Shape", X)
COUNT = call("Gather", SHAPE, np.int64(1))
NEGATED = call("Neg", X)

ARITHMETIC = [
    *unary("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Neg", "Round", "Sign", "Sin"),
    *(on_positive(operator) for operator in ("Log", "Sqrt", "Reciprocal")),
    *(on_positive("Pow", exponent) for exponent in (np.float32(2), np.float32(-0.5), floats(3))),
    Case(call("Pow", X, np.int64(3)), (2, 3), first=12),
    *(Case(call(operator, X, floats(3, 1)), (2, 3, 4)) for operator in ("Add", "Sub", "Mul")),
    Case(call("Div", X, positive(4)), (2, 3, 4)),
    Case(call("Div", np.float32(1), call("Exp", X)), (2, 3, 4)),
    Case(call("Cast", call("Div", call("Sub", SHAPE, ints(9)), ints(2)), to=TensorProto.FLOAT), (2, 3, 4)),
    *(Case(call(operator, X, floats(2, 3), floats(2, 3)), (2, 3)) for operator in ("Max", "Min", "Mean", "Sum")),
    *(Case(call(operator, X, floats(3)), (2, 3), first=8) for operator in ("Max", "Min", "Mean", "Sum")),
    *(Case(call(operator, X), (2, 3)) for operator in ("Max", "Min", "Mean", "Sum")),
    *unary("Clip", min=-0.5, max=0.25, last=10),
    *unary("Clip", last=10),
    *unary("Clip", first=11),
    Case(call("Clip", X, np.float32(-0.5), np.float32(0.25)), (2, 3), first=11),
    Case(call("Clip", X, None, np.float32(0.25)), (2, 3), first=11),
    Case(call("Clip", X, np.float32(-0.5)), (2, 3), first=11),
    Case(call("Mod", X, np.float32(0.7), fmod=1), (2, 3), first=10),
    Case(call("Cast", call("Mod", call("Sub", SHAPE, ints(9)), ints(4)), to=TensorProto.FLOAT), (2, 3), first=10),
    Case(call("MatMul", X, floats(4, 5)), (2, 3, 4)),
    Case(call("MatMul", X, floats(4)), (3, 4)),
    Case(call("MatMul", X, call("Transpose", X, perm=[0, 2, 1])), (2, 3, 4)),
    Case(call("Gemm", X, floats(4, 5), floats(5)), (3, 4)),
    Case(call("Gemm", X, floats(5, 3), floats(4, 1), alpha=0.5, beta=2.0, transA=1, transB=1), (3, 4)),
    Case(call("Gemm", X, floats(4, 5), alpha=0.5), (3, 4), first=11),
    Case(call("Einsum", X, floats(2, 5, 4), equation="bij, bkj -> bik"), (2, 3, 4)),
    Case(call("Einsum", X, equation="...ij->...ji"), (2, 3, 4)),
    Case(call("com.microsoft.FusedMatMul", X, floats(5, 4), alpha=0.5, transB=1), (2, 3, 4), first=13),
]

LOGIC = [
    *(Case(call(operator, X, floats(3)), (2, 3)) for operator in ("Greater", "Less", "GreaterOrEqual", "LessOrEqual")),
    *(Case(call(operator, SHAPE, ints(2, 4)), (2, 3), first=9) for operator in ("Greater", "Less")),
    *(Case(call(operator, SHAPE, ints(2, 4)), (2, 3)) for operator in ("GreaterOrEqual", "LessOrEqual")),
    Case(call("Equal", SHAPE, ints(2, 4)), (2, 3)),
    Case(call("IsNaN", call("Sqrt", X)), (2, 3)),
    Case(call("Not", above(0)), (2, 3)),
    *(Case(call(operator, above(0.5), above(-0.5)), (2, 3)) for operator in ("And", "Or")),
    Case(call("Where", above(0), X, np.float32(0.1)), (2, 3)),
    Case(call("Where", above(0), floats(3), X), (2, 3)),
]

ACTIVATIONS = [
    *unary("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish", "Gelu", "com.microsoft.Gelu"),
    *unary("Celu", "Elu", "Selu", "LeakyRelu", "HardSigmoid", "Swish", "ThresholdedRelu"),
    *unary("Celu", "Elu", "LeakyRelu", "HardSigmoid", "Swish", "ThresholdedRelu", alpha=0.3),
    *unary("Selu", alpha=1.5, gamma=0.5),
    *unary("HardSigmoid", alpha=0.3, beta=0.4),
    *unary("Gelu", approximate="tanh"),
    Case(call("PRelu", X, floats(3, 1)), (2, 3, 4)),
    *unary("Softmax", "LogSoftmax"),
    *unary("Softmax", "LogSoftmax", axis=1),
    *unary("Softmax", "LogSoftmax", axis=-1),
    *unary("Softmax", axis=0),
]

IMAGE, EVEN = (2, 4, 7, 6), (2, 4, 6, 6)
# Sizes that the windows do not fill, pads on one side, and dilations.
WINDOWS: list[dict[str, Any]] = [
    {"kernel_shape": [3, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [0, 1, 2, 1]},
    {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [4, 3], "strides": [1, 2], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"},
]
CEILED: list[dict[str, Any]] = [
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 0, 1], "ceil_mode": 1},
]
DILATED = {"kernel_shape": [3, 2], "dilations": [2, 3], "strides": [1, 2], "pads": [1, 0, 1, 1]}


def convolution(weight: np.ndarray, *bias: np.ndarray, shape: tuple[int, ...] = IMAGE, **attributes: Any) -> Case:
    return Case(call("Conv", X, weight, *bias, **attributes), shape)


POOLS = [
    *(Case(call(pool, X, **window), IMAGE) for pool in ("MaxPool", "AveragePool") for window in WINDOWS),
    *(Case(call("AveragePool", X, count_include_pad=1, **window), IMAGE) for window in WINDOWS[:3]),
    *(Case(call(pool, X, **window), IMAGE, first=10) for pool in ("MaxPool", "AveragePool") for window in CEILED),
    *(Case(call("AveragePool", X, count_include_pad=1, **window), IMAGE, first=19) for window in CEILED),
    Case(call("MaxPool", X, **DILATED), IMAGE, first=10),
    *(Case(call("AveragePool", X, count_include_pad=n, **DILATED), IMAGE, first=19) for n in (0, 1)),
    *(Case(call(pool, X, kernel_shape=[2]), (2, 3, 5)) for pool in ("MaxPool", "AveragePool")),
    *(Case(call(pool, X, kernel_shape=[2, 2, 2]), (1, 2, 3, 3, 3)) for pool in ("MaxPool", "AveragePool")),
    *(Case(call(pool, X), shape) for pool in ("GlobalMaxPool", "GlobalAveragePool") for shape in (IMAGE, (2, 3, 5))),
]

LAYERS = [
    *(convolution(floats(5, 4, *window["kernel_shape"]), floats(5), **window) for window in (*WINDOWS, DILATED)),
    convolution(floats(6, 2, 3, 3), group=2),
    convolution(floats(4, 1, 3, 3), floats(4), group=4, pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
    convolution(floats(3, 4, 2), shape=(2, 4, 5)),
    convolution(floats(3, 2, 2, 2, 2), shape=(1, 2, 3, 3, 3)),
    Case(call("BatchNormalization", X, floats(4), floats(4), floats(4), positive(4), epsilon=0.01), IMAGE),
    Case(
        call("BatchNormalization", X, floats(4), floats(4), floats(4), positive(4), training_mode=0), (2, 4), first=14
    ),
    Case(call("InstanceNormalization", X, floats(4), floats(4), epsilon=0.01), IMAGE),
    Case(call("GroupNormalization", X, floats(2), floats(2), num_groups=2), IMAGE, last=20),
    Case(call("GroupNormalization", X, floats(4), floats(4), num_groups=2, epsilon=0.01), IMAGE, first=21),
    Case(call("LayerNormalization", X, floats(6), floats(6), epsilon=0.01), IMAGE),
    Case(call("LayerNormalization", X, floats(7, 6), axis=2), IMAGE),
    Case(call("LayerNormalization", X, floats(6)), (2, 6), first=13, last=16),  # as ONNX Runtime's optimiser writes it
    Case(call("RMSNormalization", X, floats(6)), IMAGE),
    Case(call("RMSNormalization", X, floats(7, 6), axis=-2, epsilon=0.01), IMAGE),
    Case(
        call("com.microsoft.SkipLayerNormalization", X, call("Cos", X), floats(4), floats(4), floats(4)),
        (2, 3, 4),
        first=13,
    ),
    Case(call("com.microsoft.SkipLayerNormalization", X, call("Exp", X), floats(4), epsilon=0.01), (2, 3, 4), first=13),
    *unary("LpNormalization"),
    *unary("LpNormalization", p=1, axis=1),
    Case(call("LRN", X, size=3, alpha=0.1, beta=0.6, bias=2.0), IMAGE),
    Case(call("Attention", X, floats(2, 2, 5, 4), floats(2, 2, 5, 3)), (2, 2, 3, 4)),
    Case(call("Attention", X, X, X, scale=0.3, is_causal=1), (2, 2, 3, 4)),
    Case(call("Attention", X, floats(2, 5, 4), floats(2, 5, 4), q_num_heads=4, kv_num_heads=2), (2, 3, 8)),
    Case(call("Attention", X, X, X, floats(3, 3)), (2, 2, 3, 4)),
    Case(call("Attention", X, X, X, np.eye(3, dtype=bool), is_causal=1), (2, 2, 3, 4)),
]

REDUCTIONS = [f"Reduce{name}" for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum")]
REDUCTIONS.append("ReduceSumSquare")


def reductions(operator: str) -> Iterator[Case]:
    data = call("Exp", X) if operator == "ReduceLogSum" else X
    change = 13 if operator == "ReduceSum" else 18  # from which version the axes are an input
    yield Case(call(operator, data, axes=[1], keepdims=0), (2, 3, 4), last=change - 1)
    yield Case(call(operator, data, axes=[2, 0]), (2, 3, 4), last=change - 1)
    yield Case(call(operator, data, keepdims=0), (2, 3, 4))
    yield Case(call(operator, data, ints(-1)), (2, 3, 4), first=change)
    yield Case(call(operator, data, ints(0, -1), keepdims=0), (2, 3, 4), first=change)
    yield Case(call(operator, data, noop_with_empty_axes=1), (2, 3, 4), first=change)


def before_13(operator: str, before: int = 13, **attributes: Any) -> Case:
    return Case(call(operator, X, **attributes), (2, 1, 4, 1), last=before - 1)


def from_13(operator: str, *inputs: Any, first: int = 13, **attributes: Any) -> Case:
    return Case(call(operator, X, *inputs, **attributes), (2, 1, 4, 1), first=first)


PADS = ints(0, 1, 2, -1, 0, 0, 1, 2)

SHAPES = [
    *unary("Identity", "Dropout", "Flatten", "Transpose", "Shape", "Size"),
    *unary("Dropout", ratio=0.3, last=11),
    Case(call("Dropout", X, np.float32(0.3), np.array(False)), (2, 3), first=12),
    *(case for axis in (0, 1, 2) for case in unary("Flatten", axis=axis)),
    *(case for axis in (-1, 3) for case in unary("Flatten", axis=axis, first=11)),
    *unary("Transpose", perm=[1, 2, 0]),
    *unary("Shape", start=1, first=15),
    *unary("Shape", start=-3, end=-1, first=15),
    *unary("Cast", to=TensorProto.INT32),
    Case(call("Cast", SHAPE, to=TensorProto.FLOAT), (2, 3)),
    Case(call("Mul", X, call("Cast", above(0), to=TensorProto.FLOAT)), (2, 3)),
    Case(call("CastLike", X, np.float32(1)), (2, 3)),
    Case(call("CastLike", SHAPE, X), (2, 3)),
    Case(call("Concat", X, floats(2, 2, 4), NEGATED, axis=1), (2, 3, 4)),
    Case(call("Concat", X, X, axis=-1), (2, 3, 4)),
    Case(call("ConstantOfShape", SHAPE), (2, 3)),
    Case(call("ConstantOfShape", SHAPE, value=onnx.numpy_helper.from_array(ints(3))), (2, 3)),
    Case(call("DepthToSpace", X, blocksize=2), (2, 8, 2, 3)),
    *(Case(call("DepthToSpace", X, blocksize=2, mode=mode), (2, 8, 2, 3), first=11) for mode in ("DCR", "CRD")),
    *(Case(call("Expand", X, shape), (3, 1)) for shape in (ints(2, 3, 4), ints(1, 4), ints(3, 1))),
    *(Case(call("Gather", X, indices), (3, 4)) for indices in (np.int64(1), ints(2, 0), np.array([[0, 1], [2, 2]]))),
    Case(call("Gather", X, ints(2, 0), axis=1), (2, 3, 4)),
    Case(call("Gather", X, ints(-1, 0), axis=-2), (2, 3, 4), first=11),
    Case(call("GatherElements", X, np.array([[0, -1, 1], [2, 0, 0]]), axis=1), (2, 3)),
    *unary("Split", last=12),
    Case(call("Pad", X, pads=PADS.tolist(), value=0.5), (2, 3, 4, 4), last=10),
    *(Case(call("Pad", X, PADS, *value), (2, 3, 4, 4), first=11) for value in ((), (np.float32(0.5),))),
    Case(call("Pad", X, ints(1, 2, 0, 1), None, ints(-1, 1)), (2, 3, 4), first=18),
    *(Case(call("Pad", X, pads=[0, 2, 1, 0, 1, 3], mode=mode), (2, 3, 4), last=10) for mode in ("reflect", "edge")),
    *(Case(call("Pad", X, ints(0, 2, 1, 0, 1, 3), mode=mode), (2, 3, 4), first=11) for mode in ("reflect", "edge")),
    Case(call("Pad", X, ints(0, 2, 1, 0, 1, 3), mode="wrap"), (2, 3, 4), first=19),
    Case(call("Range", np.int64(1), COUNT, np.int64(2)), (2, 6)),
    Case(call("Range", np.float32(0), np.float32(1), call("ReduceMax", call("Abs", X), keepdims=0)), (2, 6)),
    *(
        Case(call("Reshape", X, ints(*shape)), (2, 3, 4))
        for shape in ((0, -1), (-1, 6), (2, 1, 0, -1), (24,), (4, 3, 2))
    ),
    Case(
        call("Reshape", X, call("Concat", call("Slice", SHAPE, ints(0), ints(1)), ints(-1), axis=0)), (2, 3), first=10
    ),
    Case(call("Reshape", X, ints(2, 3, 4), allowzero=1), (2, 12), first=14),
    Case(call("ScatterND", X, np.array([[1, 2], [0, 0]]), floats(2, 4)), (2, 3, 4), first=11),
    Case(call("ScatterND", floats(2, 3), np.array([[[1, 2], [0, -3]]]), X), (1, 2), first=13),
    Case(call("Slice", X, starts=[1, -3], ends=[9, -1]), (2, 5, 4), last=9),
    Case(call("Slice", X, starts=[1], ends=[3], axes=[2]), (2, 5, 4), last=9),
    Case(call("Slice", X, ints(1, -3), ints(9, -1)), (2, 5, 4), first=10),
    Case(call("Slice", X, ints(0, 1), ints(2**63 - 1, 4), ints(-1, 1), ints(2, 1)), (2, 5, 4), first=10),
    Case(call("Slice", X, ints(-1, 3), ints(-(2**63), 0), ints(1, 2), ints(-1, -2)), (2, 5, 4), first=10),
    Case(call("Tile", X, ints(1, 2, 3)), (2, 3, 4)),
    Case(call("Split", X, axis=1, outputs=2), (2, 4), last=17),
    Case(call("Split", X, axis=1, split=[1, 3], outputs=2), (2, 4), last=12),
    Case(call("Split", X, ints(1, 3), axis=-1, outputs=2), (2, 4), first=13),
    Case(call("Split", X, axis=1, num_outputs=3, outputs=3), (2, 7), first=18),
    before_13("Squeeze", axes=[1]),
    before_13("Squeeze", axes=[1, 3]),
    *unary("Squeeze"),
    Case(call("Squeeze", X), (2, 1, 4, 1)),
    from_13("Squeeze", ints(-1)),
    from_13("Squeeze", ints(1, -1)),
    before_13("Unsqueeze", axes=[0, 2]),
    from_13("Unsqueeze", ints(-1, 0)),
    from_13("Unsqueeze", ints(2)),
]

CASES = [
    *ARITHMETIC,
    *LOGIC,
    *ACTIVATIONS,
    *POOLS,
    *LAYERS,
    *SHAPES,
    *(c for name in REDUCTIONS for c in reductions(name)),
]
VERSIONED = [
    pytest.param(case, opset, id=f"{case.call.operator}-{opset}-{number}")
    for number, case in enumerate(CASES)
    for opset in case.opsets()
]


def test_every_operator_has_a_case() -> None:
    assert {case.call.operator for case in CASES} == OPERATORS.keys()


@pytest.mark.parametrize(("case", "opset"), VERSIONED)
def test_operator_agrees_with_onnx_runtime(case: Case, opset: int) -> None:
    x = np.random.default_rng(1).normal(size=case.shape).astype(np.float32)
    model = build(case, opset)
    expected = run_onnx(model, x)
    result = OnnxPart(model.graph, opset)(torch.from_numpy(x))
    assert result.shape == expected.shape
    assert result.numpy().dtype == expected.dtype
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-5)


SMOOTH = [
    pytest.param(case, id=f"{case.call.operator}-{number}")
    for number, case in enumerate(CASES)
    if case.call.operator not in FLAT
]


@pytest.mark.parametrize("case", SMOOTH)
def test_gradient_of_an_operator_agrees_with_differences(case: Case) -> None:
    rng = torch.Generator().manual_seed(0)
    part = OnnxPart(build(case, case.last).graph, case.last).double()
    x = torch.randn(case.shape, generator=rng, dtype=torch.float64, requires_grad=True)
    weights, direction = (torch.randn(t.shape, generator=rng, dtype=torch.float64) for t in (part(x), x))
    (gradient,) = torch.autograd.grad((weights * part(x)).sum(), x)
    with torch.no_grad():
        above, below = (float((weights * part(x + step * direction)).sum()) for step in (1e-6, -1e-6))
    assert gradient.any()
    assert float((gradient * direction).sum()) == pytest.approx((above - below) / 2e-6, rel=1e-5, abs=1e-6)


def node(operator: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [f"y{number}" for number in range(outputs)], domain=domain, **attributes)


@pytest.mark.parametrize(
    ("unsupported", "reason"),
    [
        (node("Resize", "x"), "Resize"),
        (node("Conv", "x", domain="com.example"), "com.example.Conv"),
        (node("BatchNormalization", "x", *"sbmv", training_mode=1), "BatchNormalization with training_mode = 1"),
        (node("Attention", *"qkvmpn"), "Attention with 6 inputs"),
        (node("Attention", *"qkv", softcap=2.0), "Attention with softcap = 2.0"),
        (node("BatchNormalization", "x", *"sbmv", spatial=0), "BatchNormalization with spatial = 0"),
    ],
)
def test_what_an_operator_does_not_support_is_named(unsupported: onnx.NodeProto, reason: str) -> None:
    with pytest.raises(LookupError) as error:
        torch_function(unsupported, NEWEST)
    assert error.value.args == (reason,)


def test_an_input_left_out_at_the_end_counts_as_none() -> None:
    torch_function(node("Attention", *"qkv", "", ""), NEWEST)
