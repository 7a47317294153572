"""The photos of a camera-trap archive as columns of numbers, and their bursts.

A camera takes several photos of one visit of an animal. They resemble each other and are not independent, so a
statistical test counts each burst once.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from camcore.metrics.counterfactuals import Finding
from camcore.metrics.outcomes import OUTCOMES, UNDECIDED, judge_outcome, reliance_code
from camcore.metrics.prediction_verdict import NameStatus
from camcore.metrics.verdict import HeatPlace
from camcore.types import Floats

BURST_SECONDS = 60.0  # longest time between two successive photos of one burst, unless another is asked for
NO_SITE = -1  # code of a site that is not known
_EPOCH = datetime(1970, 1, 1)

Codes = NDArray[np.int32]
SmallCodes = NDArray[np.int8]


@dataclass(frozen=True)
class Observations:
    """The photos of an archive, in columns of length n: 18 bytes for each photo. Build it with a builder."""

    species_titles: tuple[str, ...]
    site_titles: tuple[str, ...]
    species: Codes  # index into `species_titles`
    site: Codes  # index into `site_titles`; -1 if not known
    time: Floats  # seconds since 1970-01-01 00:00 by the camera's clock; NaN if not known
    relies: SmallCodes  # 1 if the prediction relies on the background, 0 if not, -1 if not decided
    outcome: SmallCodes  # index into `OUTCOMES`

    def select(self, numbers: NDArray[np.integer]) -> "Observations":
        """Return the photos with these numbers, from 0."""
        columns = (column[numbers] for column in (self.species, self.site, self.time, self.relies, self.outcome))
        return Observations(self.species_titles, self.site_titles, *columns)


class ObservationsBuilder:
    """Collects the photos of an archive one by one, in 18 bytes each and one entry for each title."""

    def __init__(self) -> None:
        self._species_codes: dict[str, int] = {}
        self._site_codes: dict[str, int] = {}
        self._species, self._site = array("i"), array("i")
        self._time, self._relies, self._outcome = array("d"), array("b"), array("b")

    def add(
        self,
        species: str,
        site: str | None,
        time: str | None,
        *,
        finding: Finding | None,
        name: NameStatus | None,
        place: HeatPlace | None,
    ) -> None:
        """Add one photo.

        A site that is not known is None or "". `time` is in the format of ISO 8601; see `seconds_of`. `finding` is
        about a marked target: where the hottest fifth of a map was tested instead, pass None, as this says nothing
        about the background. None for `name` or `place` leaves the outcome "not judged" where it depends on it.
        """
        self._species.append(self._species_codes.setdefault(species, len(self._species_codes)))
        self._site.append(self._site_codes.setdefault(site, len(self._site_codes)) if site else NO_SITE)
        self._time.append(seconds_of(time))
        self._relies.append(reliance_code(finding))
        self._outcome.append(OUTCOMES.index(judge_outcome(finding, name, place)))

    def build(self) -> Observations:
        """Return the photos so far. Titles are sorted, so the codes do not depend on the order of the photos."""
        species_titles, new_species = _sort_titles(self._species_codes)
        site_titles, new_sites = _sort_titles(self._site_codes)
        return Observations(
            species_titles,
            site_titles,
            new_species[np.array(self._species, np.int32)],
            new_sites[np.array(self._site, np.int32)],  # -1 reads the last entry, which is -1
            np.array(self._time, np.float64),
            np.array(self._relies, np.int8),
            np.array(self._outcome, np.int8),
        )


@dataclass(frozen=True)
class Bursts:
    """The bursts of an archive, in columns of length n, ordered by species, site and time."""

    species_titles: tuple[str, ...]
    site_titles: tuple[str, ...]
    species: Codes  # index into `species_titles`
    site: Codes  # index into `site_titles`; -1 if not known
    time: Floats  # of the first photo, in seconds since 1970-01-01 00:00; NaN if not known
    relies: SmallCodes  # 1 or 0 by the majority of the decided photos; -1 for a tie, or if no photo is decided
    photos: NDArray[np.int64]  # number of photos, decided or not, at least 1


def seconds_of(time: str | None) -> float:
    """Return the seconds from 1970-01-01 00:00 to a time in the format of ISO 8601; NaN if it cannot be read.

    It is the time of the camera's clock: an offset from UTC is ignored, so that a photo stays in its local month. A
    date without a time of day is midnight, so that all photos of such a day are one burst.
    """
    try:
        return (datetime.fromisoformat(time or "").replace(tzinfo=None) - _EPOCH).total_seconds()
    except ValueError:
        return float("nan")


def group_bursts(observations: Observations, within: float = BURST_SECONDS) -> Bursts:
    """Group the photos of an archive into bursts, in O(n log n).

    The photos of one species at one site, each at most `within` seconds after the one before, are one burst. A burst
    may last longer: a camera that takes a photo each minute all day makes one burst of a day. Photos without a site or
    without a time are bursts of their own. A burst counts once, by the majority of its decided photos.

    The tests of `standouts` and `drift` take bursts to be independent. Within 60 seconds, they are so only if no animal
    stays longer: bursts of one that stays agree, and name cells in which nothing is planted. Use 1,800 seconds for
    these tests, which is usual for independent records of an animal in camera-trap studies.

    If photos of a burst were independent, the majority would move shares below 50% further down in long bursts than in
    short ones, and cameras set to one and to ten photos would differ by that alone. Photos
    of one burst mostly agree, which leaves little of this.
    """
    sites = observations.site
    cell = observations.species.astype(np.int64) * (len(observations.site_titles) + 1) + sites + 1
    order = np.lexsort((observations.time, cell))  # NaN comes last
    cell, time, site, relies = cell[order], observations.time[order], sites[order], observations.relies[order]
    starts = np.ones(order.size, np.bool_)
    is_near = np.diff(time) <= within  # False next to NaN
    starts[1:] = (cell[1:] != cell[:-1]) | (site[1:] == NO_SITE) | ~is_near
    first, burst = np.flatnonzero(starts), np.cumsum(starts) - 1
    relying, other = (np.bincount(burst[relies == code], minlength=first.size) for code in (1, 0))
    majority = np.where(relying == other, UNDECIDED, relying > other).astype(np.int8)
    return Bursts(
        observations.species_titles,
        observations.site_titles,
        observations.species[order[first]],
        site[first],
        time[first],
        majority,
        np.bincount(burst, minlength=first.size),
    )


def _sort_titles(codes: Mapping[str, int]) -> tuple[tuple[str, ...], Codes]:
    """Return titles in alphabetical order, and the new code of each old one (n + 1,), -1 in the last place."""
    titles = tuple(sorted(codes))
    new_codes = np.full(len(titles) + 1, NO_SITE, np.int32)
    new_codes[[codes[title] for title in titles]] = np.arange(len(titles))
    return titles, new_codes
