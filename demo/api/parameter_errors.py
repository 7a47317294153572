"""Errors of parameters: one sentence each, which says what is wrong and what to give instead."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from camcore.errors import CamError
from camcore.methods.grad_cam import METHODS
from demo.service import messages


class ParameterError(CamError, ValueError):
    """A value that an endpoint cannot use, and the name of its parameter."""

    def __init__(self, parameter: str, message: str):
        super().__init__(message)
        self.parameter = parameter


@contextmanager
def errors_of(parameter: str) -> Iterator[None]:
    """Raise the errors of the block as errors of a parameter."""
    try:
        yield
    except CamError as error:
        raise ParameterError(parameter, messages.sentence(error)) from error


def parameter_error(error: ValidationError, fields: Mapping[str, FieldInfo]) -> ParameterError:
    """Return the first of pydantic's errors as the name of a parameter and one sentence."""
    details = error.errors()[0]
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, ParameterError):
        return cause
    parameter = str(details["loc"][0])
    if cause is not None:  # the message of a validator of ours
        return ParameterError(parameter, messages.sentence(cause))
    return ParameterError(parameter, not_a_value(parameter, _remedy(details, fields[parameter])))


def not_a_value(parameter: str | None, remedy: str) -> str:
    """Return the sentence about a value that a parameter does not take."""
    return f"This is not a value for {parameter}: {remedy}."


def _remedy(details: ErrorDetails, field: FieldInfo) -> str:
    """Return what to give instead of a value of a wrong type, or of one out of range."""
    if details["type"] == "literal_error":
        return f"choose {details['ctx']['expected']}"
    if details["type"] == "list_type":
        return f"give a list of {', '.join(METHODS)}"
    if details["type"] == "bool_type":
        return "give true or false"
    limits: dict[type, Any] = {type(limit): limit for limit in field.metadata}
    number = "whole number" if field.annotation is int else "number"
    return f"give a {number} from {limits[Ge].ge:g} to {limits[Le].le:g}"
