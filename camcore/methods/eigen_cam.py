"""Eigen-CAM as a pure function of activations."""

import numpy as np

from camcore.types import Array


def eigen_cam(activations: Array) -> Array:
    """Return the Eigen-CAM map (Muhammad and Yeasin 2020, arXiv 2008.00299), (h, w) and >= 0.

    The activations (C, h, w), as a matrix with one row per place, are projected onto their first right singular vector,
    without centring. Its sign, which is arbitrary, is chosen so that the sum of the projection is positive, before the
    ReLU. The map depends on no class.
    """
    places = activations.reshape(len(activations), -1).T.astype(np.float64)
    direction = np.linalg.svd(places, full_matrices=False)[2][0]
    projection = places @ direction
    cam = projection if projection.sum() >= 0 else -projection
    result: Array = np.maximum(cam, 0).reshape(activations.shape[1:]).astype(np.float32)
    return result
