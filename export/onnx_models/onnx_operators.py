"""The ONNX operators that a head may contain, as functions of torch.

The parameters of a function are the operator's inputs in order, then those attributes, under their names in the
specification (https://onnx.ai/onnx/operators/), that affect the result. `opset` and `outputs`, where a function takes
them, are the version of the operator set and the number of the node's outputs.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor
from torch.nn import functional

from export.onnx_models.onnx_layer_operators import LAYER_OPERATORS, layer_norm
from export.onnx_models.onnx_shape_operators import SHAPE_OPERATORS, flatten

DEFAULT_DOMAINS = ("", "ai.onnx")
SEVERAL_OUTPUTS = {"Split", "SkipLayerNormalization"}
# Attributes without effect in evaluation and in float32; the number of outputs is that of the node.
_IGNORED = {"momentum", "num_outputs", "ratio", "round_mode", "saturate", "seed", "softmax_precision", "stash_type",
            "storage_order"}  # fmt: skip


def _clip(x: Tensor, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002 — the names of the attributes
    return x if min is None and max is None else x.clamp(min, max)


def _softmax(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a softmax along one axis or, before version 13, over all axes from `axis` on."""
    return lambda x, axis, opset: (
        function(x, axis) if opset >= 13 else function(flatten(x, axis=axis), -1).reshape_as(x)
    )


def _matmul(a: Tensor, b: Tensor, *, alpha: float = 1.0, transA: int = 0, transB: int = 0) -> Tensor:  # noqa: N803
    product = (a.mT if transA else a) @ (b.mT if transB else b)
    return product if alpha == 1 else alpha * product


def _gemm(a: Tensor, b: Tensor, c: Tensor | None = None, *, beta: float, **product: Any) -> Tensor:
    result = _matmul(a, b, **product)
    return result if c is None else torch.add(result, c, alpha=beta)


