"""Rank correlation and overlap of the hottest fifths: by hand, against SciPy, and for empty maps."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from camcore.metrics.agreement import agreement, hottest

RAMP = np.arange(9, dtype=np.float32).reshape(3, 3)


def test_spearman_by_hand() -> None:
    swapped = RAMP.copy()
    swapped[0, 0], swapped[2, 2] = 8, 0
    found = agreement([RAMP, swapped, 8 - RAMP])
    # 1 - 6 sum d^2 / (n (n^2 - 1)), with two differences of 8
    assert found.spearman[0][1] == pytest.approx(1 - 6 * 128 / (9 * 80))
    assert found.spearman[0][2] == pytest.approx(-1)
    assert found.spearman[0][0] == 1
    assert found.spearman[1][0] == found.spearman[0][1]


def test_overlap_by_hand() -> None:
    first, second = np.zeros((2, 5, 5), np.float32)
    first[0] = [1, 2, 3, 4, 5]  # the fifth of 25 pixels: 5 of them
    second[0, 2:] = [3, 4, 5]
    second[1, :2] = [1, 2]
    assert agreement([first, second]).overlap[0][1] == pytest.approx(3 / 7)


@pytest.mark.parametrize("seed", range(5))
def test_ties_are_ranked_as_scipy_does(seed: int) -> None:
    maps = np.random.default_rng(seed).integers(0, 4, (3, 8, 6)).astype(np.float32)
    found = agreement(list(maps)).spearman
    for i in range(3):
        for j in range(3):
            assert found[i][j] == pytest.approx(spearmanr(maps[i].ravel(), maps[j].ravel()).statistic)


def test_the_hottest_fifth_includes_ties_and_excludes_zeros() -> None:
    heatmap = np.zeros((5, 5), np.float32)
    heatmap[0, :2] = 1
    np.testing.assert_array_equal(hottest(heatmap), heatmap == 1)
    heatmap[1:3] = 0.5
    assert hottest(heatmap).sum() == 12


@pytest.mark.parametrize("empty", [np.zeros((3, 3), np.float32), np.full((3, 3), 0.7, np.float32)])
def test_an_empty_or_constant_map_has_no_agreement(empty: NDArray[np.float32]) -> None:
    found = agreement([RAMP, empty])
    assert found.spearman == ((1, None), (None, None))
    assert found.overlap == ((1, None), (None, None))


def test_a_scaled_map_agrees_fully() -> None:
    found = agreement([RAMP, RAMP * 3])
    assert found.spearman[0][1] == pytest.approx(1)
    assert found.overlap[0][1] == 1
