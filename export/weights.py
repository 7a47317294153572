"""Weights of a model: what they are, and how they are loaded into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from export.errors import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import nn

StateDict = Mapping[str, "torch.Tensor"]
SAVE = "save one with `torch.save(model.state_dict(), ...)`"


@dataclass(frozen=True)
class Weights:
    """A state dict, its name in the manifest, its source for messages, and the remedy if it does not fit the model.

    `note` says what was taken from a file and what was left out, "" if that is the whole file.
    """

    name: str
    state: StateDict
    source: str
    remedy: str
    note: str = ""


def checked_state(content: Any, source: str, remedy: str = SAVE) -> StateDict:
    """Return `content` as a state dict; raise WeightsError, with `source` and `remedy`, if it is anything else."""
    import torch

    has_names = isinstance(content, dict) and all(isinstance(key, str) for key in content)
    if not has_names or not content or not all(map(torch.is_tensor, content.values())):
        raise WeightsError(f"{source} holds no state dict: {remedy}")
    return dict(content)


def number_of_classes(weights: Weights, classifier: str, model: str) -> int:
    """Return the number of classes, read from the weight matrix `classifier`; raise WeightsError if there is none."""
    weight = weights.state.get(classifier)
    if weight is None or weight.ndim < 2:
        problem = f"it has no linear layer {classifier}, but {some(list(weights.state))}"
        raise WeightsError(f"{weights.source} is not a checkpoint of {model} ({problem}): {weights.remedy}")
    return int(weight.shape[0])


def load_weights(model: nn.Module, weights: Weights, name: str) -> None:
    """Copy weights into `model`, whose architecture is called `name`.

    Raise WeightsError if they are of another architecture (the message names keys that differ) or not finite.
    """
    state, expected = weights.state, model.state_dict()
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in expected]
    reshaped = [key for key in expected if key in state and state[key].shape != expected[key].shape]
    keys_by_problem = {"it lacks": missing, "it has unknown": unknown, "other shapes for": reshaped}
    problems = "; ".join(f"{problem} {some(keys)}" for problem, keys in keys_by_problem.items() if keys)
    if problems:
        raise WeightsError(f"{weights.source} is not a checkpoint of {name} ({problems}): {weights.remedy}")
    model.load_state_dict(state, strict=False)
    check_finite(model, weights.source)


def check_finite(model: nn.Module, source: str) -> None:
    """Raise WeightsError, which names keys, if weights of a model that come from `source` are not finite."""
    broken = [key for key, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        problem = f"{source} holds values that are not finite numbers (in {some(broken)})"
        raise WeightsError(f"{problem}: use a checkpoint from before the training failed")


def some(keys: Sequence[str]) -> str:
    """Return the first three of these keys, and the number of the others."""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
