"""The species and sites at which predictions rely on the background more often than elsewhere in the archive."""

from dataclasses import dataclass

import numpy as np

from camcore.metrics.bursts import NO_SITE
from camcore.metrics.intervals import Interval, share_interval
from camcore.metrics.multiple_tests import FALSE_DISCOVERY_RATE, fisher_greater, q_values
from camcore.metrics.reliance import RelianceMatrix

LEAST_BURSTS = 5  # decided bursts: below, a cell is not tested


@dataclass(frozen=True)
class Standout:
    """A species at a site, where predictions rely on the background more often than elsewhere."""

    species: str
    site: str
    count: int  # bursts whose prediction relies on the background
    total: int  # decided bursts
    share: float  # count / total
    interval: Interval  # Wilson's 95% interval of the share
    rest_share: float  # of all other cells together
    p_value: float  # of Fisher's exact test, one-sided
    q_value: float  # lowest false discovery rate at which the cell is named


def find_standouts(matrix: RelianceMatrix) -> tuple[Standout, ...]:
    """Return the cells that rely on the background more often than the rest, sorted by q-value, then by falling share.

    Each cell with at least 5 decided bursts is compared with all other cells together by Fisher's exact test,
    one-sided. All tested cells are one family, of which those with a q-value of at most .05 (Benjamini & Hochberg 1995)
    are named.

    Cells are tested, not whole species or sites. One cell that stands out does not name its species or its site: it
    raises the rest for every other cell, which makes them less likely to be named, not more. A species that relies on
    the background at all sites has all its cells named, as most of the rest are other species; the same holds for a
    site. In an archive of one species and one site there is nothing to compare. A cell with much of the archive can
    hide weaker ones, and one that relies less than all others makes these stand out.

    If reliance depends on neither species nor site, the probability of naming anything is at most .05. The bound of
    Benjamini & Hochberg is not proven for these tests, which depend on each other negatively: the more one cell has,
    the less is left for the others; so `tests/camcore/metrics/test_standouts.py` measures it over 200 archives. It
    holds if bursts of a cell are independent;
    see `group_bursts` on animals that stay. Sites that differ for a reason unconnected to species, such as a feeder,
    are no false finding: their cells do rely more on the background, and all species of the site are named. Bursts
    without a site cannot be grouped, so they are neither tested nor in the rest.
    """
    with_site = np.flatnonzero(matrix.site != NO_SITE)
    counts, totals = matrix.tallies[with_site, 0], matrix.tallies[with_site, 1]
    all_count, all_total = int(counts.sum()), int(totals.sum())
    tested = np.flatnonzero((totals >= LEAST_BURSTS) & (totals < all_total))
    pairs = list(zip(counts[tested].tolist(), totals[tested].tolist(), strict=True))
    p_values = np.array([fisher_greater(count, total, all_count, all_total) for count, total in pairs])
    q_value = q_values(p_values)
    standouts = []
    for number in np.flatnonzero(q_value <= FALSE_DISCOVERY_RATE).tolist():
        (count, total), row = pairs[number], with_site[tested[number]]
        interval = share_interval(count, total)
        assert interval is not None
        standouts.append(
            Standout(
                matrix.species_titles[matrix.species[row]],
                matrix.site_titles[matrix.site[row]],
                count,
                total,
                count / total,
                interval,
                (all_count - count) / (all_total - total),
                float(p_values[number]),
                float(q_value[number]),
            )
        )
    return tuple(sorted(standouts, key=lambda cell: (cell.q_value, -cell.share, cell.species, cell.site)))
