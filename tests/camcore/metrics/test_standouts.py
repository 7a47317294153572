"""What stands out: the planted cells and no others, and nothing where nothing is planted."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from camcore.metrics.bursts import NO_SITE, ObservationsBuilder, group_bursts
from camcore.metrics.drift import measure_drift
from camcore.metrics.intervals import share_interval
from camcore.metrics.reliance import RelianceMatrix, margins, reliance_matrix
from camcore.metrics.standouts import LEAST_BURSTS, find_standouts
from tests.camcore.metrics.archives import cells, columns, simulate

SEEDS = 200
RATES = (0.02, 0.05, 0.1, 0.2, 0.5)


def large_cells(matrix: RelianceMatrix, planted: Callable[[int, int], bool]) -> set[tuple[str, str]]:
    """Return the planted cells with at least 20 bursts."""
    return {(species, site) for species, site, tally in matrix if planted(int(species[1:]), int(site[1:])) and
            tally.total >= 20}  # fmt: skip


def test_a_standout_by_hand() -> None:
    matrix = reliance_matrix(group_bursts(cells({(0, 0): (9, 10), (0, 1): (2, 20), (1, 0): (1, 20), (1, 1): (4, 4)})))
    (standout,) = find_standouts(matrix)
    expected = stats.fisher_exact([[9, 1], [7, 37]], alternative="greater").pvalue
    assert (standout.species, standout.site, standout.count, standout.total) == ("s00", "c00", 9, 10)
    assert standout.share == 0.9
    assert standout.rest_share == 7 / 44
    assert standout.interval == share_interval(9, 10)
    assert standout.p_value == pytest.approx(expected)
    assert standout.q_value == pytest.approx(3 * expected), "three cells have at least five decided bursts"
    assert LEAST_BURSTS == 5


def test_nothing_to_compare() -> None:
    assert find_standouts(reliance_matrix(group_bursts(ObservationsBuilder().build()))) == ()
    assert find_standouts(reliance_matrix(group_bursts(cells({(0, 0): (9, 10)})))) == ()
    assert find_standouts(reliance_matrix(group_bursts(cells({(0, 0): (9, 9), (0, 1): (9, 9)})))) == ()


def test_photos_without_a_site_are_not_tested() -> None:
    photos = columns([0] * 40 + [1] * 40, [NO_SITE] * 40 + [0] * 40, range(0, 80 * 900, 900), [1] * 40 + [0] * 40)
    assert find_standouts(reliance_matrix(group_bursts(photos))) == ()


def test_standouts_are_sorted() -> None:
    tallies = {(0, 0): (10, 10), (0, 1): (30, 40), (1, 0): (40, 40), **{(2, site): (5, 200) for site in range(3)}}
    standouts = find_standouts(reliance_matrix(group_bursts(cells(tallies))))
    assert [(entry.species, entry.site) for entry in standouts] == [("s01", "c00"), ("s00", "c01"), ("s00", "c00")]
    assert [entry.q_value for entry in standouts] == sorted(entry.q_value for entry in standouts)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_one_planted_cell_is_named_alone(rate: float) -> None:
    """In 123 archives of 1,500 bursts, it was named in all, and alone in 100% (rate of the others 5%) or 98% (20%)."""
    planted = {("s02", "c03")}
    alone = archives = 0
    for seed in range(100):
        matrix = reliance_matrix(group_bursts(simulate(seed, rate, planted=lambda *cell: cell == (2, 3))))
        if large_cells(matrix, lambda *cell: cell == (2, 3)):
            names = {(entry.species, entry.site) for entry in find_standouts(matrix)}
            assert planted <= names
            archives, alone = archives + 1, alone + (names == planted)
    assert archives >= 10
    assert alone >= 0.9 * archives


@pytest.mark.parametrize("planted", [lambda species, site: species == 2, lambda species, site: site == 3])
def test_a_whole_species_or_site_is_named_cell_by_cell(planted: Callable[[int, int], bool]) -> None:
    """In 300 archives of 1,500 bursts, 99.8% of a species' cells were named, and others in less than 1% of archives."""
    expected = named = extra = 0
    for seed in range(50):
        matrix = reliance_matrix(group_bursts(simulate(seed, 0.1, planted=planted, visits=1000)))
        names = {(entry.species, entry.site) for entry in find_standouts(matrix)}
        large = large_cells(matrix, planted)
        expected, named = expected + len(large), named + len(large & names)
        extra += any(not planted(int(species[1:]), int(site[1:])) for species, site in names)
    assert expected >= 50
    assert named >= 0.95 * expected
    assert extra <= 5


def test_nothing_is_named_where_nothing_is_planted() -> None:
    """At a true rate of .05, at most 18 of 200 archives name something with a probability above .99: here, 1 does.

    Of 400 archives in each of 18 settings (rates of .02 to .5; 300, 1,500 and 8,000 bursts), .005 to .043 did.
    """
    named = 0
    for seed in range(SEEDS):
        named += bool(find_standouts(reliance_matrix(group_bursts(simulate(seed, RATES[seed % len(RATES)])))))
    assert stats.binom.cdf(18, SEEDS, 0.05) > 0.99 > stats.binom.cdf(17, SEEDS, 0.05)
    assert named <= 18


def test_a_million_photos() -> None:
    chance = np.random.default_rng(0)
    size = 1_000_000
    species, site = chance.integers(0, 100, size), chance.integers(0, 200, size)
    relies = chance.random(size) < np.where((species == 7) & (site == 9), 0.8, 0.1)
    bursts = group_bursts(columns(species, site, chance.random(size) * 1e8, relies))
    matrix = reliance_matrix(bursts)
    assert margins(matrix).archive.tally.photos == size
    assert [(entry.species, entry.site) for entry in find_standouts(matrix)] == [("s07", "c09")]
    assert sum(month.tally.photos for month in measure_drift(bursts)[8].months) == (species == 7).sum()


def test_cells_of_a_bad_site_are_findings_about_the_site() -> None:
    tallies = {(species, site): (12 if site == 0 else 2, 30) for species in range(4) for site in range(6)}
    standouts = find_standouts(reliance_matrix(group_bursts(cells(tallies))))
    assert {(entry.species, entry.site) for entry in standouts} == {(f"s0{species}", "c00") for species in range(4)}
