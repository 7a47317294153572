"""Reading of checkpoint files: tensors and plain values, never code."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

from export.checkpoints import FUNCTION, Checkpoint, find_tables
from export.errors import WeightsError
from export.weights import SAVE

_FOREIGN = {
    ".h5": "a file of Keras", ".hdf5": "a file of Keras", ".keras": "a file of Keras", ".onnx": "an ONNX model",
    ".tflite": "a model of TensorFlow Lite", ".pb": "a model of TensorFlow", ".mlmodel": "a model of Core ML",
}  # fmt: skip
_PATHS = (("PosixPath", PurePosixPath), ("PurePosixPath", PurePosixPath),
          ("WindowsPath", PureWindowsPath), ("PureWindowsPath", PureWindowsPath))  # fmt: skip


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the tensors of a checkpoint file that torch or safetensors saved.

    Raise WeightsError if it is missing, unreadable, holds objects that only code can make, or has no tensors by name.
    """
    if not path.is_file():
        raise WeightsError(f"there is no checkpoint {path}: name a file, IMAGENET1K_V1 or IMAGENET1K_V2")
    try:
        content = load_tensors(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error}): make it readable") from error
    except Exception as error:  # the kind of error that the libraries raise depends on the damage
        raise WeightsError(f"{path} {_refusal(path)}") from error
    tables = find_tables(content)
    if not tables:
        raise WeightsError(f"{path} holds no state dict: {SAVE}")
    return Checkpoint(path.name, str(path), tables)


def load_tensors(path: Path) -> Any:
    """Load onto the CPU a file of tensors: safetensors, or torch's with plain containers only (`weights_only=True`)."""
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    with torch.serialization.safe_globals(_harmless_globals()), warnings.catch_warnings(action="ignore"):
        return torch.load(path, map_location="cpu", weights_only=True)


def _harmless_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Return what trainers save beside the weights and what runs no code: arguments, paths, dates, numbers of NumPy."""
    import _codecs

    import numpy as np

    multiarray = np._core.multiarray  # type: ignore[attr-defined]
    allowed: list[Any] = [Namespace, SimpleNamespace, date, datetime, timedelta, timezone, np.dtype, np.ndarray]
    allowed += [dict, list, int, float, str, _codecs.encode, *(getattr(np.dtypes, name) for name in np.dtypes.__all__)]
    allowed.append((_empty_dict, "collections.defaultdict"))
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        allowed += [(multiarray.scalar, f"{module}.scalar"), (multiarray._reconstruct, f"{module}._reconstruct")]
    for module in ("pathlib", "pathlib._local"):
        allowed += [(path, f"{module}.{name}") for name, path in _PATHS]
    return allowed


def _empty_dict(*_: Any) -> dict[Any, Any]:
    """Return a dict in place of a `defaultdict`, which torch does not fill."""
    return {}


def _refusal(path: Path) -> str:
    """Return what is wrong with a file that cannot be loaded, and a remedy."""
    import torch

    if path.suffix.lower() in _FOREIGN:
        return f"is {_FOREIGN[path.suffix.lower()]}, not weights of torch: {FUNCTION}"
    with suppress(Exception):  # a damaged file can raise any exception in zipfile
        names = ZipFile(path).namelist()
        if any("/code/" in name for name in names):
            return f"is a TorchScript model, whose code cannot be traced again: {FUNCTION}"
    classes: list[str] = []
    with suppress(Exception), torch.serialization.safe_globals(_harmless_globals()):
        classes = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    if classes:
        kinds = ", ".join(sorted(classes)[:3])
        return f"holds more than tensors ({kinds}), which only its own code can load: {SAVE}, or {FUNCTION}"
    return f"is not a checkpoint of plain tensors, or it is damaged: {SAVE}"
