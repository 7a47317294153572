"""What a verdict on one photo is made from, besides the predictions and the maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from camcore.images.decoded_photo import Damage
from camcore.images.preprocess import View
from camcore.methods.method_table import MethodName
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.localisation import Localisation
from camcore.metrics.thresholds import UNSURE
from camcore.model.manifest import Preprocessing
from camcore.results import Prediction


@dataclass(frozen=True)
class TrueClass:
    """The label of a photo."""

    title: str  # name of what the photo shows
    prediction: Prediction | None  # the model's class of that name; None if the model has no such class


@dataclass(frozen=True)
class TargetEvidence:
    """The target in the view, and the position of each heatmap's heat."""

    word: str  # noun for the target, such as "animal"
    share: float  # share of the view that the target fills, in [0, 1]
    cut_off: float  # share of the target outside the view, in [0, 1]
    localisations: Mapping[MethodName, Localisation | None]  # None for an empty heatmap


SeenSource = Literal["photo", "box", "photo without box"]


@dataclass(frozen=True)
class CrossChecks:
    """What the model predicts for the whole photo, and how alike the maps are to those of its first choice."""

    seen: float = 1.0  # share of the photo that the model saw, in (0, 1]
    whole: Prediction | None = None  # for the whole photo, squeezed into the model's input
    overlaps: Mapping[MethodName, float] = field(default_factory=dict)  # of the hottest fifths, for another class
    # What the model saw: the photo, the box of a detection, or the photo although it was trained on such boxes.
    source: SeenSource = "photo"
    # The other classes that a multi-label model holds for right; None for a model whose classes exclude each other.
    also: tuple[Prediction, ...] | None = None
    damage: Damage | None = None  # what is wrong with the photo's file, if anything
    counterfactuals: Counterfactuals | None = None  # the answers without the target, and to the target alone

    @classmethod
    def of_view(cls, view: View, steps: Preprocessing, also: tuple[Prediction, ...] | None) -> "CrossChecks":
        """Return what a view alone shows, for a model with this preprocessing."""
        without_box: SeenSource = "photo" if steps.view == "photo" else "photo without box"
        source = "box" if view.of_box else without_box
        return cls(view.share, source=source, also=also, damage=view.damage)


NO_CHECKS = CrossChecks()


def other_labels(predictions: Sequence[Prediction]) -> tuple[Prediction, ...]:
    """Return the classes besides the first, the most probable, that a multi-label model holds for right."""
    return tuple(prediction for prediction in predictions[1:] if prediction.probability >= UNSURE)
