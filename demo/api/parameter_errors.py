"""Errors of parameters: one sentence each, which says what is wrong and what to give instead."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from camcore.errors import CamError
from camcore.methods.method_table import METHODS
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
    context = details.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, ParameterError):
        return cause
    parameter = str(details["loc"][0])
    if cause is not None:  # the message of a validator of ours
        return ParameterError(parameter, messages.sentence(cause))
    match details["type"]:
        case "literal_error":
            remedy = f"choose {context['expected']}"
        case "list_type":
            remedy = f"give a list of {', '.join(METHODS)}"
        case "string_type":
            remedy = "give a text"
        case "bool_type":
            remedy = "give true or false"
        case _:
            smallest, largest = fields[parameter].metadata  # the constraints `ge` and `le` of a number
            number = "whole number" if fields[parameter].annotation is int else "number"
            remedy = f"give a {number} from {smallest.ge:g} to {largest.le:g}"
    return ParameterError(parameter, not_a_value(parameter, remedy))


def not_a_value(parameter: str | None, remedy: str) -> str:
    """Return the sentence about a value that a parameter does not take."""
    return f"This is not a value for {parameter}: {remedy}."
