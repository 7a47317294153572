"""Types that several packages share, and probabilities."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Forward = Callable[[Array], Array]  # from a batch of inputs (N, 3, H, W) to logits (N, K)
LogitWeights = Mapping[int, float]  # of a weighted sum of logits, by the index of the class
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "int8", "int8+fp32"]
LEAST_AREA = 1e-9  # of a box, as a share of the photo


class Box(NamedTuple):
    """A rectangle in an upright photo, as fractions of its width and height: 0 is left or top, 1 right or bottom."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Return its share of the photo."""
        return (self.right - self.left) * (self.bottom - self.top)

    @classmethod
    def around(cls, boxes: "Sequence[Box]") -> "Box":
        """Return the smallest box around one or more boxes, which are all in fractions or all in pixels."""
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return type(boxes[0])(min(lefts), min(tops), max(rights), max(bottoms))

    def grown(self, share: float) -> "Box":
        """Return the box with a margin of a share of its width and height on each side, within the photo."""
        across, down = share * (self.right - self.left), share * (self.bottom - self.top)
        edges = self.left - across, self.top - down, self.right + across, self.bottom + down
        return Box(*(min(max(edge, 0.0), 1.0) for edge in edges))

    def clipped(self) -> "Box | None":
        """Return the part of the box inside the photo, or None if it has less than `LEAST_AREA`."""
        box = Box(*(min(max(float(edge), 0.0), 1.0) for edge in self))
        return box if box.left < box.right and box.area >= LEAST_AREA else None

    def in_fractions(self, size: tuple[float, float]) -> "Box | None":
        """Return the box itself: it does not depend on the (width, height) of the photo."""
        return self


class PixelBox(Box):
    """A rectangle in an upright photo, in pixels, for boxes that were read before the size of their photo."""

    def in_fractions(self, size: tuple[float, float]) -> Box | None:
        """Return the part of the box inside a photo of this (width, height), or None if it has no area."""
        width, height = size
        return Box(self.left / width, self.top / height, self.right / width, self.bottom / height).clipped()


def in_fractions(boxes: "Sequence[Box]", size: tuple[float, float]) -> tuple[Box, ...]:
    """Return boxes in fractions of a photo of this (width, height), without those that lie outside it."""
    return tuple(part for box in boxes if (part := box.in_fractions(size)) is not None)


def softmax(values: NDArray[np.floating]) -> Floats:
    """Return the softmax over the last axis, in float64."""
    powers = np.exp(values.astype(np.float64) - values.max(axis=-1, keepdims=True))
    result: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return result


def to_probabilities(logits: NDArray[np.floating], multi_label: bool) -> Floats:
    """Return the probabilities of classes along the last axis, in float64, from their logits.

    They are the softmax, or with `multi_label` the sigmoid of each: several classes may then be right at once.
    """
    if not multi_label:
        return softmax(logits)
    result: Floats = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
    return result
