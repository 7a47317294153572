"""The table of all methods: their names, and how each computes a map."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from camcore.methods.eigen_cam import eigen_cam
from camcore.methods.grad_cam import grad_cam, grad_cam_pp
from camcore.methods.gradient_rules import hirescam, layercam, xgrad_cam
from camcore.methods.recipro_cam import recipro_cam
from camcore.types import Array

MethodName = Literal[
    "grad-cam", "grad-cam++", "score-cam", "hirescam", "layercam", "xgrad-cam", "eigen-cam", "finer-cam", "recipro-cam"
]
MapInput = Literal["activations", "gradients", "finer gradients", "head", "masked scores"]
GRADIENTS: tuple[MapInput, ...] = ("gradients", "finer gradients")
# What an input costs, beside the one run of the model for all methods.
RUNS: dict[MapInput, str] = {
    "activations": "no more runs",
    "gradients": "one more run of the model",
    "finer gradients": "one more run of the model",
    "head": "one run of the model’s last part per cell",
    "masked scores": "one run per feature, or an estimate from fewer",
}


@dataclass(frozen=True)
class Method:
    """A method of explanation: its names, what it computes a map from, and how.

    `rule` returns the map (h, w) >= 0 from its `inputs`, in their order: the "activations" (C, h, w) of the target
    layer; the "gradients" (C, h, w) of the class's logit, or the "finer gradients" of the sum that `finer_weights`
    describes; the "head", which is a `HeadProbability`. Score-CAM needs the "masked scores" of the whole model, and has
    no rule, because its map grows; see `camcore.methods.score_cam`.
    """

    title: str  # name for people
    file_name: str  # spelling in the names of files
    hint: str  # how the method works, in one sentence for readers who do not know the model
    inputs: tuple[MapInput, ...]
    rule: Callable[..., Array] | None
    accepts_signed: bool = True  # whether activations below zero are allowed

    @property
    def gradients(self) -> MapInput | None:
        """Return the gradients among the inputs; None for a method without any."""
        return next((name for name in self.inputs if name in GRADIENTS), None)

    @property
    def knows_class(self) -> bool:
        """Return whether the map depends on the class: activations alone do not."""
        return self.inputs != ("activations",)

    @property
    def runs(self) -> str:
        """Return how often the model is run, beside the one run for all methods."""
        return RUNS[self.inputs[-1]]


METHODS: dict[MethodName, Method] = {
    "grad-cam": Method(
        "Grad-CAM", "grad-cam",
        "Adds up the features that the model detected, each weighted by how much it supports the class on average.",
        ("activations", "gradients"), grad_cam),
    "grad-cam++": Method(
        "Grad-CAM++", "grad-cam-pp",
        "Like Grad-CAM, but counts only what supports the class, which suits photos of several animals.",
        ("activations", "gradients"), grad_cam_pp),
    "score-cam": Method(
        "Score-CAM", "score-cam",
        "Shows the model the parts of the photo with one feature at a time, and weights that feature by its answer.",
        ("masked scores",), None),
    "hirescam": Method(
        "HiResCAM", "hirescam",
        "Like Grad-CAM, but weights each feature at each place by how much it supports the class just there.",
        ("activations", "gradients"), hirescam),
    "layercam": Method(
        "LayerCAM", "layercam",
        "Like HiResCAM, but leaves out every place where a feature speaks against the class.",
        ("activations", "gradients"), layercam),
    "xgrad-cam": Method(
        "XGrad-CAM", "xgrad-cam",
        "Like Grad-CAM, but the support for the class counts most where the feature is strong.",
        ("activations", "gradients"), xgrad_cam, accepts_signed=False),
    "eigen-cam": Method(
        "Eigen-CAM", "eigen-cam",
        "Shows where the features are strong together. It knows no class: the heatmap is the same for every name.",
        ("activations",), eigen_cam),
    "finer-cam": Method(
        "Finer-CAM", "finer-cam",
        "Like Grad-CAM, but for what tells the class from the three that the model finds most similar.",
        ("activations", "finer gradients"), grad_cam),
    "recipro-cam": Method(
        "Recipro-CAM", "recipro-cam",
        "Lets the model answer from one place at a time, and marks where the class becomes most probable.",
        ("activations", "head"), recipro_cam),
}  # fmt: skip
DEFAULT_METHODS: tuple[MethodName, ...] = ("grad-cam", "grad-cam++", "score-cam")
MORE_METHODS: tuple[MethodName, ...] = tuple(name for name in METHODS if name not in DEFAULT_METHODS)
