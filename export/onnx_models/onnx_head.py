"""The head of a classifier in ONNX as a torch module, which can be differentiated and traced."""

import keyword
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from export.errors import ExportError
from export.onnx_models.onnx_operators import DEFAULT_DOMAINS, SEVERAL_OUTPUTS, input_names, to_tensor, torch_function

# INT8 and UINT8 are what DequantizeLinear computes weights from.
_WEIGHT_TYPES = {
    getattr(onnx.TensorProto, name) for name in ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE", "INT8", "UINT8")
}
_GRAPH_TYPES = {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}
_IR_VERSION = 10  # ONNX Runtime refuses versions newer than its own
_REMEDY = "choose a later layer with --layer, after them, or export the model from its Python code"


@dataclass(frozen=True)
class OnnxStep:
    """One node as a function of the values with these names; "" is an input that is left out."""

    function: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class OnnxPart(nn.Module):
    """Computes the output of an ONNX graph from its one input, in float32.

    Weights and biases are parameters without gradient, in the order in which they are used; a parameter has the name
    of its initialiser, with "_" for what is neither letter nor digit. Scalars, shapes and indices are constants.
    `opset` is the version of the default operator set, or of each domain. A trace holds for the shape of its example.
    Raise ExportError, with all nodes at fault, if an operator is unsupported, or if the graph needs another input.
    """

    def __init__(self, graph: onnx.GraphProto, opset: Mapping[str, int] | int):
        super().__init__()
        domains = {"": opset} if isinstance(opset, int) else opset
        versions = {"" if name in DEFAULT_DOMAINS else name: version for name, version in domains.items()}
        tensors = {tensor.name: tensor for tensor in graph.initializer}
        (self._input,) = (entry.name for entry in graph.input if entry.name not in tensors)
        self._output = graph.output[0].name
        constant, variable, origins = _split_nodes(_needed_nodes(graph), tensors)
        self._steps = _to_steps(variable, versions, self._output)
        names = dict.fromkeys([name for step in self._steps for name in step.inputs] + [self._output])
        computed = {self._input, "", *(name for step in self._steps for name in step.outputs)}
        values = _evaluate(constant, tensors, [name for name in names if name not in computed], versions)
        self._constants, self._parameter_names = dict[str, Tensor](), dict[str, str]()
        for name, value in values.items():
            if name in origins and value.is_floating_point() and value.ndim and value.numel() > 1:
                self._parameter_names[name] = self._free_name(origins[name])
                self.register_parameter(self._parameter_names[name], nn.Parameter(value, requires_grad=False))
            else:
                self._constants[name] = value

    def _free_name(self, name: str) -> str:
        name = re.sub(r"\W", "_", name, flags=re.ASCII)
        while hasattr(self, name) or keyword.iskeyword(name):  # TorchScript writes parameters as Python
            name += "_"
        return name

    @property
    def weight_names(self) -> list[str]:
        """Return the names of the parameters with two or more axes, in the order in which they are used."""
        return [name for name, tensor in self.named_parameters() if tensor.ndim > 1]

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the graph for its input `x`."""
        parameters = {name: self.get_parameter(parameter) for name, parameter in self._parameter_names.items()}
        values: dict[str, Tensor] = {**parameters, **self._constants, self._input: x}
        tracer_warning: type[Warning] = torch.jit.TracerWarning  # type: ignore[attr-defined]
        with warnings.catch_warnings(action="ignore", category=tracer_warning):  # a trace is for one shape
            for step in self._steps:
                result = step.function(*(values[name] if name else None for name in step.inputs))
                values |= zip(step.outputs, result if isinstance(result, tuple) else (result,), strict=False)
        return values[self._output]


def _needed_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes of a graph, in order, on which its output depends."""
    needed, nodes = {graph.output[0].name}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(input_names(node))
            nodes.append(node)
    return nodes[::-1]


def _split_nodes(
    nodes: Sequence[onnx.NodeProto], tensors: Mapping[str, onnx.TensorProto]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto], dict[str, str]]:
    """Return the nodes that depend on constants alone, the others, and which weight a constant is computed from."""
    constants, constant, variable = {*tensors, ""}, [], []
    origins = {name: name for name, tensor in tensors.items() if tensor.dims and tensor.data_type in _WEIGHT_TYPES}
    for node in nodes:
        has_graph = any(attribute.type in _GRAPH_TYPES for attribute in node.attribute)
        if has_graph or not constants.issuperset(node.input):
            variable.append(node)
            continue
        constant.append(node)
        constants.update(node.output)
        origin = next((origins[name] for name in node.input if name in origins), None)
        origins |= dict.fromkeys(node.output, origin) if origin else {}
    return constant, variable, origins


def _to_steps(nodes: Sequence[onnx.NodeProto], versions: Mapping[str, int], output: str) -> list[OnnxStep]:
    used, steps, problems = {output, *(name for node in nodes for name in node.input)} - {""}, [], dict[str, str]()
    for node in nodes:
        try:
            function = torch_function(node, versions.get("" if node.domain in DEFAULT_DOMAINS else node.domain, 1))
            if (number := len(used.intersection(node.output[1:]))) and node.op_type not in SEVERAL_OUTPUTS:
                raise LookupError(f"{node.op_type} with {number + 1} outputs")  # noqa: TRY301
        except LookupError as error:
            problems.setdefault(error.args[0], node.name or node.output[0])
        else:
            steps.append(OnnxStep(function, input_names(node), tuple(node.output)))
    if problems:
        listed = ", ".join(f"{problem} (node {name!r})" for problem, name in problems.items())
        raise ExportError(f"operators after the layer cannot be computed in torch: {listed}: {_REMEDY}")
    return steps


def _evaluate(
    nodes: Sequence[onnx.NodeProto],
    tensors: Mapping[str, onnx.TensorProto],
    names: list[str],
    versions: Mapping[str, int],
) -> dict[str, Tensor]:
    """Return the weights with these names, and what nodes compute from weights alone, as tensors."""
    if not names:
        return {}
    used = {*names, *(name for node in nodes for name in node.input)}
    if others := [name for name in names if name not in tensors and not any(name in node.output for node in nodes)]:
        listed = ", ".join(map(repr, others))
        raise ExportError(f"the operators after the layer also need {listed}: choose another layer with --layer")
    outputs = [onnx.ValueInfoProto(name=name) for name in names]
    initialisers = [tensor for name, tensor in tensors.items() if name in used]
    graph = onnx.helper.make_graph(nodes, "constants", [], outputs, initialisers)
    operators = [onnx.helper.make_opsetid(domain, version) for domain, version in versions.items()]
    model = onnx.helper.make_model(graph, opset_imports=operators, ir_version=_IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, map(to_tensor, session.run(names, {})), strict=True))
