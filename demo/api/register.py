"""How a function becomes an endpoint: described by its types, checked before it waits, answering in sentences."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any, TypeVar, get_args

import gradio as gr

from camcore.errors import CamError
from demo.api.arguments import ArgumentError
from demo.api.requests import check_photo
from demo.service import messages
from demo.service.gradio_internals import add_endpoint

logger = logging.getLogger(__name__)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def publish(blocks: gr.Blocks, function: Callable[..., Any], read: Callable[..., Any], concurrency_id: str) -> None:
    """Add an endpoint to a page that is being built; of those with one `concurrency_id`, one is run at a time.

    `read` takes its arguments, and raises ArgumentError if one is wrong: a program then learns that at once, with
    status 422, and has not waited.
    """
    add_endpoint(blocks, function, _validator(read, function), concurrency_id=concurrency_id)


def streams(function: _Function) -> _Function:
    """Describe a generator by what it yields, which is how gradio describes an endpoint that streams."""
    (function.__annotations__["return"],) = get_args(function.__annotations__["return"])
    return function


@contextmanager
def in_sentences() -> Iterator[None]:
    """What goes wrong reaches the asker as one sentence."""
    try:
        yield
    except CamError as error:
        raise gr.Error(messages.sentence(error), print_exception=False) from error
    except Exception as error:
        logger.exception("an endpoint failed")
        raise gr.Error(messages.FAILED, print_exception=False) from error


def told(request: gr.Request | None, record: Any) -> Any:
    """A record as it is, but as JSON text for MCP, where gradio would write it as Python does."""
    if request is not None and request.headers.get("x-gradio-user") == "mcp":
        return json.dumps(record, ensure_ascii=False)
    return record


def _validator(read: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """Checks what a function is given, for each parameter."""
    parameters = [name for name in signature(function).parameters if name != "request"]

    def check(*values: Any) -> list[dict[str, Any]]:
        wrong, said = "", ""
        try:
            for photo in read(*values).uploads:
                check_photo(parameters[0], photo)
        except ArgumentError as error:
            wrong, said = error.parameter, str(error)
        return [gr.validate(name != wrong, said if name == wrong else "") for name in parameters]

    return check
