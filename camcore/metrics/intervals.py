"""95% intervals of means, shares and rank correlations, from samples of photos."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camcore.types import Floats

RESAMPLES = 2000
LEAST = 3  # values: fewer say nothing about their spread
_LARGE = 1000  # values, from which on the mean is taken to be normally distributed: the bootstrap then gives the same
_NORMAL = 1.959963984540054  # 97.5% quantile of the normal distribution
_SEED = 0


class Interval(NamedTuple):
    """A 95% interval."""

    low: float
    high: float


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the percentile bootstrap interval of a mean (Efron 1979), the same at every call; None below 3 values.

    Of more than 1,000 values it is the mean plus and minus 1.96 standard errors.
    """
    sample = np.asarray(values, np.float64)
    if sample.size < LEAST:
        return None
    if sample.size > _LARGE:
        error = _NORMAL * float(sample.std(ddof=1)) / sample.size**0.5
        return Interval(float(sample.mean()) - error, float(sample.mean()) + error)
    indices = np.random.default_rng(_SEED).integers(sample.size, size=(RESAMPLES, sample.size))
    return _percentiles(sample[indices].mean(axis=1))


def share_interval(count: int, total: int) -> Interval | None:
    """Return the score interval of a share (Wilson 1927), `count` of `total`; None if the total is 0."""
    if not total:
        return None
    share, weight = count / total, _NORMAL**2 / total
    centre = (share + weight / 2) / (1 + weight)
    spread = _NORMAL * (share * (1 - share) / total + weight / (4 * total)) ** 0.5 / (1 + weight)
    return Interval(max(centre - spread, 0.0), min(centre + spread, 1.0))


def resampling_weights(size: int) -> Floats:
    """Return how often each of `size` groups occurs in each bootstrap resample of them, as (size, 2000)."""
    if not size:
        return np.zeros((0, RESAMPLES))
    weights = np.random.default_rng(_SEED).multinomial(size, np.full(size, 1 / size), size=RESAMPLES)
    return np.ascontiguousarray(weights.T, np.float64)


def ratio_interval(counts: NDArray[np.integer], weights: Floats) -> Interval | None:
    """Return the percentile interval of a share that is pooled over groups, from resamples of the groups.

    `counts` has the count and the total of each group, (n, 2), and `weights` the rows of `resampling_weights` of these
    groups, (n, 2000). Resamples without any of these groups are left out. Return None below 3 groups.
    """
    if len(counts) < LEAST:
        return None
    count, total = counts.T.astype(np.float64) @ weights
    return _percentiles(count[total > 0] / total[total > 0])


def spearman(x: Sequence[float], y: Sequence[float]) -> tuple[float, Interval] | None:
    """Return Spearman's rank correlation of paired values and its bootstrap interval.

    Return None below 3 pairs, or if one side does not vary. Resamples in which one side does not vary are left out.
    """
    pairs = np.array([x, y], np.float64)
    value = _rank_correlation(pairs) if pairs.shape[1] >= LEAST else None
    if value is None:
        return None
    indices = np.random.default_rng(_SEED).integers(pairs.shape[1], size=(RESAMPLES, pairs.shape[1]))
    resampled = [_rank_correlation(pairs[:, index]) for index in indices]
    return value, _percentiles(np.array([entry for entry in resampled if entry is not None]))


def ranks(values: NDArray[np.floating]) -> Floats:
    """Return the ranks of all values as (n,), from 1; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse.ravel()]
    return means


def _rank_correlation(pairs: Floats) -> float | None:
    first, second = map(ranks, pairs)
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) and np.ptp(second) else None


def _percentiles(values: Floats) -> Interval:
    low, high = np.percentile(values, (2.5, 97.5))
    return Interval(float(low), float(high))
