"""A classifier in an ONNX file: how it is read and checked, and run in ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model, uses_external_data
from onnx.inliner import inline_local_functions
from torch import Tensor, nn

from camcore.model.layer import Layer
from camcore.model.manifest import InputLayout
from export.errors import ExportError
from export.models import IMAGENET_STEPS, LoadedModel, ModelSource

_MAX_BYTES = 2**31 - 1  # of an ONNX file without external data
_AGAIN = "export the model to ONNX again"
_PREFIX = "file/"  # of the names of a file in the ONNX file of an artefact


@dataclass(frozen=True)
class OnnxInput:
    """The input of a model: its name, and what the file says of its shape, None for what it leaves open."""

    name: str
    layout: InputLayout
    photos: int | None
    height: int | None
    width: int | None


class OnnxFile(nn.Module):
    """Returns the scores of a classifier in an ONNX file for photos (N, 3, H, W), which ONNX Runtime runs one by one.

    `output` is the tensor to return, by default the first output of the model.
    """

    def __init__(self, model: onnx.ModelProto, output: str | None = None):
        super().__init__()
        self.model, self.input = model, read_input(model, "the model")
        self._session = start_session(with_outputs(model, [output or model.graph.output[0].name]))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for photos (N, 3, H, W)."""
        return torch.cat([self._run(photo[None]) for photo in x])

    def _run(self, photo: Tensor) -> Tensor:
        values = photo if self.input.layout == "NCHW" else photo.permute(0, 2, 3, 1)
        (output,) = self._session.run(None, {self.input.name: np.ascontiguousarray(values.numpy())})
        return torch.from_numpy(output)


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


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file with its external data; raise ExportError, with a remedy, if it cannot be read."""
    if not path.is_file():
        raise ExportError(f"there is no file {path}: name an ONNX file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror or error}): make it readable") from error
    except DecodeError as error:
        raise ExportError(f"{path} is no ONNX model, or is damaged: copy it again, or {_AGAIN}") from error
    if not model.graph.node:
        raise ExportError(f"{path} holds no operations: {_AGAIN}")
    _load_external_data(model, path)
    if model.functions:
        model = inline_local_functions(model)
    if model.ByteSize() > _MAX_BYTES:
        raise ExportError(
            f"{path} and its data have more than 2 GB, the most that one ONNX file can hold: use a smaller model"
        )
    return model


def read_input(model: onnx.ModelProto, source: str) -> OnnxInput:
    """Return what a model, named by `source`, says of its one input; raise ExportError if that cannot be photos."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(entry.name for entry in inputs) or "none"
        raise ExportError(f"{source} has {len(inputs)} inputs ({names}): {_AGAIN}, with the photo as its only input")
    tensor = inputs[0].type.tensor_type
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    shape = " × ".join(str(dim or "?") for dim in dims)
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        raise ExportError(f"{source} takes numbers of type {kind}: {_AGAIN}, in float32")
    if len(dims) != 4 or (3 not in (dims[1], dims[3]) and dims[1] is not None):
        raise ExportError(
            f"{source} takes an input of {shape}, not photos of 3 channels: choose a classifier of photos"
        )
    if dims[0] not in (None, 1):
        raise ExportError(f"{source} takes exactly {dims[0]} photos at once: {_AGAIN}, for one photo or any number")
    if dims[3] == 3 and dims[1] != 3:
        return OnnxInput(inputs[0].name, "NHWC", dims[0], dims[1], dims[2])
    return OnnxInput(inputs[0].name, "NCHW", dims[0], dims[2], dims[3])


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
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes that it does not export
        reason = " ".join(str(error).split())[:200]
        raise ExportError(f"ONNX Runtime cannot run the model ({reason}): {_AGAIN}") from error


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


def _floats(name: str, shape: Sequence[int | str | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _load(content: onnx.ModelProto, path: Path) -> LoadedModel:
    return LoadedModel(OnnxFile(content), path.name)


def _load_external_data(model: onnx.ModelProto, path: Path) -> None:
    tensors = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    files = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    missing = sorted(file for file in files if not (path.parent / file).is_file())
    if missing:
        raise ExportError(
            f"{path} has its weights in {', '.join(missing)}, which is not beside it: put both into one folder"
        )
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # a file that is too short, or that lies elsewhere
        raise ExportError(
            f"the weights of {path} in {', '.join(sorted(files))} are damaged: copy both files again"
        ) from error
