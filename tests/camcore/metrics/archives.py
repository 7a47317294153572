"""Simulated archives of a camera trap, as columns of photos."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from camcore.metrics.bursts import Observations

Codes = NDArray[np.integer]
MONTH = 30.4 * 86400


def columns(
    species: Sequence[int] | Codes, site: Sequence[int] | Codes, time: Sequence[float] | NDArray[np.floating],
    relies: Sequence[int] | Codes,
) -> Observations:  # fmt: skip
    """Return photos whose titles are s00, s01, ... and c00, c01, ..., none of them judged right or wrong."""
    species, site = np.array(species, np.int32), np.array(site, np.int32)
    return Observations(
        tuple(f"s{number:02}" for number in range(int(species.max(initial=-1)) + 1)),
        tuple(f"c{number:02}" for number in range(int(site.max(initial=-1)) + 1)),
        species,
        site,
        np.array(time, np.float64),
        np.array(relies, np.int8),
        np.full(species.size, 4, np.int8),
    )


def cells(tallies: dict[tuple[int, int], tuple[int, int]]) -> Observations:
    """Return photos an hour apart, so many of each (species, site) of which (count, total) rely on the background."""
    rows = [
        (species, site, int(number < count))
        for (species, site), (count, total) in tallies.items()
        for number in range(total)
    ]
    species, site, relies = np.array(rows).T
    return columns(species, site, np.arange(len(rows)) * 3600.0, relies)


def simulate(
    seed: int, rate: float, *, planted: Callable[[int, int], bool] = lambda species, site: False, visits: int = 600
) -> Observations:
    """Return a year of visits to 10 sites by 6 species, in cells of very unequal size, with 1 to 5 photos each.

    The photos of a visit mostly have the same answer. `planted` cells rely on the background at a rate of 80%.
    """
    chance = np.random.default_rng(seed)
    rates = np.array([0.8 if planted(*cell) else rate for cell in product(range(6), range(10))])
    cell = chance.choice(60, size=visits, p=chance.dirichlet(np.full(60, 0.7)))
    answer = chance.random(visits) < rates[cell]
    visit = np.repeat(np.arange(visits), chance.integers(1, 6, visits))
    time = chance.permutation(visits)[visit] * (12 * MONTH / visits) + np.arange(visit.size) % 7
    disagrees = chance.random(visit.size) < 0.1
    relies = np.where(disagrees, chance.random(visit.size) < rates[cell[visit]], answer[visit])
    return columns(cell[visit] // 10, cell[visit] % 10, time, relies)
