"""What can go wrong, each as one sentence that a person can act on."""


class CamError(Exception):
    """Root of the project's errors; its message is one clear sentence for the reader."""


class ArtifactError(CamError, RuntimeError):
    """An artefact directory is missing, foreign, damaged or mixed."""


class PhotoError(CamError, ValueError):
    """A photo cannot be read."""


class ClassError(CamError, ValueError):
    """A class name or index does not exist, or is ambiguous."""


class EffortError(CamError, ValueError):
    """An effort is none of those there are."""


class OutputError(CamError, OSError):
    """A result cannot be written."""


class BoxesError(CamError, ValueError):
    """Boxes, or a file of them, cannot be used."""


class StudyError(CamError, ValueError):
    """A study cannot be made of what was given."""
