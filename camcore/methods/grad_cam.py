"""Grad-CAM and Grad-CAM++ as pure functions of arrays."""

import numpy as np
from numpy.typing import NDArray

from camcore.types import Array, Floats


def weighted_map(weights: NDArray[np.floating], activations: Array) -> Array:
    """Return the map `ReLU(sum_k weights_k A_k)`, (h, w) and >= 0, of activations (C, h, w).

    The weights are (C,), or (C, h, w) for one per place. The sum is in float64, and is set to zero where it is within
    its own rounding error, so that evidence that cancels leaves no positive remainder.
    """
    values = activations.astype(np.float64)
    cam, size = _weighted_sum(weights, values), _weighted_sum(np.abs(weights), np.abs(values))
    rounding = len(weights) * np.finfo(np.float64).eps * size
    return np.where(cam > rounding, cam, 0).astype(np.float32)


def grad_cam(activations: Array, gradients: Array) -> Array:
    """Return the Grad-CAM map (Selvaraju et al. 2017, arXiv 1610.02391), (h, w) and >= 0.

    Both arguments are (C, h, w). `gradients` are those of the class's logit, before softmax.
    """
    return weighted_map(gradients.mean(axis=(1, 2), dtype=np.float64), activations)


def grad_cam_pp(activations: Array, gradients: Array) -> Array:
    """Return the Grad-CAM++ map (Chattopadhay et al. 2018, arXiv 1710.11063), (h, w) and >= 0.

    Both arguments are (C, h, w). The paper derives its weights for activations >= 0, as after a ReLU. Then its
    `alpha ReLU(g) = g^2 ReLU(g) / (2 g^2 + S g^3)` equals `ReLU(g) / (2 + S ReLU(g))`, where S is the channel's sum.
    This form needs no special case at g = 0 and cannot underflow. The paper's factor exp(logit) only scales the map,
    and is left out. Of activations with both signs, S sums those above zero: `S = sum(max(A, 0))`, because with a
    negative sum the denominator can vanish.
    """
    positive = np.maximum(gradients.astype(np.float64), 0)
    total = np.maximum(activations, 0).sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    return weighted_map((positive / (2 + total * positive)).sum(axis=(1, 2)), activations)


def _weighted_sum(weights: NDArray[np.floating], values: Floats) -> Floats:
    weights = weights.astype(np.float64)
    result: Floats = np.tensordot(weights, values, axes=1) if weights.ndim == 1 else (weights * values).sum(axis=0)
    return result
