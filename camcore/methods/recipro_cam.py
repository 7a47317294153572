"""Recipro-CAM as a pure function of activations and of the model's head."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from camcore.types import Array

HeadProbability = Callable[[Array], NDArray[np.floating]]  # from activations (n, C, h, w) to probabilities (n,)
_BATCH = 2**22  # activations of a batch, 16 MB


def recipro_cam(activations: Array, head: HeadProbability) -> Array:
    """Return the Recipro-CAM map (Byun and Lee 2022, arXiv 2209.14074), (h, w) and >= 0.

    The value of a place is the probability of the class that the rest of the model, `head`, returns if the activations
    (C, h, w) are kept at this place and set to 0 at all others. The heatmap is its min-max, as of every map. There
    is no Gaussian around the place.
    """
    channels, height, width = activations.shape
    places = activations.reshape(channels, -1)
    step = max(_BATCH // places.size, 1)
    probabilities = []
    for start in range(0, height * width, step):
        kept = np.arange(start, min(start + step, height * width))
        batch = np.zeros((len(kept), *places.shape), np.float32)
        batch[np.arange(len(kept)), :, kept] = places[:, kept].T
        probabilities.append(head(batch.reshape(len(kept), channels, height, width)))
    return np.concatenate(probabilities).reshape(height, width).astype(np.float32)
