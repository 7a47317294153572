"""The layers at which a classifier can be explained: the cuts between features and head, and the default one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, fx, nn

from export.errors import ExportError
from export.graph import (
    ancestors,
    dominators,
    final_activation,
    module_paths,
    operation_name,
    output_node,
    segment,
    trace_graph,
)
from export.trace import Permute, SplitClassifier

_NHWC_TO_NCHW, _NCHW_TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
_UNCHANGED = ("dropout", "identity")  # in the names of operations that change nothing in evaluation mode
_MAX_STRETCH = 1.2  # ratio of the scales of both axes, which rounding makes differ


@dataclass(frozen=True)
class Cut:
    """A feature map on which the whole rest of the model depends."""

    name: str  # of the outermost module that returns it, else of the operation that computes it
    node: fx.Node
    shape: tuple[int, int, int]  # (C, h, w)
    channels_last: bool  # whether the model keeps it as (h, w, C)


class ClassifierGraph:
    """A classifier, the layers at which it can be cut, and what follows its scores."""

    def __init__(self, model: nn.Module, x: Tensor):
        """Trace a model in evaluation mode with inputs `x`, (N, 3, H, W) with N > 1.

        Raise ExportError if it cannot be traced, or does not return scores (N, K).
        """
        self.module = trace_graph(model, x)
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
        size = (x.shape[2], x.shape[3])
        chain = list(dominators(graph, self.scores))
        cuts = (self._to_cut(node, size) for node in chain if node not in (self._input, self.scores))
        self.cuts: list[Cut] = [cut for cut in cuts if cut is not None]
        self._tokens = [node for node in chain if len(node.meta.get("shape", ())) == 3 and node.meta["shape"][1] > 1]

    @property
    def default(self) -> Cut:
        """Return the last cut with weights after it; raise ExportError if there is none.

        What a dropout or an identity returns is the same map: of such cuts, the one with the shortest path is taken.
        """
        same: list[Cut] = []
        for cut in reversed(self.cuts):
            if not same and not _has_weights(segment(self.module, cut.node, self.scores)):
                continue
            same.append(cut)
            if not any(word in operation_name(cut.node, self.module) for word in _UNCHANGED):
                self._refuse_tokens(cut)
                return min(reversed(same), key=lambda cut: cut.name.count("."))
        raise ExportError(
            "the model has no feature map of more than one place on which all that follows depends: it cannot be "
            "explained by class activation maps"
        )

    def find(self, name: str) -> Cut:
        """Return the cut at a module or an operation of the graph.

        Raise ExportError if there is none of that name, or if it is no cut; the message names the two nearest.
        """
        number = self._number_of(name)
        for cut in self.cuts:
            if self._nodes[number] is cut.node:
                return cut
        shape = self._nodes[number].meta.get("shape", ())
        problem = "is no feature map of more than one place"
        if len(shape) == 4 and shape[2] * shape[3] > 1:
            problem = "is not all that the rest of the model depends on: other connections pass it"
        raise ExportError(f"the layer {name!r} {problem}: choose {self._nearest(number)}")

    def split(self, cuts: Sequence[Cut], ending: nn.Module | None = None) -> SplitClassifier:
        """Return the model split at these cuts, of which the first is the target layer; `ending` follows the scores."""
        order = sorted(cuts, key=lambda cut: self._nodes.index(cut.node))
        bounds = [self._input, *(cut.node for cut in order), self.scores]
        parts: list[nn.Module] = []
        for number, (start, end) in enumerate(pairwise(bounds)):
            steps: list[nn.Module] = [segment(self.module, start, end)]
            if number > 0 and order[number - 1].channels_last:
                steps.insert(0, Permute(_NCHW_TO_NHWC))
            if number < len(order) and order[number].channels_last:
                steps.append(Permute(_NHWC_TO_NCHW))
            if number == len(order) and ending is not None:
                steps.append(ending)
            parts.append(nn.Sequential(*steps) if len(steps) > 1 else steps[0])
        return SplitClassifier(parts, [order.index(cut) + 1 for cut in cuts]).eval()

    def _to_cut(self, node: fx.Node, size: tuple[int, int]) -> Cut | None:
        shape = node.meta.get("shape", ())
        if len(shape) != 4:
            return None
        _, first, second, third = shape
        for channels_last, (channels, height, width) in (
            (False, (first, second, third)),
            (True, (third, first, second)),
        ):
            scales = size[0] / height, size[1] / width
            if height * width > 1 and min(scales) >= 1 and max(scales) <= _MAX_STRETCH * min(scales):
                return Cut(self._names[node], node, (channels, height, width), channels_last)
        return None

    def _refuse_tokens(self, cut: Cut) -> None:
        """Raise ExportError if the model goes on with tokens after its last feature map, as vision transformers do."""
        position = self._nodes.index(cut.node)
        for node in self._tokens:
            if self._nodes.index(node) > position and _has_weights(segment(self.module, cut.node, node)):
                raise ExportError(
                    f"the model is a transformer: after the feature map {cut.name} it works on tokens, which cannot be "
                    f"explained; --layer {cut.name} shows what its first layer responds to"
                )

    def _number_of(self, name: str) -> int:
        """Return the position of the node that a name stands for: the last one of a module, or an operation."""
        needed = ancestors(self.scores)
        for number in reversed(range(len(self._nodes))):
            node = self._nodes[number]
            if node in needed and (name in module_paths(node) or self._names.get(node) == name):
                return number
        last = ", ".join(cut.name for cut in self.cuts[-4:]) or "none can be used"
        raise ExportError(f"the model has no layer {name!r}: --list-layers prints all; the last are {last}")

    def _nearest(self, number: int) -> str:
        positions = {cut.name: self._nodes.index(cut.node) for cut in self.cuts}
        nearest = sorted(positions, key=lambda name: abs(positions[name] - number))[:2]
        return " or ".join(sorted(nearest, key=positions.__getitem__)) or "another model: this one has no layer to use"


def _has_weights(part: nn.Module) -> bool:
    return next(part.parameters(), None) is not None


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
