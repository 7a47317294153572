"""Tokens of transformers: where in the photo they belong, measured by changing the photo in a few places."""

from collections.abc import Callable, Iterator
from math import sqrt

import torch
from torch import Tensor

MAX_OTHERS = 16  # tokens without a place, such as class and register tokens
MAX_STRETCH = 1.2  # ratio of the scales of both axes, which rounding makes differ


def locate_tokens(
    count: int, size: tuple[int, int], outputs: Callable[[Tensor], Tensor]
) -> tuple[tuple[int, int], int] | None:
    """Return the grid (h, w) of `count` tokens and the position of its first token, or None if they form no grid.

    `outputs` returns the tokens (N, count, C) of photos (N, 3, H, W), whose `size` is (H, W). Where the photo changes
    in one cell of the grid, that cell's token, or the next one to the right or below, must change most: tested in
    four cells. After convolutions of stride 2, the middle of what a token sees is the upper left corner of its cell.
    """
    for height, width in _grids(count, size):
        cells = [(0, 0), (0, width - 1), (height - 1, 0), (height // 2, width // 2)]
        tokens = outputs(_changed_photos(size, (height, width), cells))
        changes = (tokens[1:] - tokens[:1]).abs().sum(dim=2)
        shifts = []
        for first in range(count - height * width + 1):
            most = changes[:, first : first + height * width].argmax(dim=1)
            shifts.append(torch.stack([most // width, most % width], 1) - torch.tensor(cells))
        first = min(range(len(shifts)), key=lambda first: int(shifts[first].abs().sum()))
        if shifts[first].min() >= 0 and shifts[first].max() <= 1:
            return (height, width), first
    return None


def scales_match(size: tuple[int, int], map_size: tuple[int, int]) -> bool:
    """Return whether a map (h, w) is not larger than the photo, and has about the same scale on both axes."""
    scales = size[0] / map_size[0], size[1] / map_size[1]
    return min(scales) >= 1 and max(scales) <= MAX_STRETCH * min(scales)


def _grids(count: int, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield grids with the shape of the photo and at most `count` cells, those that leave the fewest tokens first.

    At least two thirds of the tokens have a place: a smaller grid would be found by chance.
    """
    for cells in range(count, max(count - MAX_OTHERS, 2 * count // 3, 2) - 1, -1):
        height = round(sqrt(cells * size[0] / size[1]))
        if cells % height == 0 and scales_match(size, (height, cells // height)):
            yield height, cells // height


def _changed_photos(size: tuple[int, int], grid: tuple[int, int], cells: list[tuple[int, int]]) -> Tensor:
    """Return a random photo, and that photo changed in each of the cells."""
    generator = torch.Generator().manual_seed(0)
    photo, other = torch.randn(2, 3, *size, generator=generator)
    photos: Tensor = photo.repeat(len(cells) + 1, 1, 1, 1)
    for changed, cell in zip(photos[1:], cells, strict=True):
        rows, columns = (
            slice(index * pixels // number, (index + 1) * pixels // number)
            for index, pixels, number in zip(cell, size, grid, strict=True)
        )
        changed[:, rows, columns] = other[:, rows, columns]
    return photos
