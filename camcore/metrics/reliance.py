"""How often predictions rely on the background: for each species at each site, with the margins of this matrix."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camcore.metrics.bursts import NO_SITE, Bursts, Codes
from camcore.metrics.intervals import Interval, ratio_interval, resampling_weights, share_interval
from camcore.metrics.outcomes import UNDECIDED

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many bursts rely on the background."""

    count: int  # bursts whose prediction relies on the background
    total: int  # decided bursts
    bursts: int  # decided or not
    photos: int  # of all bursts

    @property
    def share(self) -> float | None:
        """Return the share of the decided bursts that rely on the background; None without a decided burst."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> Interval | None:
        """Return Wilson's 95% interval of the share, as if bursts were independent; None without a decided burst."""
        return share_interval(self.count, self.total)


class Margin(NamedTuple):
    """The bursts of one species at all sites, of one site with all species, or of the archive."""

    title: str  # "" for the archive, and for the site of bursts without one
    tally: Tally
    interval: Interval | None  # of the share: over sites for a species and the archive, over bursts for a site


class Margins(NamedTuple):
    """The margins of a matrix; species and sites are in the order of their titles."""

    archive: Margin
    species: tuple[Margin, ...]
    sites: tuple[Margin, ...]  # first that of bursts without a site, if there are any


@dataclass(frozen=True)
class RelianceMatrix:
    """The matrix of species and sites, of which only the n cells with photos are kept, ordered by species and site."""

    species_titles: tuple[str, ...]
    site_titles: tuple[str, ...]
    species: Codes  # of each cell (n,), index into `species_titles`
    site: Codes  # of each cell (n,), index into `site_titles`; -1 if not known
    tallies: Counts  # of each cell (n, 4), with the columns of `Tally`

    def __iter__(self) -> Iterator[tuple[str, str, Tally]]:
        """Yield the titles of species and site, "" for no site, and the tally of each cell."""
        for species, site, row in zip(self.species.tolist(), self.site.tolist(), self.tallies.tolist(), strict=True):
            yield self.species_titles[species], self.site_title(site), Tally(*row)

    def site_title(self, site: int) -> str:
        """Return the title of a site, or "" if it is not known."""
        return "" if site == NO_SITE else self.site_titles[site]


def tabulate(bursts: Bursts, group: NDArray[np.integer], size: int) -> Counts:
    """Return the tallies of groups of bursts as (size, 4), with the columns of `Tally`.

    `group` has the number of the group of each burst, (n,) in [0, size).
    """
    selections = (bursts.relies == 1, bursts.relies != UNDECIDED)
    columns = [np.bincount(group[selection], minlength=size) for selection in selections]
    photos = np.bincount(group, bursts.photos, minlength=size).astype(np.int64)
    return np.stack([*columns, np.bincount(group, minlength=size), photos], axis=1)


def reliance_matrix(bursts: Bursts) -> RelianceMatrix:
    """Return how many bursts rely on the background, for each species at each site where it has photos."""
    width = len(bursts.site_titles) + 1
    codes, group = np.unique(bursts.species.astype(np.int64) * width + bursts.site + 1, return_inverse=True)
    species, site = (codes // width).astype(np.int32), (codes % width - 1).astype(np.int32)
    return RelianceMatrix(
        bursts.species_titles, bursts.site_titles, species, site, tabulate(bursts, group.ravel(), codes.size)
    )


def margins(matrix: RelianceMatrix) -> Margins:
    """Return the shares of the archive, of each species and of each site, pooled over bursts, with 95% intervals.

    Bursts of one site share a background, so the intervals of a species and of the archive are bootstrapped over sites
    (the cluster bootstrap of Davison & Hinkley 1997, section 3.8): they say how the share may differ had the cameras
    stood elsewhere. They are None below 3 sites with decided bursts. Bursts without a site are resampled as one more
    site. The interval of a site is Wilson's: it is about this one place.
    """
    decided_sites = np.unique(matrix.site[matrix.tallies[:, 1] > 0])
    weights = resampling_weights(decided_sites.size)
    rows = np.searchsorted(decided_sites, matrix.site)
    of_site = _sum_by(matrix.site + 1, matrix.tallies, len(matrix.site_titles) + 1)
    archive = Tally(*of_site.sum(axis=0).tolist())
    archive_interval = ratio_interval(of_site[decided_sites + 1, :2], weights)
    of_species = _sum_by(matrix.species, matrix.tallies, len(matrix.species_titles))
    edges = np.searchsorted(matrix.species, np.arange(len(matrix.species_titles) + 1))
    species = []
    for code, title in enumerate(matrix.species_titles):
        cells = slice(edges[code], edges[code + 1])
        counts = matrix.tallies[cells, :2]
        decided = counts[:, 1] > 0
        interval = ratio_interval(counts[decided], weights[rows[cells][decided]])
        species.append(Margin(title, Tally(*of_species[code].tolist()), interval))
    sites = [
        Margin(title, tally, tally.interval)
        for title, row in zip(("", *matrix.site_titles), of_site.tolist(), strict=True)
        if (tally := Tally(*row)).bursts
    ]
    return Margins(Margin("", archive, archive_interval), tuple(species), tuple(sites))


def _sum_by(group: NDArray[np.integer], tallies: Counts, size: int) -> Counts:
    """Return the sums (size, 4) of the tallies of each group."""
    sums = np.zeros((size, tallies.shape[1]), np.int64)
    np.add.at(sums, group, tallies)
    return sums
