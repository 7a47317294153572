"""Grad-CAM, Grad-CAM++ and Score-CAM of an exported image classifier, and metrics of how far to trust the maps."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camcore.drawing.comparison import draw_comparison
    from camcore.drawing.overlay import COLOUR_MAPS, draw_overlay
    from camcore.errors import (
        ArtifactError,
        BoxesError,
        CamError,
        ClassError,
        DeviceError,
        EffortError,
        OutputError,
        PhotoError,
        StudyError,
    )  # fmt: skip
    from camcore.explainer import Explainer
    from camcore.images.decoder import PhotoDecoder
    from camcore.images.photo import open_photo
    from camcore.methods.definitions import DEFINITIONS
    from camcore.methods.method_table import METHODS
    from camcore.metrics.counterfactuals import Counterfactuals
    from camcore.metrics.faithfulness import Faithfulness
    from camcore.metrics.localisation import Localisation, Target, localise
    from camcore.model.artifact_folders import find_artifact
    from camcore.model.manifest import Manifest
    from camcore.options import ExplainOptions
    from camcore.results import Explanation, ForwardPass, Prediction
    from camcore.types import Box

_MODULES = {
    "COLOUR_MAPS": "drawing.overlay", "DEFINITIONS": "methods.definitions", "METHODS": "methods.method_table",
    "ArtifactError": "errors", "Box": "types", "BoxesError": "errors", "CamError": "errors",
    "Counterfactuals": "metrics.counterfactuals",
    "ClassError": "errors", "DeviceError": "errors", "EffortError": "errors", "ExplainOptions": "options",
    "Explainer": "explainer",
    "Explanation": "results", "Faithfulness": "metrics.faithfulness", "ForwardPass": "results",
    "Localisation": "metrics.localisation", "Manifest": "model.manifest", "OutputError": "errors",
    "PhotoDecoder": "images.decoder", "PhotoError": "errors", "Prediction": "results", "StudyError": "errors",
    "Target": "metrics.localisation", "draw_comparison": "drawing.comparison", "draw_overlay": "drawing.overlay",
    "find_artifact": "model.artifact_folders", "localise": "metrics.localisation", "open_photo": "images.photo",
}  # fmt: skip

__all__ = [
    "COLOUR_MAPS", "DEFINITIONS", "METHODS", "ArtifactError", "Box", "BoxesError", "CamError", "ClassError",
    "Counterfactuals", "DeviceError", "EffortError", "ExplainOptions", "Explainer", "Explanation", "Faithfulness",
    "ForwardPass", "Localisation", "Manifest", "OutputError", "PhotoDecoder", "PhotoError", "Prediction", "StudyError",
    "Target", "draw_comparison", "draw_overlay", "find_artifact", "localise", "open_photo",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a process that decodes photos needs only Pillow and NumPy."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
