"""Class activation maps of an exported image classifier: Grad-CAM, Grad-CAM++ and Score-CAM."""

from camcore.artifact import Manifest, find_artifact
from camcore.comparison import draw_comparison
from camcore.errors import ArtifactError, CamError, ClassError, EffortError, OutputError, PhotoError
from camcore.explain import Explainer
from camcore.methods import METHODS
from camcore.overlay import COLOUR_MAPS, draw_overlay
from camcore.photo import open_photo
from camcore.results import Explanation, ForwardPass, Prediction
from camcore.score_cam import DEFINITIONS

__all__ = [
    "COLOUR_MAPS",
    "DEFINITIONS",
    "METHODS",
    "ArtifactError",
    "CamError",
    "ClassError",
    "EffortError",
    "Explainer",
    "Explanation",
    "ForwardPass",
    "Manifest",
    "OutputError",
    "PhotoError",
    "Prediction",
    "draw_comparison",
    "draw_overlay",
    "find_artifact",
    "open_photo",
]
