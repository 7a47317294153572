"""Means of metrics over photos, with their intervals."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from camcore.metrics.intervals import Interval, mean_interval, share_interval


@dataclass(frozen=True)
class Mean:
    """The mean of the values that exist, None if there are none; their `count`, and that of `total` values.

    The interval is a bootstrap interval of the mean, or Wilson's interval of a share; None for fewer than 3 values.
    """

    value: float | None
    count: int
    total: int
    interval: Interval | None = None


def mean(values: Iterable[float | None]) -> Mean:
    """Return the mean of the values that are not None."""
    values = list(values)
    existing = [value for value in values if value is not None]
    if existing and all(isinstance(value, bool) for value in existing):
        interval = share_interval(sum(map(bool, existing)), len(existing))
    else:
        interval = mean_interval(existing)
    return Mean(fmean(existing) if existing else None, len(existing), len(values), interval)
