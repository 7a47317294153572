"""Results of the facade: predictions, a forward pass, and explanations."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from camcore.images.preprocess import View
from camcore.methods.effort import Effort
from camcore.methods.grad_cam import MethodName
from camcore.methods.score_cam import DefinitionName
from camcore.types import Array, Precision, softmax


@dataclass(frozen=True)
class Prediction:
    """A class and its softmax probability, in [0, 1]."""

    class_idx: int
    name: str
    probability: float


@dataclass(frozen=True)
class ExplainedClass:
    """The class to explain; with `contrast_class`, the difference of the two logits is explained."""

    prediction: Prediction
    contrast_class: Prediction | None = None

    @property
    def class_idx(self) -> int:
        """Return the index of the class to explain."""
        return self.prediction.class_idx

    @property
    def contrast_idx(self) -> int | None:
        """Return the index of the class that it is set against, if any."""
        return None if self.contrast_class is None else self.contrast_class.class_idx


@dataclass(frozen=True)
class ForwardPass:
    """The result of running the model on one photo.

    `Explainer` accepts it in place of a photo, and then does not run the model on the photo again.

    Attributes:
        x: input of the model, (1, 3, H, W).
        view: the part of the photo that `x` shows.
        logits: (K,), before softmax.
        activations: of the target layer, (C, h, w).
        seconds: time of preprocessing and the forward pass.
    """

    x: Array
    view: View
    logits: Array
    activations: Array
    seconds: float

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Return the softmax of the logits, (K,)."""
        return softmax(self.logits)


@dataclass(frozen=True)
class Explanation:
    """One method's map of what the model looked at for one class.

    The attributes from `definition` to `fidelity_estimate` are None for methods other than Score-CAM.

    Attributes:
        method: name of the method.
        class_idx: index of the explained class.
        name: name of the explained class.
        probability: softmax probability of the explained class, in [0, 1].
        heatmap: float32 (H, W) in [0, 1] over the model's view; all zeros if the map shows no place.
        peak: the raw map's largest value; 0 if there is no positive evidence.
        seconds: time of this map; time that several maps share, such as the forward pass, is divided equally.
        definition: Score-CAM variant.
        forwards: number of masked forwards that were run.
        channels: number of channels of the target layer.
        channels_alive: number of channels that vary within the photo; only these are run.
        effort: how far Score-CAM was to go.
        precision: precision of the masked forwards.
        fidelity_estimate: cautious estimate of the heatmap's Pearson correlation with the exhaustive fp32 heatmap;
            1 for that heatmap itself, None if there are too few forwards for an estimate.
        complete: false if a better map of the same method follows.
        contrast_class: the class that the explained class is set against; the map then explains the difference of the
            two logits: what speaks for the one and against the other.
    """

    method: MethodName
    class_idx: int
    name: str
    probability: float
    heatmap: Array
    peak: float
    seconds: float
    definition: DefinitionName | None = None
    forwards: int | None = None
    channels: int | None = None
    channels_alive: int | None = None
    effort: Effort | None = None
    precision: Precision | None = None
    fidelity_estimate: float | None = None
    complete: bool = True
    contrast_class: Prediction | None = None

    @property
    def shows_a_place(self) -> bool:
        """Return whether the heatmap marks a place: false if the evidence is nowhere positive, or equal everywhere."""
        return bool(self.heatmap.any())
