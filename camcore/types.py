"""Types that several packages share, and probabilities."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Forward = Callable[[Array], Array]  # from a batch of inputs (N, 3, H, W) to logits (N, K)
Precision = Literal["fp32", "int8", "int8+fp32"]


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
        """Return the smallest box around one or more boxes."""
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return cls(min(lefts), min(tops), max(rights), max(bottoms))


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
