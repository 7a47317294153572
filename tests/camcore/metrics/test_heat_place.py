"""The place of the hottest point, in words."""

import numpy as np
import pytest

from camcore.methods.heatmap import to_heatmap
from camcore.metrics.heat_place import NO_HEAT, describe_place


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [(0, 0, "at the upper left"), (0, 3, "at the top"), (1, 6, "at the upper right"),
     (3, 1, "on the left"), (3, 3, "in the centre"), (4, 5, "on the right"),
     (6, 0, "at the lower left"), (5, 3, "at the bottom"), (6, 6, "at the lower right")],
)  # fmt: skip
def test_describe_place_names_the_part_of_the_hottest_cell(row: int, column: int, place: str) -> None:
    cam = np.full((7, 7), 0.25, np.float32)
    cam[row, column] = 1
    heatmap, _ = to_heatmap(cam, (224, 224))
    assert describe_place(heatmap) == place


def test_describe_place_does_not_average_two_hot_places() -> None:
    heatmap = np.zeros((30, 60), np.float32)
    heatmap[2, 2] = heatmap[28, 58] = 1
    assert describe_place(heatmap) == "at the upper left"


def test_describe_place_of_an_empty_map() -> None:
    assert describe_place(np.zeros((224, 224), np.float32)) == NO_HEAT == "no heat anywhere"
