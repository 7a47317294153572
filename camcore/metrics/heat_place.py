"""The place of a heatmap's hottest point, in words."""

import numpy as np

from camcore.types import Array

NO_HEAT = "no heat anywhere"
_PLACES = (
    ("at the upper left", "at the top", "at the upper right"),
    ("on the left", "in the centre", "on the right"),
    ("at the lower left", "at the bottom", "at the lower right"),
)


def describe_place(heatmap: Array) -> str:
    """Return where in the view the hottest point of a heatmap (H, W) lies, as "at the upper left"; NO_HEAT if empty.

    The view is divided into nine equal parts. Of several hottest points, the first in reading order counts: their mean
    could lie where there is no heat.
    """
    if not heatmap.any():
        return NO_HEAT
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    height, width = heatmap.shape
    return _PLACES[int(3 * (row + 0.5) / height)][int(3 * (column + 0.5) / width)]
