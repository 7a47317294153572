"""A model's weights: from a fine-tuned checkpoint's file into the model, if they fit."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.errors import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import nn

StateDict = Mapping[str, "torch.Tensor"]

_SAVE = "save one with `torch.save(model.state_dict(), ...)`"


@dataclass(frozen=True)
class Weights:
    """A state dict and what to say of it.

    `name` is what the manifest calls it; messages call it `source`, and where it does not fit they tell `remedy`.
    """

    name: str
    state: StateDict
    source: str
    remedy: str


def read_checkpoint(path: Path) -> Weights:
    """Weights of a checkpoint file: bare, or under `state_dict` or `model`, with or without `module.` prefixes.

    Raises:
        WeightsError: if the file is missing, unreadable, or holds no state dict.
    """
    if not path.is_file():
        raise WeightsError(f"there is no checkpoint {path}: name a file, IMAGENET1K_V1 or IMAGENET1K_V2")
    try:
        content = load_tensors(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error}): make it readable") from error
    except Exception as error:  # torch.load raises whatever the damage provokes
        raise WeightsError(f"{path} is not a checkpoint of plain tensors, or it is damaged: {_SAVE}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    state = {key.removeprefix("module."): tensor for key, tensor in checked_state(content, str(path)).items()}
    return Weights(path.name, state, source=str(path), remedy="name its model with --model")


def load_tensors(path: Path) -> Any:
    """Content of a file that torch saved: tensors and plain containers only (`weights_only=True`), on the CPU.

    The arguments that torchvision's training script saves beside its weights, a Namespace, count as plain.
    """
    import torch

    with torch.serialization.safe_globals([Namespace]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a damaged or foreign file provokes is told by an error
        return torch.load(path, map_location="cpu", weights_only=True)


def checked_state(content: Any, source: str, remedy: str = _SAVE) -> StateDict:
    """The content itself, if it is a state dict; else the error says `source` and `remedy`.

    Raises:
        WeightsError: if it is anything else.
    """
    import torch

    named = isinstance(content, dict) and all(isinstance(key, str) for key in content)
    if not named or not content or not all(map(torch.is_tensor, content.values())):
        raise WeightsError(f"{source} holds no state dict: {remedy}")
    return dict(content)


def number_of_classes(weights: Weights, classifier: str, model: str) -> int:
    """Number of classes of a state dict, from its last linear layer.

    Raises:
        WeightsError: if it has no such layer.
    """
    weight = weights.state.get(f"{classifier}.weight")
    if weight is None or weight.ndim != 2:
        raise WeightsError(
            f"{weights.source} is not a checkpoint of {model} (it has no linear layer {classifier}.weight, "
            f"but {_some(list(weights.state))}): {weights.remedy}"
        )
    return int(weight.shape[0])


def load_weights(model: nn.Module, weights: Weights, name: str) -> None:
    """Copy weights into the model called `name`.

    Raises:
        WeightsError: if they belong to another architecture, naming the keys that differ, or are not finite.
    """
    state, expected = weights.state, model.state_dict()
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in expected]
    reshaped = [key for key in expected if key in state and state[key].shape != expected[key].shape]
    found = [
        f"{what} {_some(keys)}"
        for what, keys in (("it lacks", missing), ("it has unknown", unknown), ("other shapes for", reshaped))
        if keys
    ]
    if found:
        raise WeightsError(f"{weights.source} is not a checkpoint of {name} ({'; '.join(found)}): {weights.remedy}")
    model.load_state_dict(state, strict=False)
    broken = [key for key, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise WeightsError(
            f"{weights.source} holds values that are not finite numbers (in {_some(broken)}): "
            "use a checkpoint from before the training failed"
        )


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
