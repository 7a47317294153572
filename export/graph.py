"""The computation graph of a classifier: its operations in order, with their shapes, modules and places in the code."""

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from export.errors import ExportError, describe_error, user_line

_ACTIVATIONS = {"softmax": "softmax", "log_softmax": "log_softmax", "logsoftmax": "log_softmax", "sigmoid": "sigmoid"}


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
        return torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()


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


def output_node(graph: fx.Graph) -> fx.Node:
    """Return the node whose result the model returns; raise ExportError if that is not one tensor."""
    (result,) = next(node for node in reversed(graph.nodes) if node.op == "output").args
    if isinstance(result, tuple | list) and len(result) == 1:
        (result,) = result
    if not isinstance(result, fx.Node) or "shape" not in result.meta:
        kind = next((kind.__name__ for kind in (tuple, list, dict) if isinstance(result, kind)), "")
        kind = f"a {kind}" if kind else "no tensor"
        raise ExportError(f"the model returns {kind}: let it return one tensor of scores, (N, K) for K classes")
    return result


def final_activation(node: fx.Node, module: nn.Module) -> tuple[fx.Node, str]:
    """Return the node of the scores before a final activation, and "softmax", "log_softmax", "sigmoid", or "" for none.

    A logarithm of a softmax has the differences of the logits, and the same softmax.
    """
    activation = _ACTIVATIONS.get(operation_name(node, module).strip("_"), "")
    return (node.all_input_nodes[0], activation) if activation else (node, "")


def operation_name(node: fx.Node, module: nn.Module) -> str:
    """Return the name of a node's operation in lower case: that of its module's class, function or method."""
    if node.op == "call_module":
        return type(module.get_submodule(str(node.target))).__name__.lower()
    return call_name(node)


def call_name(node: fx.Node) -> str:
    """Return the name of a node's function or method in lower case."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return name.split(".")[0].lower()


def module_paths(node: fx.Node) -> list[str]:
    """Return the paths of the modules in which a node is computed, the outermost first, without the model itself."""
    stack: dict[str, tuple[str, Any]] = node.meta.get("nn_module_stack") or {}
    return [path for path, _ in stack.values() if path]


def is_batch_size(node: fx.Node) -> bool:
    """Return whether a node asks a tensor for the length of its first axis, and that is the number of photos.

    A tensor of windows, as in Swin, has several rows for each photo.
    """
    name = call_name(node)
    if name not in ("size", "sym_size", "getitem") or len(node.args) != 2 or not isinstance(node.args[1], int):
        return False
    sizes = node.args[0]
    if node.args[1] != 0 or not isinstance(sizes, fx.Node):
        return False
    if name == "getitem" and sizes.args[1:] != ("shape",) and (call_name(sizes) != "size" or len(sizes.args) != 1):
        return False
    tensor = sizes.args[0] if name == "getitem" else sizes
    photos = next(entry for entry in node.graph.nodes if entry.op == "placeholder" and "shape" in entry.meta)
    return isinstance(tensor, fx.Node) and tensor.meta.get("shape", (None,))[0] == photos.meta["shape"][0]


def ancestors(end: fx.Node, start: fx.Node | None = None) -> set[fx.Node]:
    """Return the nodes that `end` is computed from, itself included; the search does not go beyond `start`.

    It does not go beyond the number of photos either, which any tensor can tell.
    """
    nodes, waiting = set(), [end]
    while waiting:
        node = waiting.pop()
        if node not in nodes:
            nodes.add(node)
            waiting += [] if node is start or is_batch_size(node) else node.all_input_nodes
    return nodes


def dominators(graph: fx.Graph, end: fx.Node) -> Iterator[fx.Node]:
    """Yield, in order, the nodes through which everything passes that `end` takes from the model's input.

    They are those after which nothing else that depends on the input is still needed: no connection skips them.
    """
    needed, depends = ancestors(end), set[fx.Node]()
    for node in graph.nodes:
        of_input = node.op == "placeholder" or depends.intersection(node.all_input_nodes)
        if node in needed and of_input and not is_batch_size(node):
            depends.add(node)
    order = [node for node in graph.nodes if node in depends]
    last_use = {node: number for number, user in enumerate(order) for node in user.all_input_nodes}
    alive: set[fx.Node] = set()
    yielded = None
    for number, node in enumerate(order):
        alive = {other for other in alive if last_use[other] > number} | {node}
        if len(alive) == 1 and (only := next(iter(alive))) is not yielded:
            yielded = only
            yield only


def segment(module: fx.GraphModule, start: fx.Node, end: fx.Node) -> fx.GraphModule:
    """Return the part of a graph that computes `end` from `start` alone."""
    graph, needed = fx.Graph(), ancestors(end, start)
    copies = {start: graph.placeholder("x")}
    for node in module.graph.nodes:
        if node in needed and is_batch_size(node):
            copies[node] = graph.call_method("size", (copies[start], 0))
        elif node in needed and node is not start:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[end])
    return fx.GraphModule(module, graph)


def weight_names(part: nn.Module) -> list[str]:
    """Return the names of the weight matrices of a part of a graph, in the order in which they are used."""
    if not isinstance(part, fx.GraphModule):
        return []
    tensors = dict(part.named_parameters(remove_duplicate=False))
    names = []
    for node in part.graph.nodes:
        target = str(node.target)
        names += [name for name in (target, f"{target}.weight") if name in tensors and tensors[name].ndim > 1]
    return list(dict.fromkeys(names))
