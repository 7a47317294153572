"""The definitions of Score-CAM, and the weights of channels that each makes of the model's scores."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from camcore.errors import ClassError
from camcore.types import Array, Floats, softmax

DefinitionName = Literal["paper", "probability", "pytorch-grad-cam", "torchcam"]


@dataclass(frozen=True)
class Definition:
    """The choices in which public implementations of Score-CAM differ.

    The weights are the softmax over channels of the logits, or the probabilities themselves. Masks are scaled to [0, 1]
    after upsampling, or before it, on the layer's grid.
    """

    score: Literal["logit", "probability"]
    stretch: Literal["after upsampling", "before upsampling"]
    align_corners: bool  # convention of the upsampling
    reproduces: str  # the implementation that gives the same map


DEFINITIONS: dict[DefinitionName, Definition] = {
    "paper": Definition("logit", "after upsampling", False, "Algorithm 1 of the paper's later version"),
    "probability": Definition("probability", "after upsampling", False, "the authors' published code"),
    "pytorch-grad-cam": Definition("logit", "after upsampling", True, "grad-cam 1.5.7"),
    "torchcam": Definition("logit", "before upsampling", False, "torchcam 0.5.0"),
}


def log_weights(
    logits: Array,
    class_idx: int,
    definition: Definition,
    contrast_idx: int | None = None,
    *,
    multi_label: bool = False,
) -> Floats:
    """Return the logarithms (N,) of the weights that `logits` (N, K) give, up to a constant that they share.

    With `contrast_idx` the score is the difference of the two logits, or the probability among these two classes only.
    With `multi_label` probabilities are sigmoids; see `check_definition` for what they cannot do.
    """
    values = logits.astype(np.float64)
    if contrast_idx is not None:
        values = values[:, [class_idx, contrast_idx]]
        values, class_idx = values - values[:, 1:], 0
    if definition.score == "logit":
        return values[:, class_idx]
    if multi_label:
        negative: Floats = -np.logaddexp(0, -values[:, class_idx])
        return negative
    values -= values.max(axis=1, keepdims=True)
    result: Floats = values[:, class_idx] - np.log(np.exp(values).sum(axis=1))
    return result


def check_definition(name: DefinitionName, *, multi_label: bool, has_contrast: bool) -> None:
    """Raise ClassError if a definition sets one class against another by a softmax, which multi-label models lack."""
    if multi_label and has_contrast and DEFINITIONS[name].score == "probability":
        raise ClassError(
            f"the Score-CAM variant {name} compares two classes by a softmax, but in this model several classes may be "
            "right at once: choose the variant paper"
        )


def channel_weights(logarithms: Floats, definition: Definition) -> Floats:
    """Return the weights (n,) of n channels from their `log_weights`: their softmax, or the probabilities."""
    if definition.score == "logit":
        return softmax(logarithms)
    weights: Floats = np.exp(logarithms)
    return weights
