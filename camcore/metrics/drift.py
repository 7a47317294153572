"""How often predictions rely on the background in each calendar month, and whether this share rises or falls."""

from math import erfc, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camcore.metrics.bursts import NO_SITE, Bursts
from camcore.metrics.multiple_tests import FALSE_DISCOVERY_RATE, q_values
from camcore.metrics.outcomes import UNDECIDED
from camcore.metrics.reliance import Tally, tabulate
from camcore.types import Floats

LEAST_MONTHS = 3  # with enough bursts: below, a series is not tested
LEAST_MONTHLY = 5  # decided bursts: a month of fewer is not in the test

Integers = NDArray[np.int64]


class Trend(NamedTuple):
    """The trend of a monthly share within the cells of the matrix."""

    slope: float  # change of the share per month, as a least-squares line within cells
    z: float  # Mantel's statistic; positive if the share rises
    p_value: float  # two-sided
    q_value: float  # lowest false discovery rate at which the trend is named

    @property
    def is_named(self) -> bool:
        """Return whether the share drifts, at a false discovery rate of .05 over all tested series."""
        return self.q_value <= FALSE_DISCOVERY_RATE


class MonthlyShare(NamedTuple):
    """The bursts of one calendar month."""

    month: str  # "2024-05", by the camera's clock
    tally: Tally


class DriftSeries(NamedTuple):
    """The months of one species or of the archive, without months that have no burst."""

    species: str | None  # None for the archive
    months: tuple[MonthlyShare, ...]
    trend: Trend | None  # None if it cannot be tested


def measure_drift(bursts: Bursts) -> tuple[DriftSeries, ...]:
    """Return the monthly shares and the trend of the archive, then of each species that has bursts with a time.

    The trend is tested by the Mantel extension test (Mantel 1963): the numerators of the Cochran-Armitage test (Cochran
    1954, Armitage 1955) within each cell, a species at a site, are added up, and so are their variances, given the
    number of bursts that rely on the background in the cell. A share that changes because other sites are active, or
    other species pass, is therefore no trend; one that changes at one site because the camera was moved there without
    a new name is. So are seasons: the test does not tell a drift of the model from one of the vegetation or the light.

    Scores are the numbers of the months. A series is tested if at least 3 months have at least 5 decided bursts with a
    site; other months and bursts without a site are left out of the test, not of the shares. The distance of the
    numerator from 0 is reduced by a half, the continuity correction for scores one apart, as bursts are often few. All
    tested series are one family, and are named at a q-value of at most .05 (Benjamini & Hochberg 1995).

    If nothing drifts, the probability of naming anything is at most about .05: measured, .015 to .05 in 18 settings of
    400 archives each. It holds if bursts of a cell are independent; see `group_bursts` on animals that stay.
    """
    timed = np.flatnonzero(~np.isnan(bursts.time))
    month = np.zeros(bursts.time.size, np.int64)
    month[timed] = bursts.time[timed].astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    series = np.full(bursts.time.size, -1)
    series[timed] = bursts.species[timed] + 1
    size = len(bursts.species_titles) + 1
    shares = _monthly_shares(bursts, series, month, size)
    trends = _test_trends(bursts, series, month, size)
    titles = (None, *bursts.species_titles)
    return tuple(
        DriftSeries(title, months, trend)
        for number, (title, months, trend) in enumerate(zip(titles, shares, trends, strict=True))
        if months or number == 0
    )


def _monthly_shares(bursts: Bursts, series: Integers, month: Integers, size: int) -> list[tuple[MonthlyShare, ...]]:
    """Return the months of each series: 0 is the archive, the others are species; -1 has no time."""
    timed = series >= 0
    first = int(month[timed].min()) if timed.any() else 0
    span = int(month[timed].max()) - first + 1 if timed.any() else 1
    codes, group = np.unique(np.where(timed, series * span + month - first, -1), return_inverse=True)
    tallies = tabulate(bursts, group.ravel(), codes.size)[codes >= 0]
    codes = codes[codes >= 0]
    archive = np.zeros((span, tallies.shape[1]), np.int64)
    np.add.at(archive, codes % span, tallies)
    months: list[list[MonthlyShare]] = [[] for _ in range(size)]
    entries = [*enumerate(archive.tolist()), *zip(codes.tolist(), tallies.tolist(), strict=True)]
    for code, row in entries:
        if (tally := Tally(*row)).bursts:
            name = str(np.datetime64(first + code % span, "M"))
            months[code // span].append(MonthlyShare(name, tally))
    return [tuple(entry) for entry in months]


def _test_trends(bursts: Bursts, series: Integers, month: Integers, size: int) -> list[Trend | None]:
    """Return the trend of each series, with the q-values of all that are tested."""
    usable = np.flatnonzero((series >= 0) & (bursts.site != NO_SITE) & (bursts.relies != UNDECIDED))
    cell = bursts.species[usable].astype(np.int64) * len(bursts.site_titles) + bursts.site[usable]
    columns = cell, month[usable], bursts.relies[usable].astype(np.float64)
    archive = _mantel(np.zeros(usable.size, np.int64), *columns, size=1)
    statistics = np.concatenate([archive, _mantel(series[usable], *columns, size=size)[1:]])
    trends: list[Trend | None] = [None] * size
    tested = np.flatnonzero(statistics[:, 1] > 0)
    numerators, variances, spreads = statistics[tested].T
    z = np.sign(numerators) * np.maximum(np.abs(numerators) - 0.5, 0) / np.sqrt(variances)
    p_values = np.array([erfc(abs(value) / sqrt(2)) for value in z.tolist()])
    rows = np.stack([numerators / spreads, z, p_values, q_values(p_values)], axis=1)
    for number, row in zip(tested.tolist(), rows.tolist(), strict=True):
        trends[number] = Trend(*row)
    return trends


def _mantel(series: Integers, cell: Integers, month: Integers, relies: Floats, *, size: int) -> Floats:
    """Return the numerator of Mantel's statistic, its variance and the spread of the months, of each series (size, 3).

    All are sums over cells, and 0 where a series cannot be tested. The variance in a cell is the hypergeometric one,
    with n - 1 (Mantel 1963), and 0 for a cell of one burst, one month or one answer.
    """
    usable = _has_bursts(series, month, size)
    series, month, relies = series[usable], month[usable], relies[usable]
    codes, index, stratum = np.unique(cell[usable], return_index=True, return_inverse=True)
    stratum = stratum.ravel()

    def total(values: NDArray[np.floating] | None = None) -> Floats:
        return np.bincount(stratum, values, minlength=codes.size).astype(np.float64)

    count, relying = total(), total(relies)
    deviation = month - (total(month.astype(np.float64)) / count)[stratum]
    spread = total(deviation**2)
    variance = relying * (count - relying) * spread / np.maximum(count * (count - 1), 1)
    sums = total(deviation * relies), variance, spread
    return np.stack([np.bincount(series[index], values, minlength=size) for values in sums], axis=1)


def _has_bursts(series: Integers, month: Integers, size: int) -> NDArray[np.bool_]:
    """Return for each burst whether its series has enough months with enough bursts, and its month is one of them."""
    if not series.size:
        return np.zeros(0, np.bool_)
    offset = month - month.min()
    span = int(offset.max()) + 1
    codes, group, counts = np.unique(series * span + offset, return_inverse=True, return_counts=True)
    enough = counts >= LEAST_MONTHLY
    months = np.bincount(codes[enough] // span, minlength=size)
    selection: NDArray[np.bool_] = enough[group.ravel()] & (months[series] >= LEAST_MONTHS)
    return selection
