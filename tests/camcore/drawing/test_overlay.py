"""Overlays: heat in colour over the view, with pixels by hand."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from camcore import COLOUR_MAPS, draw_overlay
from camcore.drawing.overlay import OPACITY, colour_table, draw_heat

# The two ends of matplotlib's inferno, of 255.
COLDEST, HOTTEST = (0, 0, 4), (252, 255, 164)

heatmaps = arrays(np.float32, (2, 3), elements=st.floats(0, 1, width=32))


def view(colour: tuple[int, int, int], size: tuple[int, int] = (3, 2)) -> Image.Image:
    return Image.new("RGB", size, colour)


def heat(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


@pytest.mark.parametrize("colour_map", COLOUR_MAPS)
def test_the_photo_is_unchanged_where_the_map_is_cold(colour_map: str) -> None:
    overlay = draw_overlay(view((10, 20, 30)), np.zeros((2, 3), np.float32), 1.0, colour_map)
    assert overlay.dtype == np.uint8
    assert_array_equal(overlay, np.broadcast_to([10, 20, 30], (2, 3, 3)))


def test_an_opaque_hottest_pixel_has_the_last_colour_of_the_scale() -> None:
    overlay = draw_overlay(view((10, 20, 30)), np.ones((2, 3), np.float32), 1.0, "inferno")
    assert_allclose(overlay.astype(int), np.broadcast_to(HOTTEST, (2, 3, 3)), atol=1)


def test_opacity_by_hand() -> None:
    """At heat 1 and opacity 1/4: three quarters of the photo, one of the colour."""
    overlay = draw_overlay(view((100, 200, 40)), np.ones((2, 3), np.float32), 0.25, "inferno")
    expected = [75 + 252 / 4, 150 + 255 / 4, 30 + 164 / 4]
    assert_allclose(overlay.astype(int), np.broadcast_to(expected, (2, 3, 3)), atol=1)


def test_opacity_follows_heat() -> None:
    middle = 255 * np.array(matplotlib.colormaps["viridis"](0.5)[:3])
    overlay = draw_overlay(view((0, 0, 0)), np.full((2, 3), 0.5, np.float32), 0.6, "viridis")
    assert_allclose(overlay.astype(int), np.broadcast_to(0.3 * middle, (2, 3, 3)), atol=1)


def test_zero_opacity_shows_the_photo() -> None:
    overlay = draw_overlay(view((10, 20, 30)), np.ones((2, 3), np.float32), 0.0)
    assert_array_equal(overlay, np.broadcast_to([10, 20, 30], (2, 3, 3)))


def test_a_weak_map_is_not_rescaled() -> None:
    alone = draw_overlay(view((50, 50, 50)), np.full((2, 3), 0.3, np.float32))
    beside = draw_overlay(view((50, 50, 50)), heat([0.3, 1, 0], [0.3, 0.6, 0.1]))
    assert_array_equal(beside[:, 0], alone[:, 0])


def test_rows_and_columns_stay_in_place() -> None:
    overlay = draw_overlay(view((0, 0, 0)), heat([0, 0, 1], [0, 0, 0]), 1.0)
    assert np.argwhere(overlay.any(axis=2)).tolist() == [[0, 2]]


def test_another_colour_map_gives_other_colours_and_the_default_is_inferno() -> None:
    warm = heat([1, 0.5, 0.8], [0.2, 0.9, 1])
    drawn = {name: draw_overlay(view((0, 0, 0)), warm, 1.0, name).tobytes() for name in COLOUR_MAPS}
    assert len(set(drawn.values())) == len(COLOUR_MAPS) == 4
    assert draw_overlay(view((0, 0, 0)), warm, 1.0).tobytes() == drawn["inferno"]
    assert_array_equal(draw_overlay(view((9, 9, 9)), warm), draw_overlay(view((9, 9, 9)), warm, OPACITY))


@given(heatmaps, st.floats(0, 1), st.integers(0, 255))
def test_a_pixel_lies_between_the_photo_and_the_colour(heatmap: NDArray[np.float32], opacity: float, grey: int) -> None:
    overlay = draw_overlay(view((grey, grey, grey)), heatmap, opacity).astype(int)
    colours = 255 * matplotlib.colormaps["inferno"](heatmap)[..., :3]
    assert (overlay >= np.minimum(grey, colours) - 1).all()
    assert (overlay <= np.maximum(grey, colours) + 1).all()


def test_the_inputs_are_not_modified() -> None:
    photo, heatmap = view((1, 2, 3)), heat([0, 0.5, 1], [1, 0.5, 0])
    draw_overlay(photo, heatmap)
    assert_array_equal(photo, view((1, 2, 3)))
    assert_array_equal(heatmap, heat([0, 0.5, 1], [1, 0.5, 0]))


def test_heat_in_grey_by_hand() -> None:
    picture = draw_heat(heat([0, 0.2, 1], [0.5, 0.999, 0.001]))
    assert picture.mode == "L"
    assert_array_equal(picture, [[0, 51, 255], [128, 255, 0]])


@pytest.mark.parametrize("colour_map", COLOUR_MAPS)
def test_a_colour_table_is_evenly_spaced(colour_map: str) -> None:
    table = colour_table(colour_map, 5)
    assert_allclose(table, matplotlib.colormaps[colour_map]([0.0, 0.25, 0.5, 0.75, 1.0])[:, :3])
    assert len(colour_table(colour_map)) == 33


def test_the_ends_of_inferno() -> None:
    table = np.rint(255 * np.array(colour_table("inferno")))
    assert_allclose([table[0], table[-1]], [COLDEST, HOTTEST], atol=1)
