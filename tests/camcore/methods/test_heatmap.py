"""Upsampling and scaling, by hand and against torch."""

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from torch.nn import functional

from camcore.methods.heatmap import min_max, to_heatmap, upsample
from tests.conftest import heatmap_by_torch

sides = st.integers(1, 9)
growth = st.integers(0, 40)
values = st.floats(0, 2.0**100, width=32, allow_subnormal=False)
positive_maps = arrays(np.float32, st.tuples(sides, sides), elements=values)


def array(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_half_pixel_centres_by_hand() -> None:
    """With three samples upsampled to six, centres are at -1/4, 1/4, 3/4, 5/4, 7/4, 9/4; the ends are clamped."""
    assert_array_equal(upsample(array([0, 4, 0]), (1, 6)), array([0, 1, 3, 3, 1, 0]))


def test_aligned_corners_by_hand() -> None:
    """With three samples upsampled to five, centres are at 0, 1/2, 1, 3/2, 2."""
    assert_array_equal(upsample(array([0, 4, 0]), (1, 5), align_corners=True), array([0, 2, 4, 2, 0]))


def test_both_axes_by_hand() -> None:
    expected = array([0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12])
    assert_array_equal(upsample(array([0, 4], [8, 12]), (4, 4)), expected)


def test_rows_and_columns_are_not_exchanged() -> None:
    assert_array_equal(upsample(array([0, 8]), (3, 2)), array([0, 8], [0, 8], [0, 8]))


@pytest.mark.parametrize("align_corners", [False, True])
@given(shape=st.tuples(st.integers(1, 3), sides, sides), more=st.tuples(growth, growth), seed=st.integers(0, 99))
@example(shape=(2, 7, 7), more=(217, 217), seed=0)
@example(shape=(1, 14, 7), more=(210, 313), seed=1)
@example(shape=(1, 1, 1), more=(0, 0), seed=2)
def test_upsample_equals_torch(
    align_corners: bool, shape: tuple[int, int, int], more: tuple[int, int], seed: int
) -> None:
    maps = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    size = (shape[1] + more[0], shape[2] + more[1])
    expected = functional.interpolate(torch.from_numpy(maps)[None], size, mode="bilinear", align_corners=align_corners)[
        0
    ]
    assert_allclose(upsample(maps, size, align_corners), expected, atol=1e-5)


def test_min_max_by_hand_stretches_each_map_by_its_own_extremes() -> None:
    maps = np.stack([array([1, 2], [3, 5]), array([-20, 0], [10, 20])])
    assert_array_equal(min_max(maps), np.stack([array([0, 0.25], [0.5, 1]), array([0, 0.5], [0.75, 1])]))


def test_heatmap_by_hand() -> None:
    """The map is upsampled first and then scaled; in the other order, the largest value here would be 3/4."""
    heatmap, peak = to_heatmap(array([2, 6, 2]), (1, 6))
    assert_allclose(heatmap, array([0, 1 / 3, 1, 1, 1 / 3, 0]), atol=1e-7)
    assert peak == 6
    assert heatmap.dtype == np.float32


def test_a_three_by_three_map_by_hand() -> None:
    heatmap, peak = to_heatmap(array([0, 0, 0], [0, 8, 0], [0, 0, 0]), (6, 6))
    line = np.array([0, 1 / 3, 1, 1, 1 / 3, 0])
    assert_allclose(heatmap, np.outer(line, line), atol=1e-6)
    assert peak == 8


def test_a_heatmap_equals_torchs() -> None:
    cam = np.random.default_rng(0).random((7, 7)).astype(np.float32)
    assert_allclose(to_heatmap(cam, (224, 224))[0], heatmap_by_torch(cam), atol=1e-5)


@given(positive_maps, st.tuples(growth, growth))
def test_a_heatmap_reaches_zero_and_one_or_is_all_zeros(cam: NDArray[np.float32], more: tuple[int, int]) -> None:
    size = (cam.shape[0] + more[0], cam.shape[1] + more[1])
    heatmap, peak = to_heatmap(cam, size)
    assert heatmap.shape == size
    assert peak == cam.max()
    low, high = float(cam.min()), float(cam.max())
    assert (heatmap.min(), heatmap.max()) == ((0, 1) if high - low > 1e-6 * high else (0, 0))


@given(positive_maps, st.floats(1e-3, 1e3))
def test_a_heatmap_does_not_depend_on_the_maps_scale(cam: NDArray[np.float32], factor: float) -> None:
    assume(np.ptp(cam) > 0.1 * cam.max() > 1e-30)
    size = (cam.shape[0] + 5, cam.shape[1] + 8)
    scaled = (cam * np.float64(factor)).astype(np.float32)
    assert_allclose(to_heatmap(scaled, size)[0], to_heatmap(cam, size)[0], atol=1e-5)


def test_no_positive_evidence_becomes_zeros_with_no_peak() -> None:
    heatmap, peak = to_heatmap(np.zeros((7, 7), np.float32), (224, 224))
    assert_array_equal(heatmap, np.zeros((224, 224), np.float32))
    assert heatmap.dtype == np.float32
    assert peak == 0


@pytest.mark.parametrize("value", [0.1, 1, 3.3e-9, 7e20])
def test_the_same_everywhere_becomes_zeros_with_its_peak(value: float) -> None:
    heatmap, peak = to_heatmap(np.full((7, 7), value, np.float32), (224, 224))
    assert not heatmap.any()
    assert peak == np.float32(value)


def test_what_varies_by_rounding_alone_is_not_stretched() -> None:
    cam = np.full((7, 7), 0.1, np.float32)
    cam[3, 3] = np.nextafter(cam[3, 3], np.float32(1))
    assert not to_heatmap(cam, (224, 224))[0].any()


def test_a_single_hot_cell_on_a_tall_grid_stays_in_its_place() -> None:
    cam = np.zeros((4, 2), np.float32)
    cam[3, 0] = 5
    heatmap, _ = to_heatmap(cam, (40, 20))
    assert np.unravel_index(heatmap.argmax(), heatmap.shape)[0] >= 35
    assert heatmap[39, 0] == 1
    assert not heatmap[:20].any()
    assert not heatmap[:, 15:].any()
