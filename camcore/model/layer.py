"""A layer at which a model can be explained, and the order of the axes of its output."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from camcore.model.json_fields import Count, Pixels, Positive, Text
from camcore.types import Array

Axes = Literal["CHW", "HWC", "TC"]


@dataclass(frozen=True)
class Layer:
    """A layer at which the model can be explained: everything after it is computed from its output alone.

    The output of a transformer is a table of tokens, one row each. Those of the grid, row by row, become the map; the
    others, such as class and register tokens, have no place in the photo, and only the rest of the model uses them.
    """

    name: Text  # of the module or of the operation in the model's graph
    channels: Positive
    map_size: tuple[Pixels, Pixels]  # (h, w) of its activations
    linear_head: bool  # only global average pooling and one linear layer follow: Grad-CAM equals classic CAM
    signed: bool = False  # whether activations below zero were seen
    number: Count = 0  # position in the artefact, which names the methods of the TorchScript model
    axes: Axes = "CHW"  # of its output, without that of the photos: channels, height and width, or tokens and channels
    first_token: Count = 0  # position of the grid's first token
    other_tokens: Count = 0  # number of tokens without a place

    @property
    def has_tokens(self) -> bool:
        """Return whether the layer is one of a transformer, whose tokens may hold more than their own place."""
        return self.axes == "TC"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of the layer's output for one photo."""
        height, width = self.map_size
        by_axes: dict[Axes, tuple[int, ...]] = {
            "CHW": (self.channels, height, width),
            "HWC": (height, width, self.channels),
            "TC": (height * width + self.other_tokens, self.channels),
        }
        return by_axes[self.axes]

    def to_activations(self, output: Array) -> tuple[Array, Array | None]:
        """Return the activations (C, h, w) of one photo's output, and its other tokens (n, C), None if there are none.

        Gradients by the output become gradients by the activations in the same way.
        """
        if self.axes == "CHW":
            return output, None
        if self.axes == "HWC":
            return np.ascontiguousarray(output.transpose(2, 0, 1)), None
        end = self.first_token + self.map_size[0] * self.map_size[1]
        activations = np.ascontiguousarray(output[self.first_token : end].T).reshape(self.channels, *self.map_size)
        others = np.concatenate([output[: self.first_token], output[end:]])
        return activations, others if len(others) else None

    def to_output(self, activations: Array, other_tokens: Array | None = None) -> Array:
        """Return the output that has these activations (C, h, w) and other tokens: the inverse of `to_activations`."""
        if self.axes == "CHW":
            return activations
        if self.axes == "HWC":
            return np.ascontiguousarray(activations.transpose(1, 2, 0))
        grid = activations.reshape(self.channels, -1).T
        if other_tokens is None:
            return np.ascontiguousarray(grid)
        before, after = other_tokens[: self.first_token], other_tokens[self.first_token :]
        return np.concatenate([before, grid, after])
