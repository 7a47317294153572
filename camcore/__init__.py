"""Class activation maps of an exported image classifier, Grad-CAM, Grad-CAM++ and Score-CAM, and their evidence."""

from camcore.artifact import Manifest, find_artifact
from camcore.comparison import draw_comparison
from camcore.errors import (
    ArtifactError,
    BoxesError,
    CamError,
    ClassError,
    EffortError,
    OutputError,
    PhotoError,
    StudyError,
)
from camcore.explain import Explainer
from camcore.faithfulness import Faithfulness
from camcore.localisation import Box, Localisation, Target, localise
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
    "Box",
    "BoxesError",
    "CamError",
    "ClassError",
    "EffortError",
    "Explainer",
    "Explanation",
    "Faithfulness",
    "ForwardPass",
    "Localisation",
    "Manifest",
    "OutputError",
    "PhotoError",
    "Prediction",
    "StudyError",
    "Target",
    "draw_comparison",
    "draw_overlay",
    "find_artifact",
    "localise",
    "open_photo",
]
