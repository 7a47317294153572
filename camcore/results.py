"""Results of the facade: predictions, a forward pass, and explanations."""

from dataclasses import dataclass, field
from functools import cached_property

from camcore.images.preprocess import View
from camcore.methods.definitions import DefinitionName
from camcore.methods.effort import Effort
from camcore.methods.method_table import MethodName
from camcore.types import Array, Floats, LogitWeights, Precision, to_probabilities


@dataclass(frozen=True)
class Prediction:
    """A class and its probability, in [0, 1]."""

    class_idx: int
    name: str
    probability: float


@dataclass(frozen=True)
class ExplainedClass:
    """The class to explain; with `contrast_class`, the difference of the two logits is explained."""

    prediction: Prediction
    contrast_class: Prediction | None = None

    @property
    def class_indices(self) -> tuple[int, int | None]:
        """Return the indices of the class and of the one that it is set against, if any."""
        return self.prediction.class_idx, None if self.contrast_class is None else self.contrast_class.class_idx

    @property
    def logit_weights(self) -> LogitWeights:
        """Return the weights of the logits in the score that is explained."""
        contrast = {} if self.contrast_class is None else {self.contrast_class.class_idx: -1.0}
        return {self.prediction.class_idx: 1.0, **contrast}


@dataclass(frozen=True)
class ForwardPass:
    """The result of running the model on one photo; `Explainer` accepts it in place of a photo, and saves the run."""

    x: Array  # input of the model, (1, 3, H, W)
    view: View  # the part of the photo that `x` shows
    logits: Array  # (K,), before softmax
    activations: Array  # of the target layer, (C, h, w)
    seconds: float  # time of preprocessing and the forward pass
    multi_label: bool = False  # whether several classes may be right at once
    other_tokens: Array | None = None  # (n, C), those of a transformer that have no place in the photo; see `Layer`

    @cached_property
    def probabilities(self) -> Floats:
        """Return the probabilities of the classes, (K,); see `to_probabilities`."""
        return to_probabilities(self.logits, self.multi_label)


@dataclass(frozen=True)
class Explanation:
    """One method's map of what the model looked at for one class.

    The fields from `definition` to `fidelity_estimate` are None for methods other than Score-CAM. With a
    `contrast_class`, the map explains the difference of the two logits: what speaks for the one and against the other.
    `fidelity_estimate` is a cautious estimate of the heatmap's Pearson correlation with the exhaustive fp32 heatmap: 1
    for that heatmap itself, None if there are too few forwards for an estimate.
    """

    method: MethodName
    class_idx: int  # of the explained class, as are the name and the probability
    name: str
    probability: float  # in [0, 1]
    heatmap: Array  # float32 (H, W) in [0, 1] over the model's view; all zeros if the map shows no place
    peak: float  # the raw map's largest value; 0 if there is no positive evidence
    seconds: float  # time of this map; time that several maps share, such as the forward pass, is divided equally
    definition: DefinitionName | None = None  # Score-CAM variant
    forwards: int | None = None  # masked forwards that were run
    channels: int | None = None  # of the target layer
    channels_alive: int | None = None  # channels that vary within the photo; only these are run
    effort: Effort | None = None  # how far Score-CAM was to go
    precision: Precision | None = None  # of the masked forwards
    fidelity_estimate: float | None = None
    complete: bool = True  # false if a better map of the same method follows
    contrast_class: Prediction | None = None  # the class that the explained class is set against
    # The raw map on the layer's grid, of which `heatmap` is made.
    cam: Array | None = field(default=None, repr=False, compare=False)  # float32 (h, w), >= 0

    @property
    def shows_a_place(self) -> bool:
        """Return whether the heatmap marks a place: false if the evidence is nowhere positive, or equal everywhere."""
        return bool(self.heatmap.any())
