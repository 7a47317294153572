"""Score-CAM (Wang et al. 2020, arXiv 1910.01279), exhaustive, in chunks, under a stated definition."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from camcore.heatmap import Array, min_max, upsample
from camcore.methods import weighted_map

DefinitionName = Literal["paper", "probability", "pytorch-grad-cam", "torchcam"]
CHUNK = 8


@dataclass(frozen=True)
class Definition:
    """The choices in which public Score-CAMs differ; `reproduces` says whose map these give.

    A logit score is softmaxed over the channels to give the weights; a probability is the weight as it is. Masks are
    stretched to [0, 1] after upsampling, or before it on the layer's grid.
    """

    score: Literal["logit", "probability"]
    stretch: Literal["after upsampling", "before upsampling"]
    align_corners: bool
    reproduces: str


DEFINITIONS: dict[DefinitionName, Definition] = {
    "paper": Definition("logit", "after upsampling", False, "Algorithm 1 of the paper's later version"),
    "probability": Definition("probability", "after upsampling", False, "the authors' published code"),
    "pytorch-grad-cam": Definition("logit", "after upsampling", True, "grad-cam 1.5.7"),
    "torchcam": Definition("logit", "before upsampling", False, "torchcam 0.5.0"),
}


@dataclass(frozen=True)
class Progress:
    """Score-CAM so far: its map (h, w) >= 0 from the channels run, and how many of those alive that is."""

    cam: Array
    forwards: int
    channels_alive: int


def alive_channels(activations: Array) -> NDArray[np.intp]:
    """Indices of the channels whose (h, w) map varies, the most varied first, so that early maps resemble the last.

    A constant channel has no mask. It is told before upsampling, after which rounding would make it vary.
    """
    varies = activations.max(axis=(1, 2)) > activations.min(axis=(1, 2))
    spread = activations.std(axis=(1, 2), dtype=np.float64)
    order = np.argsort(-spread, kind="stable")
    alive: NDArray[np.intp] = order[varies[order]]
    return alive


def masks(activations: Array, size: tuple[int, int], definition: Definition) -> Array:
    """Masks (n, H, W) in [0, 1] of n alive channels (n, h, w)."""
    if definition.stretch == "before upsampling":
        return upsample(min_max(activations), size, definition.align_corners)
    return min_max(upsample(activations, size, definition.align_corners))


def scores(logits: Array, class_idx: int, definition: Definition) -> NDArray[np.float64]:
    """The class's score (N,) in each row of `logits` (N, K)."""
    if definition.score == "logit":
        return logits[:, class_idx].astype(np.float64)
    return softmax(logits)[:, class_idx]


def channel_weights(channel_scores: NDArray[np.float64], definition: Definition) -> NDArray[np.float64]:
    """Weights (n,) of n channels from their scores (n,)."""
    return softmax(channel_scores) if definition.score == "logit" else channel_scores


def softmax(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Softmax over the last axis, in float64."""
    powers = np.exp(values.astype(np.float64) - values.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def score_cam(
    x: Array,
    activations: Array,
    class_idx: int,
    forward: Callable[[Array], Array],
    *,
    definition: Definition = DEFINITIONS["paper"],
    chunk: int = CHUNK,
) -> Iterator[Progress]:
    """Yield Score-CAM as it grows, once a chunk of channels; the last is the map of every channel alive.

    Args:
        x: the model's input (1, 3, H, W); masks multiply it after normalisation.
        activations: of the target layer, (C, h, w), after its ReLU.
        forward: from a batch of inputs (N, 3, H, W) to logits (N, K).
        chunk: masked inputs run at once; it changes time and memory, not the map.

    Closing the generator stops the work at the chunk it stands at. With no channel alive it yields one empty map.
    """
    order = alive_channels(activations)
    if not order.size:
        yield Progress(np.zeros(activations.shape[1:], np.float32), 0, 0)
    measured = np.empty(order.size, np.float64)
    batch = np.empty((min(chunk, order.size), *x.shape[1:]), np.float32)
    for start in range(0, order.size, chunk):
        channels = order[start : start + chunk]
        stop = start + channels.size
        mask = masks(activations[channels], (x.shape[2], x.shape[3]), definition)
        masked = np.multiply(x, mask[:, None], out=batch[: channels.size])
        measured[start:stop] = scores(forward(masked), class_idx, definition)
        weights = channel_weights(measured[:stop], definition)
        yield Progress(weighted_map(weights, activations[order[:stop]]), stop, order.size)
