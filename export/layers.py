"""The layers at which a classifier can be explained: the cuts between features and head, and the default one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from camcore.model.layer import Layer
from camcore.model.manifest import InputLayout
from export.errors import ExportError
from export.tokens import locate_tokens, scales_match
from export.trace import SplitClassifier


@dataclass(frozen=True)
class Cut:
    """A feature map, or a table of tokens, on which the whole rest of the model depends."""

    layer: Layer  # whether its head is linear, and whether it is signed, is measured later
    node: Any  # of the graph, where it is computed

    @property
    def name(self) -> str:
        """Return the name of the layer: of the outermost module that returns it, else of its operation."""
        return self.layer.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the shape (C, h, w) of the activations."""
        return self.layer.channels, *self.layer.map_size


class LayeredModel(ABC):
    """A classifier with a graph of operations, and the layers at which it can be split.

    Attributes:
        whole: the model itself; it takes (N, 3, H, W) and returns its scores.
        classes: number of its scores.
        activation: what the model applies to its scores at the end; see `choose_head`.
        input_layout: order of the axes of its own input.
        cuts: the layers, in the order of the graph.
    """

    whole: nn.Module
    classes: int
    activation: str
    input_layout: InputLayout
    cuts: list[Cut]
    _nodes: Sequence[Any]  # of the graph, in order

    @abstractmethod
    def split(self, cuts: Sequence[Cut], ending: nn.Module | None = None) -> SplitClassifier:
        """Return the model split at these cuts, of which the first is the target layer; `ending` follows the scores."""

    @abstractmethod
    def write_onnx(self, split: SplitClassifier, cuts: Sequence[Cut], path: Path) -> None:
        """Write the split model as an ONNX file that maps `input` to `logits` and `activations`; see `to_onnx`."""

    @abstractmethod
    def has_weights_after(self, cut: Cut) -> bool:
        """Return whether the scores are computed from the cut with weights."""

    @abstractmethod
    def is_unchanged(self, cut: Cut) -> bool:
        """Return whether the cut is what went into its operation, as with a dropout."""

    @abstractmethod
    def _number_of(self, name: str) -> int:
        """Return the position of the node that a name stands for; raise ExportError if there is none."""

    @abstractmethod
    def _shape_at(self, position: int) -> tuple[int, ...]:
        """Return the shape of what the node at a position computes, () if that is unknown."""

    @abstractmethod
    def _run_to(self, node: Any, x: Tensor) -> Tensor:
        """Return what a node computes for photos (N, 3, H, W)."""

    @property
    def default(self) -> Cut:
        """Return the last cut with weights after it; raise ExportError if there is none.

        What a dropout or an identity returns is the same map: of such cuts, the one with the shortest path is taken.
        """
        same: list[Cut] = []
        for cut in reversed(self.cuts):
            if not same and not self.has_weights_after(cut):
                continue
            same.append(cut)
            if not self.is_unchanged(cut):
                return min(reversed(same), key=lambda cut: cut.name.count("."))
        raise ExportError(
            "the model has no feature map of more than one place on which all that follows depends: choose a model "
            "without connections that pass all its feature maps, as those of two branches do"
        )

    def find(self, name: str) -> Cut:
        """Return the cut at a module or an operation of the graph.

        Raise ExportError if there is none of that name, or if it is no cut; the message names the two nearest.
        """
        number = self._number_of(name)
        for cut in self.cuts:
            if self._position(cut.node) == number:
                return cut
        shape = self._shape_at(number)
        problem = "is no feature map of more than one place"
        if any(self._position(node) == number for node in self._unused):
            problem = "reaches the scores only by tokens without a place, such as a class token"
        elif len(shape) == 4 and shape[2] * shape[3] > 1:
            problem = "is not all that the rest of the model depends on: other connections pass it"
        raise ExportError(f"the layer {name!r} {problem}: choose {self._nearest(number)}")

    def _find_cuts(self, chain: Sequence[tuple[Any, str, tuple[int, ...]]], photos: int, size: tuple[int, int]) -> None:
        """Set `cuts` from the nodes on which all that follows depends, with their names, and shapes for some photos."""
        grids: dict[int, tuple[tuple[int, int], int] | None] = {}
        self.cuts, self._unused = [], list[Any]()
        for node, name, shape in chain:
            layer = _map_layer(name, shape, size)
            if layer and layer.axes == "HWC" and self.cuts and layer.map_size > self.cuts[-1].layer.map_size:
                layer = None  # tokens and heads of an attention: the maps of a classifier do not grow
            if len(shape) == 3 and shape[0] == photos and shape[1] > 1:
                if shape[1] not in grids:
                    grids[shape[1]] = locate_tokens(shape[1], size, partial(self._run_to, node))
                if grid := grids[shape[1]]:
                    (height, width), first = grid
                    others = shape[1] - height * width
                    layer = Layer(name, shape[2], (height, width), False, axes="TC", first_token=first,
                                  other_tokens=others)  # fmt: skip
            if layer is not None:
                self.cuts.append(Cut(layer, node))
        while self.cuts and self.cuts[-1].layer.other_tokens and not self._reaches_scores(self.cuts[-1]):
            self._unused.append(self.cuts.pop().node)

    def _position(self, node: Any) -> int:
        return self._nodes.index(node)

    def _unknown_layer(self, name: str) -> ExportError:
        last = ", ".join(cut.name for cut in self.cuts[-4:]) or "none can be used"
        return ExportError(f"the model has no layer {name!r}: --list-layers prints all; the last are {last}")

    def _reaches_scores(self, cut: Cut) -> bool:
        """Return whether the scores depend on the grid of a cut, and not only on its other tokens.

        What depends on a value that is not a number is none either.
        """
        layer = cut.layer
        grid = np.full(cut.shape, np.nan, np.float32)
        output = layer.to_output(grid, np.zeros((layer.other_tokens, layer.channels), np.float32))
        with torch.no_grad():
            return bool(self.split([cut]).head(torch.from_numpy(output[None])).isnan().any())

    def _nearest(self, number: int) -> str:
        positions = {cut.name: self._position(cut.node) for cut in self.cuts}
        nearest = sorted(positions, key=lambda name: abs(positions[name] - number))[:2]
        return " or ".join(sorted(nearest, key=positions.__getitem__)) or "another model: this one has no layer to use"


def bottlenecks(order: Sequence[Any], inputs: Callable[[Any], Iterable[Any]]) -> Iterator[Any]:
    """Yield, in order, the nodes of a graph through which everything passes: no connection skips them.

    `order` has the nodes that depend on the model's input and that its scores need, each after its `inputs`.
    """
    last_use = {node: number for number, user in enumerate(order) for node in inputs(user)}
    alive: set[Any] = set()
    latest = None
    for number, node in enumerate(order):
        alive = {other for other in alive if last_use.get(other, -1) > number} | {node}
        if len(alive) == 1 and (only := next(iter(alive))) is not latest:
            latest = only
            yield only


def _map_layer(name: str, shape: tuple[int, ...], size: tuple[int, int]) -> Layer | None:
    """Return the layer of a feature map, channels first or last, and None for anything else."""
    if len(shape) == 4:
        _, first, second, third = shape
        if second * third > 1 and scales_match(size, (second, third)):
            return Layer(name, first, (second, third), False)
        if first * second > 1 and scales_match(size, (first, second)):
            return Layer(name, third, (first, second), False, axes="HWC")
    return None
