"""Errors of an export. Each message is one sentence that names the problem and a remedy."""

import traceback
from pathlib import Path

from camcore.errors import CamError

_LIBRARIES = ("torch", "torchvision", "timm", "transformers")


class WeightsError(CamError, RuntimeError):
    """Weights that are unavailable, unreadable, or of another model."""


class LabelsError(CamError, ValueError):
    """A file of class names that is unreadable or does not match the model."""


class QuantizationError(CamError, RuntimeError):
    """A model of which there can be no int8 version; the export goes on without it."""


class ExportError(CamError, RuntimeError):
    """An artefact that cannot be written, or that differs from the original model."""


def shortened(text: object) -> str:
    """Return the first 200 characters of a text, in one line."""
    return " ".join(str(text).split())[:200]


def describe_error(error: BaseException) -> str:
    """Return the kind and the text of an error in the user's code, and the line of that code, without a line break."""
    text = shortened(str(error).split("\n\nWhile executing")[0])
    return f"{type(error).__name__}{f' ({text})' if text else ''}{user_line(error)}"


def user_line(error: BaseException) -> str:
    """Return " in FILE, line N" for the last line outside the libraries that led to an error, "" if there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        of_library = any(f"/{library}/" in frame.filename for library in _LIBRARIES)
        if not of_library and frame.filename[0] != "<" and Path(frame.filename).parent != Path(__file__).parent:
            return f" in {frame.filename}, line {frame.lineno}"
    return ""
