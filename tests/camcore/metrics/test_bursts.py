"""Photos in columns, and bursts: by hand, against a loop over photos, and in any order."""

from collections import defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from camcore.metrics.bursts import Observations, ObservationsBuilder, group_bursts, seconds_of
from camcore.metrics.counterfactuals import Finding
from tests.camcore.metrics.archives import columns

NAN = float("nan")
PHOTOS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(-1, 2), st.sampled_from([NAN, *range(0, 400, 25)]), st.integers(-1, 1)
    ),
    max_size=30,
)  # fmt: skip


def bursts_of(observations: Observations) -> list[tuple[int, int, int, int]]:
    """Return species, site, answer and number of photos of each burst, sorted."""
    bursts = group_bursts(observations)
    rows = (bursts.species, bursts.site, bursts.relies, bursts.photos)
    return sorted(zip(*(row.tolist() for row in rows), strict=True))


def test_photos_are_kept_in_columns_with_sorted_titles() -> None:
    builder = ObservationsBuilder()
    findings: tuple[Finding | None, ...] = ("relies on the background", "needs both", None)
    photos = zip(
        ("fox", "deer", "fox"), ("north", "", "east"), ("1970-01-02T00:00:01", None, "?"), findings, strict=True
    )
    for species, site, time, finding in photos:
        builder.add(species, site, time, finding=finding, name="right", place="on the target")
    observations = builder.build()
    assert observations.species_titles == ("deer", "fox")
    assert observations.site_titles == ("east", "north")
    assert_array_equal(observations.species, [1, 0, 1])
    assert_array_equal(observations.site, [1, -1, 0])
    assert_array_equal(observations.time, [86401, NAN, NAN])
    assert_array_equal(observations.relies, [1, 0, -1])
    assert_array_equal(observations.outcome, [1, 0, 0])
    fields = (observations.species, observations.site, observations.time, observations.relies, observations.outcome)
    assert sum(column.itemsize for column in fields) == 18
    builder.add("fox", None, None, finding=None, name=None, place=None)
    assert builder.build().species.size == 4


def test_an_empty_archive_has_no_bursts() -> None:
    empty = ObservationsBuilder().build()
    assert empty.species_titles == empty.site_titles == ()
    assert bursts_of(empty) == []


@pytest.mark.parametrize("time", [None, "", "yesterday", "2024:05:01 10:00:00", "0000-00-00T00:00:00"])
def test_times_that_cannot_be_read(time: str | None) -> None:
    assert np.isnan(seconds_of(time))


def test_times_are_those_of_the_cameras_clock() -> None:
    local = seconds_of("2024-05-31T23:59:59")
    assert seconds_of("2024-05-31T23:59:59+02:00") == seconds_of("2024-05-31T23:59:59Z") == local
    assert seconds_of("2024-06-01") == local + 1


def test_bursts_by_hand() -> None:
    photos = [
        (0, 0, 0, 1), (0, 0, 60, 1), (0, 0, 120, 0), (0, 0, 181, 0),  # the last comes 61 seconds after the one before
        (1, 0, 30, 0), (0, 1, 30, 1), (0, 1, 31, 0), (0, 1, 32, -1),  # another species; another site, with a tie
        (0, -1, 0, 1), (0, -1, 0, 1), (0, 1, NAN, 0), (0, 1, NAN, 0), (2, 1, 0, -1),
    ]  # fmt: skip
    assert bursts_of(columns(*zip(*photos, strict=True))) == [
        (0, -1, 1, 1), (0, -1, 1, 1), (0, 0, 0, 1), (0, 0, 1, 3), (0, 1, -1, 3), (0, 1, 0, 1), (0, 1, 0, 1),
        (1, 0, 0, 1), (2, 1, -1, 1),
    ]  # fmt: skip


def test_bursts_within_half_an_hour() -> None:
    photos = columns([0, 0, 0], [0, 0, 0], [0, 1800, 3601], [1, 1, 0])
    assert group_bursts(photos).photos.tolist() == [1, 1, 1]
    assert group_bursts(photos, 1800).photos.tolist() == [2, 1]


def brute_force(photos: list[tuple[int, int, float, int]]) -> list[tuple[int, int, int, int]]:
    groups = defaultdict(list)
    for number, (species, site, time, relies) in enumerate(photos):
        alone = number if site == -1 or np.isnan(time) else -1
        groups[species, site, alone].append((time, relies))
    bursts = []
    for (species, site, _), group in groups.items():
        runs: list[list[int]] = []
        last = -np.inf
        for time, relies in sorted(group):
            if not runs or time - last > 60:
                runs.append([])
            runs[-1].append(relies)
            last = time
        for run in runs:
            majority = run.count(1) - run.count(0)
            bursts.append((species, site, int(majority > 0) if majority else -1, len(run)))
    return sorted(bursts)


@given(PHOTOS, st.randoms())
@settings(deadline=None)
def test_bursts_equal_those_of_a_loop_in_any_order(photos: list[tuple[int, int, float, int]], random: Random) -> None:
    shuffled = photos.copy()
    random.shuffle(shuffled)
    expected = brute_force(photos)
    for rows in (photos, shuffled):
        assert bursts_of(columns(*(zip(*rows, strict=True) if rows else ([], [], [], [])))) == expected
