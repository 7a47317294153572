"""Sanity check of Adebayo et al. 2018 (arXiv 1810.03292): comparison with maps of an untrained classifier."""

from collections.abc import Mapping, Sequence

import numpy as np

from camcore.methods.heatmap import to_heatmap
from camcore.methods.method_table import METHODS, MapInput, MethodName
from camcore.metrics.agreement import agreement
from camcore.types import Array

SEEDS = range(8)  # one random matrix may resemble the trained one by chance


def sanity(
    activations: Array, gradients: Mapping[MapInput, Sequence[Array]], methods: Sequence[MethodName]
) -> dict[MethodName, float | None]:
    """Return each gradient method's mean Spearman correlation with its maps of randomised classifiers.

    Near 0, the map depends on what the classifier has learnt; near 1, it would look the same without any training.
    Methods without gradients are left out. The value is None if the map, or every randomised one, is empty. `gradients`
    has those of the trained classifier and then of each randomised one, all (C, h, w) like the activations.
    """
    correlations: dict[MethodName, float | None] = {}
    for name in methods:
        method = METHODS[name]
        if method.rule is not None and method.gradients is not None:
            maps = (method.rule(activations, values) for values in gradients[method.gradients])
            heatmaps = [to_heatmap(cam, activations.shape[1:])[0] for cam in maps]
            defined = [value for value in agreement(heatmaps).spearman[0][1:] if value is not None]
            correlations[name] = float(np.mean(defined)) if defined else None
    return correlations
