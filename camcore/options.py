"""The options of an explanation, shared by the command line, the page, its links and the endpoints."""

from dataclasses import dataclass

from camcore.images.preprocess import ResizeMode
from camcore.methods.effort import Effort
from camcore.methods.score_cam import DefinitionName


@dataclass(frozen=True)
class ExplainOptions:
    """What to explain, and how.

    Attributes:
        class_idx: index of the class to explain; None for the most probable class.
        contrast_idx: index of the class to set it against; None to explain the class alone.
        definition: Score-CAM variant.
        effort: how far Score-CAM goes: "fast", "exact", or a number of forwards.
        resize_mode: how the photo becomes the model's input.
    """

    class_idx: int | None = None
    contrast_idx: int | None = None
    definition: DefinitionName = "paper"
    effort: Effort = "fast"
    resize_mode: ResizeMode = "crop"
