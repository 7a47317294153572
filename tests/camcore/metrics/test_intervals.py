"""Intervals, compared with those of SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from camcore.metrics.intervals import RESAMPLES, mean_interval, ranks, share_interval, spearman


@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (0, 12), (5, 12), (12, 12), (300, 1000)])
def test_shares_have_wilsons_interval(count: int, total: int) -> None:
    expected = stats.binomtest(count, total).proportion_ci(method="wilson")
    assert_allclose(share_interval(count, total), (expected.low, expected.high), atol=1e-9)
    assert share_interval(0, 0) is None


@pytest.mark.parametrize("size", [3, 12, 200, 5000])
def test_means_have_a_bootstrap_interval(size: int) -> None:
    values = np.random.default_rng(size).gamma(2, size=size)
    interval = mean_interval(values.tolist())
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    spread = values.std(ddof=1) / size**0.5
    assert_allclose(interval, (expected.low, expected.high), atol=0.25 * spread)
    assert mean_interval(values.tolist()) == interval


def test_too_few_values_have_no_interval() -> None:
    assert mean_interval([1.0, 2.0]) is None
    assert spearman([1.0, 2.0], [1.0, 2.0]) is None
    assert spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert mean_interval([2.0, 2.0, 2.0]) == (2, 2)


def test_rank_correlation_and_its_interval() -> None:
    chance = np.random.default_rng(3)
    x = chance.normal(size=40)
    y = x + chance.normal(size=40)
    y[5] = y[6]
    measured = spearman(x.tolist(), y.tolist())
    assert measured is not None
    value, interval = measured
    assert value == pytest.approx(stats.spearmanr(x, y).statistic)
    expected = stats.bootstrap(
        (x, y), lambda *pair: stats.spearmanr(*pair).statistic, paired=True, vectorized=False, n_resamples=1000,
        method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert_allclose(interval, (expected.low, expected.high), atol=0.05)


def test_ranks_of_ties_are_means() -> None:
    values = np.array([[3.0, 1.0], [3.0, 2.0]])
    assert_allclose(ranks(values), stats.rankdata(values))
