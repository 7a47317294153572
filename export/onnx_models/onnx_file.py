"""A classifier in an ONNX file: how it is loaded, run in ONNX Runtime, and written into an artefact."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from camcore.model.layer import Layer
from camcore.types import Array
from export.errors import ExportError, shortened
from export.models import IMAGENET_STEPS, LoadedModel, ModelSource
from export.onnx_models.onnx_reading import AGAIN, class_names, read_input, read_onnx

_PREFIX = "file/"  # of the names of a file in the ONNX file of an artefact


class OnnxFile(nn.Module):
    """Returns the scores of a classifier in an ONNX file for photos (N, 3, H, W), which ONNX Runtime runs one by one.

    `output` is the tensor to return, by default the first output of the model.
    """

    def __init__(self, model: onnx.ModelProto, output: str | None = None):
        super().__init__()
        self.model, self.input = model, read_input(model, "the model")
        self._output = output or model.graph.output[0].name

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for photos (N, 3, H, W)."""
        return torch.cat([self._run(photo[None]) for photo in x])

    def _run(self, photo: Tensor) -> Tensor:
        values = photo if self.input.layout == "NCHW" else photo.permute(0, 2, 3, 1)
        (output,) = run_session(self._session, values.numpy())
        return torch.from_numpy(output)

    @cached_property
    def _session(self) -> ort.InferenceSession:
        return start_session(with_outputs(self.model, [self._output]))


def onnx_source(model: str, weights: str | None) -> ModelSource:
    """Return the source of a model in an ONNX file; raise ExportError if it cannot be read, or is no classifier."""
    path = Path(model)
    if weights is not None:
        raise ExportError(f"{path} has its own weights: leave out --weights")
    content = read_onnx(path)
    declared = read_input(content, str(path))
    steps = IMAGENET_STEPS
    if declared.height and declared.width:
        size = declared.height, declared.width
        steps = replace(steps, size=size, resize=round(min(size) * steps.resize / steps.size[0]))
    load = partial(_load, content, path)
    origin = "assumed: what most models trained on ImageNet expect"
    return ModelSource(path.stem, steps, origin, load, path.stem, has_size=bool(declared.height and declared.width))


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a copy of a model that returns these of its tensors."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.output[:]
    changed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return changed


def start_session(model: onnx.ModelProto, simplified: Path | None = None) -> ort.InferenceSession:
    """Return a session of a model, and write what ONNX Runtime makes of it into the file `simplified`.

    Raise ExportError if ONNX Runtime cannot run it.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what is wrong is in the error
    if simplified is not None:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(simplified)
    try:
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime raises classes that it does not export
        remedy = f"{AGAIN}, with ONNX's own operators" if "registered" in (reason := _reason(error)) else AGAIN
        raise ExportError(f"ONNX Runtime cannot run the model ({reason}): {remedy}") from error


def run_session(session: ort.InferenceSession, x: Array) -> list[Any]:
    """Return the outputs of a session for an input of the model; raise ExportError if it cannot run that."""
    try:
        outputs: list[Any] = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(x)})
    except Exception as error:  # ONNX Runtime raises classes that it does not export
        problem = f"the model cannot run an input of {' × '.join(map(str, x.shape))} ({_reason(error)})"
        raise ExportError(f"{problem}: give the size of its training with --size, or {AGAIN}") from error
    return outputs


def _reason(error: Exception) -> str:
    """Return the text of an error of ONNX Runtime without its code and the place in the source."""
    text = " ".join(str(error).split())
    return shortened(re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |/onnxruntime_src/\S+ .*?\) ", "", text))


def write_file(
    model: onnx.ModelProto,
    size: tuple[int, int],
    scores: str,
    layers: Mapping[str, Layer],
    path: Path,
    *,
    one_logit: bool = False,
) -> None:
    """Write the ONNX file of an artefact: `input` (N, 3, H, W) to `logits` (N, K), and the output of each layer.

    `layers` has the tensor of each layer; their outputs are `activations`, `activations_1`, and so on. With
    `one_logit`, the scores z become the logits -z/2 and z/2. N is 1 if the model takes one photo at a time.
    """
    declared = read_input(model, "the model")
    prefixed: onnx.ModelProto = onnx.compose.add_prefix(model, _PREFIX)  # no name is one of an artefact
    prefixed.ir_version = max(prefixed.ir_version, 4)  # before, weights were inputs
    graph, photos = prefixed.graph, declared.photos or "batch"
    for number, node in enumerate(graph.node):
        node.name = node.name or f"{_PREFIX}{number}"
    _copy_shared_biases(graph)
    del graph.input[:], graph.output[:]
    graph.input.append(_floats("input", [photos, 3, *size]))
    axes = (0, 1, 2, 3) if declared.layout == "NCHW" else (0, 2, 3, 1)
    graph.node.insert(0, helper.make_node("Transpose", ["input"], [_PREFIX + declared.name], "input", perm=axes))
    for number, (name, layer) in enumerate(layers.items()):
        output = f"activations_{number}" if number else "activations"
        graph.node.append(helper.make_node("Identity", [_PREFIX + name], [output], output))
        graph.output.append(_floats(output, [photos, *layer.output_shape]))
    graph.node.append(helper.make_node("Flatten", [_PREFIX + scores], ["scores" if one_logit else "logits"], "scores"))
    if one_logit:
        graph.initializer.append(numpy_helper.from_array(np.array([[-0.5, 0.5]], np.float32), "halves"))
        graph.node.append(helper.make_node("MatMul", ["scores", "halves"], ["logits"], "logits"))
    graph.output.append(_floats("logits", [photos, None]))
    onnx.save(prefixed, str(path))


def _copy_shared_biases(graph: onnx.GraphProto) -> None:
    """Give each operation its own bias, where torch's older exporter writes equal ones once, with an Identity for each.

    ONNX Runtime does not quantise a convolution whose bias is computed, and then int8 is slower than fp32.
    """
    biases = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) == 1}
    for node in [node for node in graph.node if node.op_type == "Identity" and node.input[0] in biases]:
        copy = graph.initializer.add()
        copy.CopyFrom(biases[node.input[0]])
        copy.name = node.output[0]
        graph.node.remove(node)


def _floats(name: str, shape: Sequence[int | str | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _load(content: onnx.ModelProto, path: Path) -> LoadedModel:
    labels, note = class_names(content)
    return LoadedModel(OnnxFile(content), path.name, labels, note)
