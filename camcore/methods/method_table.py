"""The table of all methods: their names, and how each computes a map."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from camcore.methods.grad_cam import grad_cam, grad_cam_pp
from camcore.types import Array

MethodName = Literal["grad-cam", "grad-cam++", "score-cam"]


@dataclass(frozen=True)
class Method:
    """A method of explanation: its names, and how it computes a map.

    `from_gradients` returns the map (h, w) >= 0 from activations and gradients, both (C, h, w).
    """

    title: str  # name for people
    file_name: str  # spelling in the names of files
    hint: str  # how the method works, in one sentence for readers who do not know the model
    from_gradients: Callable[[Array, Array], Array] | None  # None for Score-CAM, which runs the model again


METHODS: dict[MethodName, Method] = {
    "grad-cam": Method(
        "Grad-CAM", "grad-cam",
        "Adds up the features that the model detected, each weighted by how much it supports the class on average.",
        grad_cam),
    "grad-cam++": Method(
        "Grad-CAM++", "grad-cam-pp",
        "Like Grad-CAM, but counts only what supports the class, which suits photos of several animals.",
        grad_cam_pp),
    "score-cam": Method(
        "Score-CAM", "score-cam",
        "Shows the model the parts of the photo with one feature at a time, and weights that feature by its answer.",
        None),
}  # fmt: skip
ALL_METHODS: tuple[MethodName, ...] = tuple(METHODS)
GRADIENT_METHODS: tuple[MethodName, ...] = tuple(name for name, method in METHODS.items() if method.from_gradients)
