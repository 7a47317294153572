"""Sanity check of Adebayo et al. 2018 (arXiv 1810.03292): comparison with maps of an untrained classifier."""

from collections.abc import Iterable, Sequence

import numpy as np

from camcore.methods.heatmap import to_heatmap
from camcore.methods.method_table import METHODS, MethodName
from camcore.metrics.agreement import agreement
from camcore.types import Array

SEEDS = range(8)  # one random matrix may resemble the trained one by chance


def sanity(
    activations: Array, gradients: Array, randomised: Iterable[Array], methods: Sequence[MethodName]
) -> dict[MethodName, float | None]:
    """Return each gradient method's mean Spearman correlation with its maps of randomised classifiers.

    Near 0, the map depends on what the classifier has learnt; near 1, it would look the same without any training.
    Methods without gradients are left out. The value is None if the map, or every randomised one, is empty. The
    activations, the gradients and those of each `randomised` classifier are (C, h, w).
    """
    all_gradients = [gradients, *randomised]
    correlations: dict[MethodName, float | None] = {}
    for name in methods:
        compute_map = METHODS[name].from_gradients
        if compute_map is not None:
            heatmaps = [to_heatmap(compute_map(activations, g), activations.shape[1:])[0] for g in all_gradients]
            defined = [value for value in agreement(heatmaps).spearman[0][1:] if value is not None]
            correlations[name] = float(np.mean(defined)) if defined else None
    return correlations