def _skip_layer_norm(
    x: Tensor, skip: Tensor, gamma: Tensor, beta: Tensor | None = None, bias: Tensor | None = None, *,
    epsilon: float = 1e-12,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    total = x + skip if bias is None else x + skip + bias
    return layer_norm(total, gamma, beta, epsilon=epsilon), None, None, total


def _fold(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *inputs: functools.reduce(function, inputs)


OPERATORS: dict[str, Callable[..., Any]] = {
    **SHAPE_OPERATORS,
    **LAYER_OPERATORS,
    # arithmetic
    "Abs": lambda x: x.abs(),
    "Add": lambda a, b: a + b,
    "Ceil": lambda x: x.ceil(),
    "Clip": _clip,
    "Cos": lambda x: x.cos(),
    "Div": lambda a, b: a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc"),
    "Einsum": lambda *inputs, equation: torch.einsum(equation, *inputs),
    "Erf": lambda x: x.erf(),
    "Exp": lambda x: x.exp(),
    "Floor": lambda x: x.floor(),
    "Gemm": _gemm,
    "Log": lambda x: x.log(),
    "MatMul": _matmul,
    "Max": _fold(torch.maximum),
    "Mean": lambda *inputs: functools.reduce(torch.add, inputs) / len(inputs),
    "Min": _fold(torch.minimum),
    "Mod": lambda a, b, fmod: a.fmod(b) if fmod else a.remainder(b),
    "Mul": lambda a, b: a * b,
    "Neg": lambda x: -x,
    "Pow": lambda x, exponent: x.pow(exponent).to(x.dtype),
    "Reciprocal": lambda x: x.reciprocal(),
    "Round": lambda x: x.round(),  # to even, as in ONNX
    "Sign": lambda x: x.sign(),
    "Sin": lambda x: x.sin(),
    "Sqrt": lambda x: x.sqrt(),
    "Sub": lambda a, b: a - b,
    "Sum": _fold(torch.add),
    # logic
    "And": lambda a, b: a & b,
    "Equal": lambda a, b: a == b,
    "Greater": lambda a, b: a > b,
    "GreaterOrEqual": lambda a, b: a >= b,
    "IsNaN": lambda x: x.isnan(),
    "Less": lambda a, b: a < b,
    "LessOrEqual": lambda a, b: a <= b,
    "Not": lambda x: ~x,
    "Or": lambda a, b: a | b,
    "Where": lambda condition, a, b: a.where(condition, b),
    # activations
    "Celu": functional.celu,
    "Elu": functional.elu,
    "Gelu": lambda x, approximate: functional.gelu(x, approximate=approximate),
    "HardSigmoid": lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1),
    "HardSwish": functional.hardswish,
    "LeakyRelu": lambda x, alpha: functional.leaky_relu(x, negative_slope=alpha),
    "LogSoftmax": _softmax(torch.log_softmax),
    "Mish": functional.mish,
    "PRelu": lambda x, slope: torch.where(x < 0, slope * x, x),
    "Relu": lambda x: x.relu(),
    "Selu": lambda x, alpha, gamma: gamma * functional.elu(x, alpha),
    "Sigmoid": lambda x: x.sigmoid(),
    "Softmax": _softmax(torch.softmax),
    "Softplus": lambda x: -functional.logsigmoid(-x),
    "Softsign": functional.softsign,
    "Swish": lambda x, alpha: x * (alpha * x).sigmoid(),
    "Tanh": lambda x: x.tanh(),
    "ThresholdedRelu": lambda x, alpha: functional.threshold(x, alpha, 0.0),
    # operators of ONNX Runtime, into which its optimised models join others
    "com.microsoft.FusedMatMul": _matmul,
    "com.microsoft.Gelu": lambda x: functional.gelu(x, approximate="none"),
    "com.microsoft.SkipLayerNormalization": _skip_layer_norm,
}


def to_tensor(array: np.typing.NDArray[Any]) -> Tensor:
    """Return an array as a tensor, half precision as float32."""
    half = array.dtype.name in ("float16", "bfloat16")
    return torch.from_numpy(np.array(array, dtype=np.float32 if half else None))


def _attribute_value(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return to_tensor(onnx.numpy_helper.to_array(value))
    return value.decode() if isinstance(value, bytes) else value


def _default_attributes(node: onnx.NodeProto, opset: int) -> dict[str, Any]:
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    except onnx.defs.SchemaError:  # of ONNX Runtime, which also knows LayerNormalization before version 17
        return {}
    attributes = (attribute.default_value for attribute in schema.attributes.values())
    return {attribute.name: _attribute_value(attribute) for attribute in attributes if attribute.name}


def input_names(node: onnx.NodeProto) -> tuple[str, ...]:
    """Return the names of a node's inputs, "" for one that is left out, as the last never is."""
    count = max((number for number, name in enumerate(node.input, 1) if name), default=0)
    return tuple(node.input[:count])


def torch_function(node: onnx.NodeProto, opset: int) -> Callable[..., Any]:
    """Return what a node computes, as a function of its inputs as tensors, None for one that is left out.

    It returns one tensor, or a tuple of tensors for SEVERAL_OUTPUTS. `opset` is the version of the node's domain. Raise
    LookupError, with the operator and what is unsupported of it, if the table lacks it.
    """
    name = node.op_type if node.domain in DEFAULT_DOMAINS else f"{node.domain}.{node.op_type}"
    if name not in OPERATORS:
        raise LookupError(name)
    parameters = inspect.signature(OPERATORS[name]).parameters.values()
    names, any_name = {parameter.name for parameter in parameters}, inspect.Parameter.VAR_KEYWORD
    defaults = _default_attributes(node, opset)
    attributes = {attribute.name: _attribute_value(attribute) for attribute in node.attribute}
    if any(parameter.kind == any_name for parameter in parameters):
        names |= (attributes.keys() | defaults.keys()) - _IGNORED
    for attribute, value in attributes.items():
        if attribute not in names | _IGNORED and value != defaults.get(attribute):
            raise LookupError(f"{name} with {attribute} = {value}")
    settings = {"opset": opset, "outputs": len(node.output)} | defaults | attributes
    function = functools.partial(OPERATORS[name], **{key: settings[key] for key in settings.keys() & names})
    try:
        inspect.signature(function).bind(*input_names(node))
    except TypeError as error:
        raise LookupError(f"{name} with {len(node.input)} inputs") from error
    return function
