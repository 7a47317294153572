"""Errors; the message of each is one sentence that says what is wrong and what to do."""


class CamError(Exception):
    """Base class of the project's errors."""


class ArtifactError(CamError, RuntimeError):
    """An artefact directory is missing, damaged, not an artefact, or a mixture of two."""


class DeviceError(CamError, RuntimeError):
    """A model cannot be run on the GPU."""


class PhotoError(CamError, ValueError):
    """A photo cannot be read."""


class ClassError(CamError, ValueError):
    """A class name or index does not exist, or is ambiguous."""


class EffortError(CamError, ValueError):
    """An effort does not exist."""


class MethodError(CamError, ValueError):
    """A method is not defined for the activations of a photo."""


class OutputError(CamError, OSError):
    """A result cannot be written."""


class BoxesError(CamError, ValueError):
    """Boxes, or a file of them, cannot be used."""


class StudyError(CamError, ValueError):
    """A study cannot be made from its inputs."""
