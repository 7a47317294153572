"""The values that a program gives an endpoint: from anyone, so each is checked, and what is wrong is one sentence."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypedDict, TypeVar

from camcore.errors import BoxesError, CamError
from camcore.methods.effort import Effort, read_effort
from camcore.methods.grad_cam import ALL_METHODS, METHODS, MethodName
from camcore.metrics.localisation import Box, Target
from camcore.model.classes import find_class
from demo.service import messages
from demo.service.gradio_internals import FileDataMeta

_Name = TypeVar("_Name", bound=str)
_LONGEST = 200  # characters of a name
_HUGE = 1e300  # NaN is not below it, nor is infinity


class ArgumentError(CamError, ValueError):
    """A value that an endpoint cannot use, and the parameter that it was given for."""

    def __init__(self, parameter: str, said: str):
        super().__init__(said)
        self.parameter = parameter


@contextmanager
def about(parameter: str) -> Iterator[None]:
    """Say of what goes wrong in the block which parameter it was about."""
    try:
        yield
    except ArgumentError:
        raise
    except CamError as error:
        raise ArgumentError(parameter, messages.sentence(error)) from error


class Upload(TypedDict):
    """A file that was uploaded, as gradio_client's `handle_file` and HTTP's `/gradio_api/upload` tell it."""

    path: str
    meta: FileDataMeta


def read_upload(parameter: str, value: object, folder: Path) -> Path:
    """Path of an uploaded file, which lies in gradio's `folder`: anything else is none of a stranger's business."""
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or "\0" in path or not Path(path).resolve().is_relative_to(folder.resolve()):
        raise ArgumentError(parameter, messages.NOT_UPLOADED)
    if not Path(path).is_file():
        raise ArgumentError(parameter, messages.UPLOAD_GONE)
    return Path(path)


def read_class(parameter: str, value: object, labels: Sequence[str]) -> int | None:
    """Index of a class given by its name or index, None if none is given."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > _LONGEST:
        raise ArgumentError(parameter, messages.not_a_class(parameter))
    with about(parameter):
        return find_class(labels, value)


def read_methods(value: object) -> tuple[MethodName, ...]:
    """The methods named, all of them if none is."""
    if value is None or value == []:
        return ALL_METHODS
    if not isinstance(value, list):
        raise ArgumentError("methods", messages.one_of("methods", METHODS))
    return tuple(dict.fromkeys(read_choice("methods", each, METHODS) for each in value))


def read_effort_of(value: object) -> Effort:
    """fast, exact, or a number of forwards."""
    given = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    with about("effort"):
        return read_effort(given[:_LONGEST])


def read_boxes(value: object) -> tuple[Box, ...]:
    """At most one box: its left, top, right and bottom edge, as fractions of the photo."""
    if value is None or value == []:
        return ()
    edges = [_number(edge) for edge in value] if isinstance(value, list) else []
    match edges:
        case [float() as left, float() as top, float() as right, float() as bottom]:
            boxes = (Box(left, top, right, bottom),)
            with suppress(BoxesError):
                Target.of_boxes(boxes)
                return boxes
    raise ArgumentError("box", messages.NOT_FOUR_EDGES)


def read_choice(parameter: str, value: object, choices: Collection[_Name]) -> _Name:
    """One of the choices."""
    for choice in choices:
        if value == choice:
            return choice
    raise ArgumentError(parameter, messages.one_of(parameter, choices))


def read_number(parameter: str, value: object, least: float, most: float) -> float:
    """A number in a range."""
    number = _number(value)
    if number is None or not least <= number <= most:
        raise ArgumentError(parameter, messages.between(parameter, least, most))
    return number


def read_flag(parameter: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ArgumentError(parameter, messages.true_or_false(parameter))
    return value


def _number(value: object) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _HUGE else None
