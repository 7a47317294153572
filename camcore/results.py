"""What passes out of the facade: predictions, a forward pass, explanations."""

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
    """What is to be explained: a class's logit, or how much larger it is than another's."""

    prediction: Prediction
    contrast_class: Prediction | None = None

    @property
    def class_idx(self) -> int:
        """Of the class asked about."""
        return self.prediction.class_idx

    @property
    def contrast_idx(self) -> int | None:
        """Of the class it is set against, if any."""
        return None if self.contrast_class is None else self.contrast_class.class_idx


@dataclass(frozen=True)
class ForwardPass:
    """One photo through the model: input (1, 3, H, W), view, logits (K,), activations (C, h, w), and seconds taken.

    Anything that takes a photo takes this as well, and then does not run the model on the photo again.
    """

    x: Array
    view: View
    logits: Array
    activations: Array
    seconds: float

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the logits, (K,)."""
        return softmax(self.logits)


@dataclass(frozen=True)
class Explanation:
    """One method's answer to what the model looked at for one class.

    `heatmap` is float32 (H, W) in [0, 1] over the model's view; all zeros if the map shows no place. `peak` is the
    raw map's largest value, 0 if there is no positive evidence. `seconds` is this map's own share: what it shares with
    others, such as the forward pass, is divided equally. One that is not `complete` is followed by a better one. With
    `contrast_class` it explains the difference of two logits: what speaks for the class and against that one.

    The rest is Score-CAM's, else None: under which `definition`, at what `effort`, how many masked `forwards` were run
    for the layer's `channels`, of which `channels_alive` vary, in which `precision`. `fidelity_estimate` is a cautious
    estimate of the heatmap's Pearson correlation with the exhaustive one of fp32: 1 for that one, None where nothing
    tells it.
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
        """Whether the heatmap points anywhere: not if there is no positive evidence, or the same everywhere."""
        return bool(self.heatmap.any())
