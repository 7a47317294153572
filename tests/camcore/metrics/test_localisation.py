"""Energy, lift and pointing by hand; boxes near edges, outside the view, united; masks; empty heatmaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from camcore.errors import BoxesError
from camcore.images.preprocess import View, preprocess
from camcore.metrics.localisation import Localisation, Target, in_view, localise
from camcore.model.manifest import Preprocessing
from camcore.types import Box


def whole(size: int, photo: tuple[int, int] | None = None) -> View:
    """Return a view of size x size pixels that shows a whole photo."""
    photo = photo or (size, size)
    return View(Image.new("RGB", (size, size)), (0, 0, *photo), photo)


def heat(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


THREE = heat([0, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 0])


def test_energy_and_lift_of_whole_pixels_by_hand() -> None:
    coverage = Target.of_boxes([Box(0, 0, 2 / 3, 2 / 3)]).coverage(whole(3))
    np.testing.assert_allclose(coverage, [[1, 1, 0], [1, 1, 0], [0, 0, 0]], atol=1e-12)
    found = localise(THREE, coverage)
    assert found is not None
    assert found.energy == pytest.approx(2 / 3)  # 0.5 + 0.5 + 1 of 3
    assert found.lift == pytest.approx(2 / 3 / (4 / 9))
    assert found.pointing_hit


def test_a_box_covers_pixels_by_fractions() -> None:
    coverage = Target.of_boxes([Box(0.125, 0.25, 0.625, 1)]).coverage(whole(4))
    row = [0.5, 1, 0.5, 0]
    np.testing.assert_allclose(coverage, [[0] * 4, row, row, row], atol=1e-12)
    ramp = heat([0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1])
    found = localise(ramp, coverage)
    assert found is not None
    assert found.energy == pytest.approx((1 + 0.5 + 0.5) / 4)
    assert found.lift == pytest.approx(0.5 / (6 / 16))


def test_rows_and_columns_are_not_transposed() -> None:
    wide = Target.of_boxes([Box(0, 0, 1, 0.25)]).coverage(whole(4))
    np.testing.assert_allclose(wide, [[1] * 4, [0] * 4, [0] * 4, [0] * 4], atol=1e-12)
    top = heat([1, 1, 1, 1], [0] * 4, [0] * 4, [0] * 4)
    assert localise(top, wide) == Localisation(1, 4, True)
    found = localise(top.T.copy(), wide)
    assert found is not None
    assert (found.energy, found.lift) == (0.25, 1)


def test_several_boxes_are_united_and_not_counted_twice() -> None:
    boxes = [Box(0, 0, 0.5, 0.5), Box(0.25, 0.25, 0.75, 0.75), Box(0, 0, 0.5, 0.5)]
    target = Target.of_boxes(boxes)
    expected = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(target.coverage(whole(4)), expected, atol=1e-12)
    assert target.cut_off(whole(4)) == pytest.approx(0)


def test_overlapping_boxes_within_one_pixel() -> None:
    target = Target.of_boxes([Box(0, 0, 0.2, 0.2), Box(0.1, 0.1, 0.25, 0.25)])
    area = 0.2 * 0.2 + 0.15 * 0.15 - 0.1 * 0.1
    np.testing.assert_allclose(target.coverage(whole(4))[0, 0], area * 16, atol=1e-12)


def test_a_wide_photo_with_a_centre_crop() -> None:
    view = View(Image.new("RGB", (4, 4)), (100, 0, 300, 200), (400, 200))
    target = Target.of_boxes([Box(0.125, 0, 0.5, 0.5)])  # pixels 50 to 200 across: the first third is cut off
    np.testing.assert_allclose(target.coverage(view), [[1, 1, 0, 0]] * 2 + [[0] * 4] * 2, atol=1e-12)
    assert target.cut_off(view) == pytest.approx(1 / 3)
    assert in_view(Box(0.125, 0, 0.5, 0.5), view) == pytest.approx((0, 0, 0.5, 0.5))


@pytest.mark.parametrize("box", [Box(0, 0, 0.25, 1), Box(0.75, 0, 1, 1), Box(0, 0.9, 0.25, 1)])
def test_a_box_outside_the_view_has_no_energy(box: Box) -> None:
    view = View(Image.new("RGB", (4, 4)), (100, 0, 300, 200), (400, 200))
    target = Target.of_boxes([box])
    assert not target.coverage(view).any()
    assert target.cut_off(view) == 1
    assert in_view(box, view) is None
    assert localise(np.ones((4, 4), np.float32), target.coverage(view)) is None


def test_an_empty_heatmap_has_no_localisation() -> None:
    assert localise(np.zeros((3, 3), np.float32), np.ones((3, 3))) is None


def test_pointing_uses_the_hottest_pixel() -> None:
    left = Target.of_boxes([Box(0, 0, 1 / 3, 1)]).coverage(whole(3))
    assert not _hit(THREE, left)
    assert _hit(THREE, Target.of_boxes([Box(0.3, 0.3, 0.7, 0.7)]).coverage(whole(3)))
    # Of the hottest pixel 0.4 is covered: the box touches it without holding it.
    assert not _hit(THREE, Target.of_boxes([Box(0, 0, 1 / 3 + 0.4 / 3, 1)]).coverage(whole(3)))


def test_pointing_with_ties_needs_half_of_them_on_the_target() -> None:
    plateau = heat([1, 1, 0], [1, 1, 0], [0, 0, 0])
    assert _hit(plateau, Target.of_boxes([Box(0, 0, 1 / 3, 1)]).coverage(whole(3)))
    assert not _hit(plateau, Target.of_boxes([Box(0, 0, 1 / 3, 1 / 3)]).coverage(whole(3)))


def _hit(heatmap: NDArray[np.float32], coverage: NDArray[np.float64]) -> bool:
    found = localise(heatmap, coverage)
    assert found is not None
    return found.pointing_hit


def test_a_mask_of_the_photo_is_averaged_into_the_view() -> None:
    mask = np.zeros((4, 8), bool)
    mask[:, 2:5] = True
    view = View(Image.new("RGB", (2, 2)), (2, 0, 6, 4), (8, 4))
    target = Target.of_mask(mask)
    np.testing.assert_allclose(target.coverage(view), [[1, 0.5], [1, 0.5]], atol=1e-12)
    assert target.cut_off(view) == pytest.approx(0)
    assert target.cut_off(View(Image.new("RGB", (2, 2)), (4, 0, 8, 4), (8, 4))) == pytest.approx(2 / 3)


def test_a_mask_of_a_box_equals_the_box() -> None:
    mask = np.zeros((10, 20))
    mask[3:8, 5:15] = 1
    view = View(Image.new("RGB", (7, 7)), (4.5, 0, 14.5, 10), (20, 10))
    box = Target.of_boxes([Box(5 / 20, 3 / 10, 15 / 20, 8 / 10)])
    np.testing.assert_allclose(Target.of_mask(mask).coverage(view), box.coverage(view), atol=1e-9)
    assert Target.of_mask(mask).cut_off(view) == pytest.approx(box.cut_off(view))


@given(
    st.tuples(*[st.floats(0, 1)] * 4), st.integers(20, 300), st.integers(20, 300), st.sampled_from(["crop", "squash"])
)
def test_the_visible_and_the_cut_off_part_add_up_to_the_box(
    edges: tuple[float, float, float, float], width: int, height: int, fit: str
) -> None:
    left, right = sorted((edges[0], edges[1]))
    top, bottom = sorted((edges[2], edges[3]))
    if right - left < 1e-3 or bottom - top < 1e-3:
        return
    steps = Preprocessing(resize=20, size=(16, 16), interpolation="bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)
    _, view = preprocess(Image.new("RGB", (width, height)), steps, fit)  # type: ignore[arg-type]
    box = Box(left, top, right, bottom)
    target = Target.of_boxes([box])
    seen = in_view(box, view)
    share = 0.0 if seen is None else (seen.right - seen.left) * (seen.bottom - seen.top)
    assert target.coverage(view).mean() == pytest.approx(share, abs=1e-9)
    x_min, y_min, x_max, y_max = view.box
    shown = share * (x_max - x_min) * (y_max - y_min) / (width * height)
    assert target.cut_off(view) == pytest.approx(1 - shown / ((right - left) * (bottom - top)), abs=1e-6)


@pytest.mark.parametrize(
    "boxes",
    [
        [],
        [Box(0.5, 0, 0.5, 1)],
        [Box(0.6, 0, 0.5, 1)],
        [Box(-0.1, 0, 0.5, 1)],
        [Box(0, 0, 1.2, 1)],
        [Box(0, float("nan"), 1, 1)],
        [Box(10, 20, 110, 220)],
    ],
)
def test_an_invalid_box_is_refused(boxes: list[Box]) -> None:
    with pytest.raises(BoxesError, match="box"):
        Target.of_boxes(boxes)


@pytest.mark.parametrize("mask", [np.zeros((3, 3)), np.ones(3), np.full((3, 3), 2.0), np.full((3, 3), np.nan)])
def test_an_invalid_mask_is_refused(mask: NDArray[np.float64]) -> None:
    with pytest.raises(BoxesError, match="mask"):
        Target.of_mask(mask)
