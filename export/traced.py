"""A torch module with its graph, as a model that can be split at its layers."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from camcore.model.manifest import InputLayout
from export.errors import ExportError
from export.graph import (
    ancestors,
    dominators,
    final_activation,
    module_paths,
    operation_name,
    output_node,
    segment,
)
from export.layers import Cut, LayeredModel
from export.trace import BATCH, Permute, SplitClassifier, to_onnx
from export.tracing import TensorRecorder, trace_graph

_UNCHANGED = ("dropout", "identity")  # in the names of operations that change nothing in evaluation mode


class ClassifierGraph(LayeredModel):
    """A torch module, the layers at which it can be cut, and what follows its scores."""

    def __init__(self, model: nn.Module, size: tuple[int, int], input_layout: InputLayout = "NCHW"):
        """Trace a model in evaluation mode for photos of `size` (H, W).

        Raise ExportError if it cannot be traced, or does not return scores (N, K).
        """
        self._size, self.input_layout = size, input_layout
        self.whole = model if input_layout == "NCHW" else nn.Sequential(Permute((0, 2, 3, 1)), model).eval()
        device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), None)
        x = torch.zeros(BATCH, 3, *size, device=device)
        self.module = trace_graph(self.whole, x)
        graph = self.module.graph
        self._input = next(node for node in graph.nodes if node.op == "placeholder")
        output = output_node(graph)
        if len(output.meta["shape"]) != 2 or output.meta["shape"][0] != len(x):
            raise ExportError(
                f"the model returns a tensor of shape {output.meta['shape']} for {len(x)} photos: let it return one "
                "row of scores per photo, (N, K) for K classes"
            )
        self.scores, self.activation = final_activation(output, self.module)
        self.classes: int = output.meta["shape"][1]
        self._nodes: list[fx.Node] = list(graph.nodes)
        self._names = _node_names(self._nodes, ancestors(self.scores), self.module)
        chain = [node for node in dominators(graph, self.scores) if node not in (self._input, self.scores)]
        self._find_cuts([(node, self._names[node], node.meta.get("shape", ())) for node in chain], len(x), size)

    def split(self, cuts: Sequence[Cut], ending: nn.Module | None = None) -> SplitClassifier:
        """Return the model split at these cuts, of which the first is the target layer; `ending` follows the scores."""
        order = sorted(cuts, key=lambda cut: self._position(cut.node))
        bounds = [self._input, *(cut.node for cut in order), self.scores]
        parts = [segment(self.module, start, end) for start, end in pairwise(bounds)]
        return SplitClassifier(parts, [order.index(cut) + 1 for cut in cuts], ending).eval()

    def write_onnx(self, split: SplitClassifier, cuts: Sequence[Cut], path: Path) -> None:
        """Write the split model as an ONNX file that maps `input` to `logits` and `activations`; see `to_onnx`."""
        to_onnx(split, self._size, path)

    def has_weights_after(self, cut: Cut) -> bool:
        """Return whether the scores are computed from the cut with weights."""
        return next(segment(self.module, cut.node, self.scores).parameters(), None) is not None

    def is_unchanged(self, cut: Cut) -> bool:
        """Return whether the cut is what went into its operation: a dropout, an identity or a slice of everything."""
        name = operation_name(cut.node, self.module)
        is_whole = name == "slice" and cut.node.meta["shape"] == cut.node.all_input_nodes[0].meta["shape"]
        return is_whole or any(word in name for word in _UNCHANGED)

    def _number_of(self, name: str) -> int:
        """Return the position of the node that a name stands for: the last one of a module, or an operation."""
        needed = ancestors(self.scores)
        for number in reversed(range(len(self._nodes))):
            node = self._nodes[number]
            if node in needed and (name in module_paths(node) or self._names.get(node) == name):
                return number
        raise self._unknown_layer(name)

    def _shape_at(self, position: int) -> tuple[int, ...]:
        shape: tuple[int, ...] = self._nodes[position].meta.get("shape", ())
        return shape

    def _run_to(self, node: fx.Node, x: Tensor) -> Tensor:
        recorder = TensorRecorder(self.module, [node])
        with torch.no_grad():
            recorder.run(x)
        return recorder.tensors[node]


def _node_names(nodes: Sequence[fx.Node], needed: set[fx.Node], module: fx.GraphModule) -> dict[fx.Node, str]:
    """Return unique names: that of the outermost module whose last operation a node is, else module and operation."""
    last: dict[str, fx.Node] = {}
    for node in nodes:
        if node in needed:
            last |= dict.fromkeys(module_paths(node), node)
    names, count = {}, Counter[str]()
    for node in nodes:
        if node.op in ("placeholder", "get_attr", "output"):
            continue
        paths = module_paths(node)
        ends = [path for path in paths if last.get(path) is node]
        name = ends[0] if ends else ".".join([*paths[-1:], operation_name(node, module)])
        count[name] += 1
        names[node] = name if count[name] == 1 else f"{name}_{count[name] - 1}"
    return names
