"""Reading of a classifier in an ONNX file: its weights, its input, and the class names in its metadata."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError, Message
from onnx.external_data_helper import load_external_data_for_model, uses_external_data
from onnx.inliner import inline_local_functions

from camcore.model.manifest import InputLayout
from export.errors import ExportError, LabelsError, shortened
from export.label_files import names_in_text
from export.onnx_models.onnx_operators import DEFAULT_DOMAINS

AGAIN = "export the model to ONNX again"
_MAX_BYTES = 2**31 - 1  # of an ONNX file without external data
_MIN_OPSET = 7  # of ONNX Runtime
_NAMES = ("names", "labels", "classes", "id2label")  # keys of the metadata


@dataclass(frozen=True)
class OnnxInput:
    """The input of a model: its name, and what the file says of its shape, None for what it leaves open."""

    name: str
    layout: InputLayout
    has_channels: bool  # whether the file says which axis has the channels, and so the layout
    photos: int | None
    height: int | None
    width: int | None


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file with its external data; raise ExportError, with a remedy, if it cannot be read."""
    if path.is_dir():
        raise ExportError(f"{path} is a folder: name the ONNX file inside it")
    if not path.is_file():
        raise ExportError(f"there is no file {path}: name an ONNX file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror or error}): make it readable") from error
    except DecodeError:
        model = None
    if model is None or not _has_valid_texts(model):
        raise ExportError(f"{path} is no ONNX model, or is damaged: copy it again, or {AGAIN}")
    if not model.graph.node or not model.graph.output:
        missing = "operations" if model.ByteSize() else "content"
        raise ExportError(f"{path} has no {missing}: copy it again, or {AGAIN}")
    _check_versions(model, path)
    _load_external_data(model, path)
    if model.ByteSize() > _MAX_BYTES:
        raise ExportError(
            f"{path} and its data have more than 2 GB, the most that one ONNX file can hold: use a smaller model"
        )
    return inline_local_functions(model) if model.functions else model


def read_input(model: onnx.ModelProto, source: str) -> OnnxInput:
    """Return what a model, named by `source`, says of its one input; raise ExportError if that cannot be photos."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(entry.name for entry in inputs) or "none"
        raise ExportError(f"{source} has {len(inputs)} inputs ({names}): {AGAIN}, with the photo as its only input")
    tensor = inputs[0].type.tensor_type
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if not tensor.HasField("shape"):
        dims = [None] * 4
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        kind = dict(map(reversed, onnx.TensorProto.DataType.items())).get(tensor.elem_type, "unknown").lower()
        raise ExportError(f"{source} takes numbers of type {kind}: {AGAIN}, in float32")
    if len(dims) != 4 or (3 not in (dims[1], dims[3]) and dims[1] is not None):
        shape = " × ".join(str(dim or "?") for dim in dims)
        raise ExportError(
            f"{source} takes an input of {shape}, not photos of 3 channels: choose a classifier of photos"
        )
    if dims[0] not in (None, 1):
        raise ExportError(f"{source} takes exactly {dims[0]} photos at once: {AGAIN}, for one photo or any number")
    if dims[3] == 3 and dims[1] != 3:
        return OnnxInput(inputs[0].name, "NHWC", True, dims[0], dims[1], dims[2])
    return OnnxInput(inputs[0].name, "NCHW", dims[1] == 3, dims[0], dims[2], dims[3])


def class_names(model: onnx.ModelProto) -> tuple[tuple[str, ...] | None, str]:
    """Return the names of the classes in a model's metadata, if there are any, and a note if they cannot be read."""
    texts = {entry.key: entry.value for entry in model.metadata_props}
    note = ""
    for key in _NAMES:
        try:
            if key in texts:
                return names_in_text(texts[key]), ""
        except LabelsError:
            note = f"the class names in its metadata ({key!r}) cannot be read, and are not used"
    return None, note


def _has_valid_texts(message: Message) -> bool:
    """Return whether all texts in a message are UTF-8; protobuf accepts others, and returns them as bytes."""
    for field, value in message.ListFields():
        entries = [value] if isinstance(value, Message | str | bytes) else value
        if field.message_type is not None and not all(map(_has_valid_texts, entries)):
            return False
        if field.type == field.TYPE_STRING and any(isinstance(entry, bytes) for entry in entries):
            return False
    return True


def _check_versions(model: onnx.ModelProto, path: Path) -> None:
    """Raise ExportError if ONNX Runtime cannot run files of the versions that a model has."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in DEFAULT_DOMAINS), default=0)
    newest = onnx.defs.onnx_opset_version()
    if not _MIN_OPSET <= opset <= newest:
        problem = f"has operators of opset {opset}, and ONNX Runtime runs {_MIN_OPSET} to {newest}"
        raise ExportError(f"{path} {problem}: {AGAIN}, with opset 17 for example")
    if model.ir_version > onnx.IR_VERSION:
        problem = f"has IR version {model.ir_version}, and ONNX Runtime reads versions up to {onnx.IR_VERSION}"
        raise ExportError(f"{path} {problem}: {AGAIN}, with an older version of the onnx package")


def _load_external_data(model: onnx.ModelProto, path: Path) -> None:
    tensors = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    locations = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    for location in sorted(locations):
        file, data = path.parent / location, f"{path} has its weights in {location}"
        if _leaves_folder(location):
            raise ExportError(f"{data}, outside of its own folder: {AGAIN}, with all in one folder")
        if not file.is_file():
            raise ExportError(f"{data}, and there is no file {file}: put it there")
        if file.is_symlink():
            raise ExportError(f"{data}, which is a symbolic link: put the file itself in its place")
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # a file that is too short or cannot be read, or one that only a constant names
        raise ExportError(
            f"the weights of {path} in {', '.join(sorted(locations)) or 'other files'} cannot be read "
            f"({shortened(error)}): copy all its files again"
        ) from error


def _leaves_folder(location: str) -> bool:
    """Return whether a path is absolute or leads upwards, on any system."""
    paths = PurePosixPath(location), PureWindowsPath(location)
    return any(path.is_absolute() or path.drive or ".." in path.parts for path in paths)
