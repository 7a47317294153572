"""The weights of logits whose gradients make Grad-CAM the map of Finer-CAM."""

import numpy as np

from camcore.types import Array, LogitWeights

GAMMA = 0.6  # share of the other classes' mean logit that is subtracted
NEAREST = 3  # number of other classes


def finer_weights(logits: Array, class_idx: int, contrast_idx: int | None = None) -> LogitWeights:
    """Return the weights of `y_c - 0.6 mean(y_d)`, as in Finer-CAM (Zhang et al. 2025, arXiv 2501.11309).

    The classes d are the three whose `logits` (K,) are nearest to that of the class, or all others of a model that has
    fewer; or only the contrast class, if there is one. Without any other class, the map is that of Grad-CAM. The
    logits of a multi-label model are compared in the same way.
    """
    distances = np.abs(logits.astype(np.float64) - float(logits[class_idx]))
    distances[class_idx] = np.inf
    nearest = np.argsort(distances, kind="stable")[: min(NEAREST, len(logits) - 1)]
    others = nearest.tolist() if contrast_idx is None else [contrast_idx]
    return {class_idx: 1.0, **{other: -GAMMA / len(others) for other in others}}
