"""The graph of a classifier in an ONNX file, as a model that can be split at its layers."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from camcore.model.manifest import InputLayout
from export.errors import ExportError
from export.head import OneLogit
from export.layers import Cut, LayeredModel, bottlenecks
from export.onnx_models.onnx_file import OnnxFile, run_session, start_session, with_outputs, write_file
from export.onnx_models.onnx_head import OnnxPart
from export.onnx_models.onnx_reading import AGAIN, read_input
from export.trace import SplitClassifier

_ACTIVATIONS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
_RESHAPING = {"Identity", "Flatten", "Squeeze", "Reshape"}  # between the activation and the output


class OnnxGraph(LayeredModel):
    """A classifier in an ONNX file. A node of the graph is a tensor, and has its name.

    The layers are those of a copy for one photo of a fixed size, in which ONNX Runtime has computed what is constant.
    """

    def __init__(self, file: OnnxFile, size: tuple[int, int], input_layout: InputLayout = "NCHW"):
        """Find the layers of a model for photos of `size` (H, W); raise ExportError if it does not return scores."""
        declared = file.input
        if (declared.height or size[0], declared.width or size[1]) != size:
            pixels = f"{declared.height or 'any'} × {declared.width or 'any'} pixels, not {size[0]} × {size[1]}"
            raise ExportError(f"the model takes photos of {pixels}: give its own size with --size, or leave it out")
        if declared.has_channels and input_layout not in ("NCHW", declared.layout):
            raise ExportError("the model takes (N, 3, H, W), as its file says: leave out --input-layout")
        self.input_layout = declared.layout if declared.has_channels else input_layout
        self._size, self._file = size, file.model
        self._photo = (1, 3, *size) if self.input_layout == "NCHW" else (1, *size, 3)
        if not declared.has_channels:
            self._file = _with_input(file.model, self._photo)
        output, self.classes = self._score_output()
        self._scores, self.activation = _final_activation(self._file.graph, output)
        if self._scores not in _dependent(self._file.graph, declared.name):
            raise ExportError(f"the scores of the model do not depend on the photo: {AGAIN}")
        self.whole = nn.Sequential(OnnxFile(self._file, output), nn.Flatten())
        self._check_repeats()
        self._model = _simplified(self._file, self._scores, self._photo)
        self._producers = {name: node for node in self._model.graph.node for name in node.output if name}
        self._nodes = self._on_the_way()
        of_file = {name for node in self._file.graph.node for name in node.output}
        chain = [name for name in bottlenecks(self._nodes, self._inputs) if name in of_file and name != self._scores]
        self._find_cuts(list(zip(chain, chain, self._shapes(chain), strict=True)), 1, size)

    def split(self, cuts: Sequence[Cut], ending: nn.Module | None = None) -> SplitClassifier:
        """Return the model split at these cuts, of which the first is the target layer; `ending` follows the scores."""
        order = sorted(cuts, key=lambda cut: self._position(cut.node))
        bounds = [*(str(cut.node) for cut in order), self._scores]
        parts: list[nn.Module] = [self._part(start, end) for start, end in pairwise(bounds)]
        parts[-1] = nn.Sequential(parts[-1], nn.Flatten())
        ends = [order.index(cut) + 1 for cut in cuts]
        return SplitClassifier([OnnxFile(self._model, bounds[0]), *parts], ends, ending, only_heads=True).eval()

    def write_onnx(self, split: SplitClassifier, cuts: Sequence[Cut], path: Path) -> None:
        """Write the model of the file with the input and outputs of an artefact, and with what follows the scores."""
        layers = {str(cut.node): cut.layer for cut in cuts}
        write_file(self._file, self._size, self._scores, layers, path, one_logit=isinstance(split.ending, OneLogit))

    def has_weights_after(self, cut: Cut) -> bool:
        """Return whether the scores are computed from the cut with weights."""
        weights = {tensor.name for tensor in self._model.graph.initializer if len(tensor.dims) > 1}
        return any(weights.intersection(node.input) for node in self._nodes_between(cut.node, self._scores))

    def is_unchanged(self, cut: Cut) -> bool:
        """Return False: the copy has no operations that change nothing."""
        return False

    def _score_output(self) -> tuple[str, int]:
        """Return the name and the number of the scores that the model returns."""
        names = [output.name for output in self._file.graph.output]
        outputs = dict(zip(names, self._run_outputs(names, self._file), strict=True))
        scores = {name: values.shape[1] for name, values in outputs.items() if _are_scores(values)}
        if len(scores) != 1:
            listed = ", ".join(f"{name} {np.shape(values)}" for name, values in outputs.items())
            problem = f"the model returns {listed} for one photo"
            raise ExportError(f"{problem}: let it return one row of scores per photo, (1, K) for K classes")
        ((name, classes),) = scores.items()
        return name, classes

    def _check_repeats(self) -> None:
        """Raise ExportError if the model returns something else when it runs again."""
        x = torch.randn(1, 3, *self._size, generator=torch.Generator().manual_seed(0))
        if not torch.allclose(self.whole(x), self.whole(x), equal_nan=True):
            raise ExportError(
                "the model returns other scores each time it is run on the same photo, as with random noise: "
                f"{AGAIN}, in evaluation mode and without random operators"
            )

    def _run_outputs(self, names: Sequence[str], model: onnx.ModelProto) -> list[Any]:
        """Return what a model computes for one black photo."""
        return run_session(start_session(with_outputs(model, names)), np.zeros(self._photo, np.float32))

    def _shapes(self, names: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the shapes of tensors for one photo."""
        return [np.shape(values) for values in self._run_outputs(names, self._model)]

    def _on_the_way(self) -> list[str]:
        """Return the tensors that depend on the photo and that the scores need, in the order of the graph."""
        dependent = _dependent(self._model.graph, self._model.graph.input[0].name)
        nodes = self._nodes_between("", self._scores)
        return [name for node in nodes for name in node.output if name in dependent]

    def _nodes_between(self, start: str, end: str) -> list[onnx.NodeProto]:
        """Return the nodes that compute one tensor from another, in the order of the graph."""
        needed, waiting = set[str](), [end]
        while waiting:
            name = waiting.pop()
            if name != start and name not in needed and (node := self._producers.get(name)) is not None:
                needed.add(name)
                waiting += _inputs_of(node)
        return [node for node in self._model.graph.node if needed.intersection(node.output)]

    def _part(self, start: str, end: str) -> OnnxPart:
        """Return the part of the model between two tensors as a torch module."""
        nodes = self._nodes_between(start, end)
        names = {name for node in nodes for name in node.input}
        weights = [tensor for tensor in self._model.graph.initializer if tensor.name in names]
        first, last = (onnx.ValueInfoProto(name=name) for name in (start, end))
        domains = {entry.domain: entry.version for entry in self._model.opset_import}
        return OnnxPart(helper.make_graph(nodes, "part", [first], [last], weights), domains)

    def _inputs(self, name: str) -> Iterable[str]:
        return _inputs_of(self._producers[name])

    def _number_of(self, name: str) -> int:
        """Return the position of the tensor with a name, or of the last one of the node with that name."""
        for number in reversed(range(len(self._nodes))):
            if name in (self._nodes[number], self._producers[self._nodes[number]].name):
                return number
        raise self._unknown_layer(name)

    def _shape_at(self, position: int) -> tuple[int, ...]:
        return self._shapes([self._nodes[position]])[0]

    def _run_to(self, node: str, x: Tensor) -> Tensor:
        output: Tensor = OnnxFile(self._model, node)(x)
        return output


