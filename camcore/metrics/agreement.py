"""Whether heatmaps agree: rank correlation, and the overlap of their hottest fifths."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from camcore.types import Array

HOTTEST = 0.2  # of the pixels

Matrix = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Agreement:
    """Symmetric matrices (n, n) over n heatmaps in their order; None where a heatmap is the same everywhere.

    `spearman` is the rank correlation over all pixels, in [-1, 1]; `overlap` the intersection over union of the
    hottest fifths, in [0, 1].
    """

    spearman: Matrix
    overlap: Matrix


def agreement(heatmaps: Sequence[Array]) -> Agreement:
    """How far heatmaps (H, W) of one size agree, each with each."""
    count = len(heatmaps)
    ranks = [_ranks(heatmap) if np.ptp(heatmap) else None for heatmap in heatmaps]
    spearman: list[list[float | None]] = [[None] * count for _ in range(count)]
    overlap: list[list[float | None]] = [[None] * count for _ in range(count)]
    for i in (i for i in range(count) if ranks[i] is not None):
        spearman[i][i] = overlap[i][i] = 1.0
    for i, j in combinations(range(count), 2):
        first, second = ranks[i], ranks[j]
        if first is not None and second is not None:
            spearman[i][j] = spearman[j][i] = float(np.corrcoef(first, second)[0, 1])
            overlap[i][j] = overlap[j][i] = _overlap(hottest(heatmaps[i]), hottest(heatmaps[j]))
    return Agreement(tuple(map(tuple, spearman)), tuple(map(tuple, overlap)))


def hottest(heatmap: Array, share: float = HOTTEST) -> NDArray[np.bool_]:
    """The hottest `share` of a heatmap's pixels, (H, W): more where several are as hot as the last of them, and none
    that are cold (0).
    """
    count = max(round(share * heatmap.size), 1)
    limit = np.partition(heatmap, heatmap.size - count, axis=None)[heatmap.size - count]
    chosen: NDArray[np.bool_] = (heatmap >= limit) & (heatmap > 0)
    return chosen


def _overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum() / (first | second).sum())


def _ranks(heatmap: Array) -> NDArray[np.float64]:
    """Ranks of all pixels, the mean rank where several are equal."""
    _, inverse, counts = np.unique(heatmap, return_inverse=True, return_counts=True)
    means: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse.ravel()]
    return means
