"""The matrix of species and sites, and its margins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from camcore.metrics.bursts import Observations, ObservationsBuilder, group_bursts
from camcore.metrics.intervals import ratio_interval, resampling_weights
from camcore.metrics.reliance import Tally, margins, reliance_matrix
from tests.camcore.metrics.archives import cells, columns, simulate

TALLIES = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 4)),
    st.integers(1, 40).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))),
    min_size=1,
    max_size=10,
)


def test_the_matrix_by_hand() -> None:
    photos = columns(
        [0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 0, -1, -1], [0, 1, 900, 1800, 0, 0, 0, 0], [1, 1, 0, -1, 1, 0, 1, 0]
    )
    matrix = reliance_matrix(group_bursts(photos))
    assert list(matrix) == [
        ("s00", "c00", Tally(1, 2, 3, 4)),
        ("s00", "c01", Tally(1, 1, 1, 1)),
        ("s01", "", Tally(1, 2, 2, 2)),
        ("s01", "c00", Tally(0, 1, 1, 1)),
    ]
    sums = margins(matrix)
    assert (sums.archive.title, sums.archive.tally) == ("", Tally(3, 6, 7, 8))
    assert [entry[:2] for entry in sums.species] == [("s00", Tally(2, 3, 4, 5)), ("s01", Tally(1, 3, 3, 3))]
    assert [entry[:2] for entry in sums.sites] == [
        ("", Tally(1, 2, 2, 2)), ("c00", Tally(1, 3, 4, 5)), ("c01", Tally(1, 1, 1, 1)),
    ]  # fmt: skip
    assert sums.archive.interval is not None, "the bursts without a site are the third"
    assert sums.species[0].interval is None, "of two sites"
    assert sums.sites[1].interval == Tally(1, 3, 4, 5).interval


def test_a_share_without_decided_bursts() -> None:
    assert Tally(0, 0, 3, 9).share is Tally(0, 0, 3, 9).interval is None
    assert Tally(1, 4, 5, 9).share == 0.25


def test_an_empty_archive() -> None:
    sums = margins(reliance_matrix(group_bursts(ObservationsBuilder().build())))
    assert sums.archive.tally == Tally(0, 0, 0, 0)
    assert sums.archive.interval is None
    assert sums.species == sums.sites == ()


def test_sites_are_resampled_as_by_scipy() -> None:
    chance = np.random.default_rng(1)
    totals = chance.integers(5, 60, 30)
    counts = np.stack([chance.binomial(totals, chance.beta(2, 6, 30)), totals], axis=1)
    interval = ratio_interval(counts, resampling_weights(30))
    expected = stats.bootstrap(
        tuple(counts.T), lambda count, total, axis: count.sum(axis=axis) / total.sum(axis=axis), paired=True,
        method="percentile", n_resamples=4000, rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert_allclose(interval, expected, atol=0.006)


def test_weights_draw_as_many_sites_as_there_are() -> None:
    weights = resampling_weights(7)
    assert_array_equal(weights.sum(axis=0), 7)
    assert weights.shape == (7, 2000)
    assert resampling_weights(0).shape == (0, 2000)


def test_sites_that_differ_widen_the_interval() -> None:
    same = {(0, site): (10, 20) for site in range(8)}
    different = {(0, site): (20 * (site % 2), 20) for site in range(8)}
    narrow, wide = (margins(reliance_matrix(group_bursts(cells(tallies)))).species[0] for tallies in (same, different))
    assert narrow.tally == wide.tally
    assert narrow.interval == (0.5, 0.5)
    assert wide.interval == pytest.approx((0.125, 0.875), abs=0.07)


@given(TALLIES)
@settings(deadline=None, max_examples=50)
def test_intervals_contain_the_share(tallies: dict[tuple[int, int], tuple[int, int]]) -> None:
    matrix = reliance_matrix(group_bursts(cells(tallies)))
    assert {(int(title[1:]), int(site[1:])): (tally.count, tally.total) for title, site, tally in matrix} == tallies
    sums = margins(matrix)
    for entry in (sums.archive, *sums.species, *sums.sites):
        share = entry.tally.share
        assert (
            entry.interval is None or share is None or entry.interval.low - 1e-9 <= share <= entry.interval.high + 1e-9
        )
    assert all(tally.interval for _, _, tally in matrix)


def test_the_order_of_photos_does_not_matter() -> None:
    photos = simulate(3, 0.2)
    order = np.random.default_rng(0).permutation(photos.species.size)
    rows = (photos.species, photos.site, photos.time, photos.relies, photos.outcome)
    shuffled = Observations(photos.species_titles, photos.site_titles, *(row[order] for row in rows))
    first, second = (reliance_matrix(group_bursts(entry)) for entry in (photos, shuffled))
    assert list(first) == list(second)
    assert margins(first) == margins(second)
