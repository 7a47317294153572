"""Grad-CAM, Grad-CAM++ and Score-CAM of an exported image classifier, and metrics of how far to trust the maps."""

from camcore.drawing.comparison import draw_comparison
from camcore.drawing.overlay import COLOUR_MAPS, draw_overlay
from camcore.errors import (
    ArtifactError,
    BoxesError,
    CamError,
    ClassError,
    EffortError,
    OutputError,
    PhotoError,
    StudyError,
)  # fmt: skip
from camcore.explainer import Explainer
from camcore.images.photo import open_photo
from camcore.methods.grad_cam import METHODS
from camcore.methods.score_cam import DEFINITIONS
from camcore.metrics.faithfulness import Faithfulness
from camcore.metrics.localisation import Box, Localisation, Target, localise
from camcore.model.manifest import Manifest, find_artifact
from camcore.options import ExplainOptions
from camcore.results import Explanation, ForwardPass, Prediction

__all__ = [
    "COLOUR_MAPS", "DEFINITIONS", "METHODS", "ArtifactError", "Box", "BoxesError", "CamError", "ClassError",
    "EffortError", "ExplainOptions", "Explainer", "Explanation", "Faithfulness", "ForwardPass", "Localisation",
    "Manifest", "OutputError", "PhotoError", "Prediction", "StudyError", "Target", "draw_comparison", "draw_overlay",
    "find_artifact", "localise", "open_photo",
]  # fmt: skip
