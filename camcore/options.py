"""The options of an explanation, shared by the command line, the page, its links and the endpoints."""

from dataclasses import dataclass

from camcore.methods.definitions import DefinitionName
from camcore.methods.effort import Effort
from camcore.model.manifest import ResizeMode


@dataclass(frozen=True)
class ExplainOptions:
    """What to explain, and how."""

    class_idx: int | None = None  # class to explain; None for the most probable one
    contrast_idx: int | None = None  # class to set it against; None to explain the class alone
    definition: DefinitionName = "paper"  # Score-CAM variant
    effort: Effort = "fast"  # how far Score-CAM goes: "fast", "exact", or a number of forwards
    resize_mode: ResizeMode | None = None  # how the photo becomes the model's input; None for the model's own way
