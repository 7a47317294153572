"""The computation graph of a classifier: its operations in order, with their shapes, modules and places in the code."""

from collections.abc import Iterator
from typing import Any

from torch import fx, nn

from export.errors import ExportError
from export.layers import bottlenecks

_ACTIVATIONS = {"softmax": "softmax", "log_softmax": "log_softmax", "logsoftmax": "log_softmax", "sigmoid": "sigmoid"}


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
    return bottlenecks([node for node in graph.nodes if node in depends], lambda node: node.all_input_nodes)


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
