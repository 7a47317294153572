"""Errors of an export. Each message is one sentence that names the problem and a remedy."""

from camcore.errors import CamError


class WeightsError(CamError, RuntimeError):
    """Weights that are unavailable, unreadable, or of another model."""


class LabelsError(CamError, ValueError):
    """A file of class names that is unreadable or does not match the model."""


class QuantizationError(CamError, RuntimeError):
    """A model of which there can be no int8 version; the export goes on without it."""


class ExportError(CamError, RuntimeError):
    """An artefact that cannot be written, or that differs from the eager model."""
