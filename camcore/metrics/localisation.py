"""Localisation: the share of the heat on a target, marked in the photo by boxes or a mask."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camcore.errors import BoxesError
from camcore.images.preprocess import View
from camcore.types import LEAST_AREA, Array, Box, Floats


def in_view(box: Box, view: View) -> Box | None:
    """Return the part of a box inside the view, as fractions of the view; None if the box lies outside."""
    left, top, right, bottom = view.box
    photo_width, photo_height = view.photo_size
    across = [(edge * photo_width - left) / (right - left) for edge in (box.left, box.right)]
    down = [(edge * photo_height - top) / (bottom - top) for edge in (box.top, box.bottom)]
    x_min, y_min, x_max, y_max = (min(max(edge, 0.0), 1.0) for edge in (across[0], down[0], across[1], down[1]))
    return Box(x_min, y_min, x_max, y_max) if x_min < x_max and y_min < y_max else None


def visible_boxes(boxes: Sequence[Box], view: View) -> list[Box]:
    """Return the parts of boxes inside the view, as fractions of the view, without those of boxes that lie outside."""
    return [part for box in boxes if (part := in_view(box, view)) is not None]


@dataclass(frozen=True)
class Target:
    """The target in a photo, as a grid of cells. Build it with `of_boxes` or `of_mask`."""

    inside: Floats  # share of each cell that belongs to the target, (m, n) in [0, 1]
    rows: Floats  # edges of the rows (m + 1,), ascending, as fractions of the photo's height
    columns: Floats  # edges of the columns (n + 1,), ascending, as fractions of the photo's width

    @classmethod
    def of_boxes(cls, boxes: Sequence[Box]) -> "Target":
        """Return the union of boxes.

        Raise BoxesError if there is no box, or one is not finite, has nearly no area or extends beyond the photo.
        """
        if not boxes:
            raise BoxesError("there is no box: mark at least one")
        for box in boxes:
            if not (0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1) or box.area < LEAST_AREA:
                raise BoxesError(
                    f"{tuple(box)} is not a valid box: left, top, right and bottom must be fractions of the photo from "
                    "0 to 1, with left < right and top < bottom"
                )
        columns = np.unique([edge for box in boxes for edge in (box.left, box.right)])
        rows = np.unique([edge for box in boxes for edge in (box.top, box.bottom)])
        inside = np.zeros((rows.size - 1, columns.size - 1))
        for box in boxes:
            across = (columns[:-1] >= box.left) & (columns[1:] <= box.right)
            inside[np.ix_((rows[:-1] >= box.top) & (rows[1:] <= box.bottom), across)] = 1
        return cls(inside, rows, columns)

    @classmethod
    def of_mask(cls, mask: NDArray[np.bool_] | NDArray[np.floating]) -> "Target":
        """Return the target of a mask (height, width) of the whole photo, at any resolution.

        Each value of the mask is the share of its pixel that belongs to the target, in [0, 1]. Raise BoxesError if the
        mask marks nothing, has another shape, or values outside [0, 1].
        """
        inside = np.asarray(mask, dtype=np.float64)
        if inside.ndim != 2 or not (inside >= 0).all() or not (inside <= 1).all() or not inside.any():
            raise BoxesError(
                "this mask is not valid: give an array (height, width) of the photo, 0 to 1, above 0 on the target"
            )
        return cls(inside, np.linspace(0, 1, inside.shape[0] + 1), np.linspace(0, 1, inside.shape[1] + 1))

    def coverage(self, view: View) -> Floats:
        """Return the share of each pixel of the view that belongs to the target, (H, W) in [0, 1]."""
        (width, height), (photo_width, photo_height) = view.image.size, view.photo_size
        left, top, right, bottom = view.box
        across = _overlaps(self.columns * photo_width, np.linspace(left, right, width + 1))
        down = _overlaps(self.rows * photo_height, np.linspace(top, bottom, height + 1))
        pixel_area = (right - left) / width * (bottom - top) / height
        coverage: Floats = np.clip(down.T @ self.inside @ across / pixel_area, 0, 1)
        return coverage

    def cut_off(self, view: View) -> float:
        """Return the share of the target that lies outside the view, in [0, 1]."""
        left, top, right, bottom = view.box
        photo_width, photo_height = view.photo_size
        area = float((self.inside * np.outer(np.diff(self.rows), np.diff(self.columns))).sum())
        seen = float(self.coverage(view).mean()) * (right - left) * (bottom - top) / (photo_width * photo_height)
        return min(max(1 - seen / area, 0.0), 1.0)


def _overlaps(source: Floats, target: Floats) -> Floats:
    """Return the lengths (m, n) that m intervals share with n others, both as ascending edges."""
    ends = np.minimum(source[1:, None], target[None, 1:])
    starts = np.maximum(source[:-1, None], target[None, :-1])
    lengths: Floats = np.maximum(ends - starts, 0)
    return lengths


@dataclass(frozen=True)
class Localisation:
    """The position of one heatmap's heat, relative to a target, without a tolerance around it."""

    energy: float  # share of the heat on the target (energy-based pointing game of Score-CAM, Wang et al. 2020)
    lift: float  # `energy` divided by the target's share of the view; 1 is the value of an even map
    pointing_hit: bool  # the hottest pixel, or half of several, is on the target (Zhang et al. 2016, arXiv 1608.00507)


def localise(heatmap: Array, coverage: Floats) -> Localisation | None:
    """Measure the position of a heatmap (H, W), for a target that covers each pixel by `coverage` (H, W), in [0, 1].

    Return None if the heatmap is empty, or if the target lies outside the view.
    """
    heat = heatmap.astype(np.float64)
    if not heat.any() or not coverage.any():
        return None
    energy = float((heat * coverage).sum() / heat.sum())
    hottest = coverage[heatmap == heatmap.max()]
    return Localisation(energy, energy / float(coverage.mean()), bool(hottest.mean() >= 0.5))
