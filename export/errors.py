"""What can go wrong in an export, each as one sentence that a person can act on."""

from camcore.errors import CamError


class WeightsError(CamError, RuntimeError):
    """Weights cannot be had, cannot be read, or do not fit the model."""


class LabelsError(CamError, ValueError):
    """The file of class names cannot be read or does not fit the model."""


class ExportError(CamError, RuntimeError):
    """The artefact cannot be written, or differs from the eager model."""
