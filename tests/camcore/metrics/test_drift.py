"""Monthly shares and their trend, against a loop over cells, with planted drifts and planted changes of sites."""

from math import sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from camcore.metrics.bursts import Observations, ObservationsBuilder, group_bursts, seconds_of
from camcore.metrics.drift import DriftSeries, measure_drift
from camcore.metrics.reliance import Tally
from tests.camcore.metrics.archives import columns, simulate

SEEDS = 200


def archive(counts: dict[tuple[int, int], list[tuple[int, int]]]) -> Observations:
    """Return photos an hour apart: for each species and site, (count, total) of each month from January 2024."""
    rows = [
        (species, site, seconds_of(f"2024-{month:02}-01T00:00:00") + 3600 * number, int(number < count))
        for (species, site), months in counts.items()
        for month, (count, total) in enumerate(months, 1)
        for number in range(total)
    ]
    return columns(*zip(*rows, strict=True))


def drift_of(counts: dict[tuple[int, int], list[tuple[int, int]]]) -> tuple[DriftSeries, ...]:
    return measure_drift(group_bursts(archive(counts)))


def named(series: tuple[DriftSeries, ...]) -> list[str | None]:
    return [entry.species for entry in series if entry.trend and entry.trend.is_named]


def test_months_by_hand() -> None:
    series = drift_of({(0, 0): [(1, 2), (0, 0), (3, 3)], (1, 0): [(0, 4)]})
    assert [(entry.species, entry.trend) for entry in series] == [(None, None), ("s00", None), ("s01", None)]
    months = [[(month.month, month.tally) for month in entry.months] for entry in series]
    assert months == [
        [("2024-01", Tally(1, 6, 6, 6)), ("2024-03", Tally(3, 3, 3, 3))],
        [("2024-01", Tally(1, 2, 2, 2)), ("2024-03", Tally(3, 3, 3, 3))],
        [("2024-01", Tally(0, 4, 4, 4))],
    ]


def test_a_trend_by_hand() -> None:
    # Scores -1, 0, 1; numerator 8 - 2 = 6; variance 15 * 15 / (30 * 29) * 20
    series = drift_of({(0, 0): [(2, 10), (5, 10), (8, 10)]})
    trend = series[1].trend
    assert trend is not None
    assert trend == series[0].trend, "the archive has one species"
    assert trend.z == pytest.approx((6 - 0.5) / sqrt(15 * 15 / (30 * 29) * 20))
    assert trend.slope == pytest.approx(0.3)
    assert trend.p_value == trend.q_value == pytest.approx(2 * stats.norm.sf(trend.z))


def test_cells_are_added_up() -> None:
    counts = {(0, 0): [(1, 9), (2, 9), (5, 9)], (0, 1): [(8, 20), (0, 0), (12, 20)], (0, 2): [(3, 5), (0, 0), (0, 0)]}
    numerator = variance = spread = 0.0
    for months in counts.values():
        x = np.repeat(np.arange(3), [total for _, total in months])
        y = np.concatenate([np.arange(total) < count for count, total in months]).astype(float)
        numerator += float(((x - x.mean()) * y).sum())
        variance += float(x.var() * y.var() * y.size**2 / (y.size - 1))  # over all permutations of the answers
        spread += float(x.var() * x.size)
    trend = drift_of(counts)[1].trend
    assert trend is not None
    assert_allclose((trend.z, trend.slope), ((numerator - 0.5) / sqrt(variance), numerator / spread))


def test_the_p_value_is_near_that_of_permutations() -> None:
    x, y = np.repeat(np.arange(3), 12), np.zeros(36)
    y[[0, 12, 13, 14, 24, 25, 26, 27, 28]] = 1
    sums = np.array([np.random.default_rng(seed).permutation(y) @ (x - 1) for seed in range(4000)])
    trend = drift_of({(0, 0): [(1, 12), (3, 12), (5, 12)]})[1].trend
    assert trend is not None
    assert trend.p_value == pytest.approx((np.abs(sums) >= 4).mean(), abs=0.02)


def test_a_planted_drift_is_named() -> None:
    rising = [(2 + 2 * month, 20) for month in range(8)]
    flat = [(4, 20)] * 8
    series = drift_of({(0, 0): rising, (0, 1): rising, (1, 0): flat, (1, 1): flat, (2, 0): rising[::-1]})
    assert named(series) == [None, "s00", "s02"]
    slopes = [entry.trend.slope for entry in series if entry.trend]
    assert_allclose(slopes, [0.02, 0.1, 0, -0.1], atol=1e-9)


def test_a_change_of_sites_is_no_drift() -> None:
    empty = [(0, 0)] * 4
    sites = {(0, 0): [(1, 20)] * 4 + empty, (0, 1): empty + [(16, 20)] * 4}
    series = drift_of(sites)
    assert named(series) == []
    assert [month.tally.share for month in series[0].months] == [0.05] * 4 + [0.8] * 4
    pooled = {(0, 0): sites[0, 0][:4] + sites[0, 1][4:]}
    assert named(drift_of(pooled)) == [None, "s00"], "as one site, it is a drift"


def test_a_change_of_species_is_no_drift_of_the_archive() -> None:
    counts = [(20 - 2 * month, 2 * month) for month in range(9)]
    series = drift_of({(0, 0): [(0, few) for few, _ in counts], (1, 0): [(many, many) for _, many in counts]})
    assert named(series) == []


def test_small_months_and_few_months_are_not_tested() -> None:
    assert drift_of({(0, 0): [(0, 30), (30, 30)]})[1].trend is None
    assert drift_of({(0, 0): [(0, 30), (2, 4), (30, 30)]})[1].trend is None
    assert drift_of({(0, 0): [(3, 3), (3, 3), (3, 3)]})[0].trend is None
    steady = [(0, 30), (15, 30), (30, 30)]
    assert drift_of({(0, 0): [*steady, (0, 4)]})[1].trend == drift_of({(0, 0): steady})[1].trend
    assert drift_of({(0, 0): [(0, 30)] * 3})[1].trend is None, "all answers are equal"


def test_photos_without_a_time_or_a_site() -> None:
    assert [entry.months for entry in measure_drift(group_bursts(ObservationsBuilder().build()))] == [()]
    rising = archive({(0, 0): [(0, 30), (15, 30), (30, 30)]})
    placeless = Observations(
        ("s00",), (), rising.species, rising.site * 0 - 1, rising.time, rising.relies, rising.outcome
    )
    series = measure_drift(group_bursts(placeless))
    assert [len(entry.months) for entry in series] == [3, 3]
    assert [entry.trend for entry in series] == [None, None]
    timeless = columns([0, 0], [0, 0], [np.nan, np.nan], [1, 0])
    assert [entry.months for entry in measure_drift(group_bursts(timeless))] == [()]


def test_months_before_1970() -> None:
    photos = columns([0], [0], [seconds_of("1969-12-31T23:59:59")], [1])
    assert measure_drift(group_bursts(photos))[0].months[0].month == "1969-12"


def test_no_drift_is_named_where_nothing_is_planted() -> None:
    """At a true rate of .05, at most 18 of 200 archives name something with a probability above .99: here, 2 do.

    Of 400 archives in each of 18 settings, .015 to .05 did.
    """
    rates = (0.02, 0.05, 0.1, 0.2, 0.5)
    count = sum(bool(named(measure_drift(group_bursts(simulate(seed, rates[seed % 5]))))) for seed in range(SEEDS))
    assert count <= 18