def _inputs_of(node: onnx.NodeProto) -> list[str]:
    """Return the tensors that a node uses, those of its branches and loops included."""
    names = list(node.input)
    for attribute in node.attribute:
        for inner in (*attribute.g.node, *(node for graph in attribute.graphs for node in graph.node)):
            names += _inputs_of(inner)
    return names


def _dependent(graph: onnx.GraphProto, photo: str) -> set[str]:
    """Return the tensors of a graph that depend on its input."""
    dependent = {photo}
    for node in graph.node:
        if dependent.intersection(_inputs_of(node)):
            dependent.update(node.output)
    return dependent


def _are_scores(values: Any) -> bool:
    """Return whether values are the scores of one photo: floats, (1, K) or (1, K, 1, 1)."""
    shape = np.shape(values)
    is_row = len(shape) > 1 and shape[0] == 1 and shape[2:] in ((), (1, 1))
    return is_row and np.asarray(values).dtype.kind == "f"


def _final_activation(graph: onnx.GraphProto, output: str) -> tuple[str, str]:
    """Return the tensor of the scores before a final activation, and that activation as of `choose_head`."""
    producers = {name: node for node in graph.node for name in node.output}
    name = output
    while (node := producers.get(name)) is not None:
        if node.op_type in _ACTIVATIONS:
            return node.input[0], _ACTIVATIONS[node.op_type]
        if node.op_type not in _RESHAPING:
            break
        name = node.input[0]
    return output, ""


def _with_input(model: onnx.ModelProto, shape: Sequence[int | str]) -> onnx.ModelProto:
    """Return a copy of a model whose input has this shape."""
    fixed = with_outputs(model, [output.name for output in model.graph.output])
    (photo,) = (entry for entry in fixed.graph.input if entry.name == read_input(model, "").name)
    photo.CopyFrom(helper.make_tensor_value_info(photo.name, onnx.TensorProto.FLOAT, shape))
    return fixed


def _simplified(model: onnx.ModelProto, scores: str, shape: tuple[int, ...]) -> onnx.ModelProto:
    """Return a copy for an input of a fixed shape, in which ONNX Runtime has computed what is constant."""
    fixed = with_outputs(_with_input(model, shape), [scores])
    with TemporaryDirectory(prefix="camcore-onnx-") as folder:
        path = Path(folder) / "simplified.onnx"
        start_session(fixed, simplified=path)
        return onnx.load(str(path))
