"""Class activation maps as pure functions of arrays, and the table of methods."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from camcore.types import Array

MethodName = Literal["grad-cam", "grad-cam++", "score-cam"]


def weighted_map(weights: NDArray[np.floating], activations: Array) -> Array:
    """`ReLU(sum_k weights_k A_k)` for weights (C,) and activations (C, h, w): a map (h, w) >= 0.

    Summed in float64, and zero where the sum is within its rounding: evidence that cancels leaves nothing.
    """
    weights, values = weights.astype(np.float64), activations.astype(np.float64)
    cam = np.tensordot(weights, values, axes=1)
    rounding = len(weights) * np.finfo(np.float64).eps * np.tensordot(np.abs(weights), np.abs(values), axes=1)
    return np.where(cam > rounding, cam, 0).astype(np.float32)


def grad_cam(activations: Array, gradients: Array) -> Array:
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391): a map (h, w) >= 0.

    Both arguments are (C, h, w); `gradients` are those of the class's logit, before softmax.
    """
    return weighted_map(gradients.mean(axis=(1, 2), dtype=np.float64), activations)


def grad_cam_pp(activations: Array, gradients: Array) -> Array:
    """Grad-CAM++ (Chattopadhay et al. 2018, arXiv 1710.11063): a map (h, w) >= 0.

    Both arguments are (C, h, w); `activations` must be >= 0, as after a ReLU. Then the paper's
    `alpha ReLU(g) = g^2 ReLU(g) / (2 g^2 + S g^3)` is `ReLU(g) / (2 + S ReLU(g))`, with S the channel's sum, which
    needs no special case at g = 0 and cannot underflow. The paper's exp(logit) only scales the map and drops out.
    """
    positive = np.maximum(gradients.astype(np.float64), 0)
    total = activations.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    return weighted_map((positive / (2 + total * positive)).sum(axis=(1, 2)), activations)


@dataclass(frozen=True)
class Method:
    """A method's title, its spelling in file names, and its function of (activations, gradients), if it is one."""

    title: str
    file_name: str
    from_gradients: Callable[[Array, Array], Array] | None


METHODS: dict[MethodName, Method] = {
    "grad-cam": Method("Grad-CAM", "grad-cam", grad_cam),
    "grad-cam++": Method("Grad-CAM++", "grad-cam-pp", grad_cam_pp),
    "score-cam": Method("Score-CAM", "score-cam", None),
}
ALL_METHODS: tuple[MethodName, ...] = tuple(METHODS)
