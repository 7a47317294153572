"""Adebayo et al. 2018 (arXiv 1810.03292): does a map change if the classifier had learnt nothing?"""

from collections.abc import Iterable, Sequence

import numpy as np

from camcore.methods.grad_cam import METHODS, MethodName
from camcore.methods.heatmap import to_heatmap
from camcore.metrics.agreement import agreement
from camcore.types import Array

SEEDS = range(8)  # one random matrix may resemble the learnt one by chance


def sanity(
    activations: Array, gradients: Array, randomised: Iterable[Array], methods: Sequence[MethodName]
) -> dict[MethodName, float | None]:
    """Spearman correlation of each gradient method's map with that of a random classifier, the mean over several.

    All arrays are (C, h, w). Near 0 the map tells what the classifier has learnt; near 1 it would look the same had
    it learnt nothing. Methods without gradients are left out; None if a map, or each random one, is empty.
    """
    others = list(randomised)
    found: dict[MethodName, float | None] = {}
    for name in methods:
        rule = METHODS[name].from_gradients
        if rule is not None:
            maps = [to_heatmap(rule(activations, each), activations.shape[1:])[0] for each in (gradients, *others)]
            defined = [value for value in agreement(maps).spearman[0][1:] if value is not None]
            found[name] = float(np.mean(defined)) if defined else None
    return found
