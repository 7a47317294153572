"""Agreement of heatmaps: rank correlation, and the overlap of their hottest fifths."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from camcore.metrics.intervals import ranks
from camcore.types import Array

HOTTEST = 0.2  # of the pixels

Matrix = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Agreement:
    """Two symmetric matrices (n, n) that compare n heatmaps; None if one of the two is the same everywhere."""

    spearman: Matrix  # rank correlation over all pixels, in [-1, 1]
    overlap: Matrix  # intersection over union of the hottest fifths, in [0, 1]


def agreement(heatmaps: Sequence[Array]) -> Agreement:
    """Compare every two of several heatmaps (H, W) of one size."""
    count = len(heatmaps)
    varies = [bool(np.ptp(heatmap)) for heatmap in heatmaps]
    compared = varies if count > 1 else [False] * count
    orders = [ranks(heatmap) if is_compared else None for heatmap, is_compared in zip(heatmaps, compared, strict=True)]
    spearman: list[list[float | None]] = [[None] * count for _ in range(count)]
    overlap: list[list[float | None]] = [[None] * count for _ in range(count)]
    for i in (i for i in range(count) if varies[i]):
        spearman[i][i] = overlap[i][i] = 1.0
    for i, j in combinations(range(count), 2):
        first, second = orders[i], orders[j]
        if first is not None and second is not None:
            spearman[i][j] = spearman[j][i] = float(np.corrcoef(first, second)[0, 1])
            masks = hottest(heatmaps[i]), hottest(heatmaps[j])
            overlap[i][j] = overlap[j][i] = float(np.logical_and(*masks).sum() / np.logical_or(*masks).sum())
    return Agreement(tuple(map(tuple, spearman)), tuple(map(tuple, overlap)))


def hottest(heatmap: Array, share: float = HOTTEST) -> NDArray[np.bool_]:
    """Return a mask (H, W) of the hottest `share` of a heatmap's pixels, with all ties, but no pixel of value 0."""
    count = max(round(share * heatmap.size), 1)
    limit = np.partition(heatmap, heatmap.size - count, axis=None)[heatmap.size - count]
    mask: NDArray[np.bool_] = (heatmap >= limit) & (heatmap > 0)
    return mask
