"""Tracing of a torch module into a graph, and what a run of the graph tells about its nodes."""

import io
import warnings
from collections.abc import Iterable
from contextlib import redirect_stderr
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from export.errors import ExportError, describe_error, user_line
from export.graph import call_name

_TRACEABLE = {torch.ops.aten.sym_size.int: "size", torch.ops.aten.fill.Scalar: "full_like"}  # by `torch.jit.trace`


def trace_graph(model: nn.Module, x: Tensor) -> fx.GraphModule:
    """Return the graph of a model in evaluation mode, for inputs like `x` with any batch size, and with its shapes.

    `torch.fx` keeps the model's modules. Where it fails, because the code depends on values or shapes of the input,
    `torch.export` is tried, which records operations for this input size. Raise ExportError, with the line of code at
    which it fails, if the model does not take `x`, or if neither can trace it.
    """
    reason = line = ""
    with torch.no_grad():
        _check_input(model, x)
        for trace in (_symbolic_graph, _export_graph):
            try:
                module = trace(model, x)
                _fold_constants(module, x)
                ShapeRecorder(module).run(x)
            except Exception as error:  # anything that the model's code raises for a symbol in place of a tensor
                line = user_line(error) or line
                reason = type(error).__name__ + line
            else:
                return module
    problem = f"the model cannot be traced, neither by torch.fx nor by torch.export ({reason})"
    raise ExportError(f"{problem}: write this line so that it does not depend on the values of the input")


def _check_input(model: nn.Module, x: Tensor) -> None:
    try:
        model(x)
    except Exception as error:  # anything that the model's code raises
        problem = f"the model fails on an input of {x.shape[2]} × {x.shape[3]} pixels with {describe_error(error)}"
        remedy = "mend the model, or choose another input with --size or --input-layout"
        raise ExportError(f"{problem}: {remedy}") from error


def _symbolic_graph(model: nn.Module, _x: Tensor) -> fx.GraphModule:
    return fx.GraphModule(model, fx.Tracer().trace(model))


def _export_graph(model: nn.Module, x: Tensor) -> fx.GraphModule:
    # torch prints the graph at which it fails
    with warnings.catch_warnings(action="ignore"), redirect_stderr(io.StringIO()):
        program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        if any(map(_changes_an_input, program.graph.nodes)):
            program = program.run_decompositions({})
        module = program.module()
    _call_by_methods(module)
    return module


def _changes_an_input(node: fx.Node) -> bool:
    """Return whether a node is an assignment, such as `table[0] = 1`, whose effect no connection shows."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable and not node.users


def _call_by_methods(module: fx.GraphModule) -> None:
    """Let operations that read a size, or take one that depends on the batch, run as methods or functions of torch.

    `torch.jit.trace` writes such sizes as constants in calls of `torch.ops`, of which the graph of `torch.export` has
    only such; in calls of Python's own methods it records where they come from.
    """
    for node in module.graph.nodes:
        takes_size = any(isinstance(source.meta.get("val"), torch.SymInt) for source in node.all_input_nodes)
        if isinstance(node.target, torch._ops.OpOverload) and (takes_size or node.target in _TRACEABLE):
            name = _TRACEABLE.get(node.target, call_name(node))
            if hasattr(Tensor, name):
                node.op, node.target = "call_method", name
            elif hasattr(torch, name):
                node.target = getattr(torch, name)
    module.recompile()


class ShapeRecorder(fx.Interpreter):
    """Runs a graph, stores the shape of each tensor in the node's `meta`, and keeps what is no tensor in `values`."""

    def __init__(self, module: fx.GraphModule):
        super().__init__(module)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run a node, and store the shape of its result if that is a tensor."""
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["shape"] = tuple(result.shape)
        else:
            self.values[n] = result
        return result


class TensorRecorder(fx.Interpreter):
    """Runs a graph, and keeps the tensors of some nodes in `tensors`."""

    def __init__(self, module: fx.GraphModule, nodes: Iterable[fx.Node]):
        super().__init__(module)
        self._nodes = set(nodes)
        self.tensors: dict[fx.Node, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run a node, and keep its result if it is one of the chosen nodes."""
        result = super().run_node(n)
        if n in self._nodes:
            self.tensors[n] = result
        return result


def _fold_constants(module: fx.GraphModule, x: Tensor) -> None:
    """Write sizes that are the same for every batch, and optional arguments, as constants where they are used.

    They would seem to depend on the photo, and so to pass every layer.
    """
    few, more = ShapeRecorder(module), ShapeRecorder(module)
    few.run(x)
    more.run(torch.cat([x, x[:1]]))
    for node, value in few.values.items():
        if node.op != "output" and _is_size(value) and more.values[node] == value:
            for user in list(node.users):
                fold = partial(_constant_for, node, value)
                user.args, user.kwargs = fx.map_arg(user.args, fold), fx.map_arg(user.kwargs, fold)
    module.recompile()


def _is_size(value: Any) -> bool:
    sizes = value if isinstance(value, tuple) else (value,)
    return all(size is None or isinstance(size, int) for size in sizes)


def _constant_for(node: fx.Node, value: Any, argument: fx.Node) -> Any:
    return value if argument is node else argument
