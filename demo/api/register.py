"""Registration of endpoints: described by their parameters and outputs, and checked before a call is queued."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from inspect import Parameter, Signature, getdoc, isgeneratorfunction
from types import GenericAlias
from typing import Any

import gradio as gr

from camcore.errors import CamError
from demo.api.client_files import File
from demo.api.parameter_errors import ParameterError
from demo.api.parameters import Parameters
from demo.service import messages
from demo.service.gradio_internals import add_endpoint
from demo.service.models import Models

logger = logging.getLogger(__name__)

_Function = Callable[..., Any]
_Parse = Callable[[Sequence[object]], Parameters]


def publish(
    blocks: gr.Blocks,
    run: _Function,
    parameters: type[Parameters],
    models: Models,
    *,
    record_type: Any,
    outputs: Mapping[str, str],
    concurrency_id: str,
) -> None:
    """Add an endpoint to a page that is being built. Of those with one `concurrency_id`, one runs at a time.

    Args:
        blocks: the page.
        run: takes the parameters and the request, and returns a record, or yields a record and files repeatedly. Its
            name and docstring are those of the endpoint.
        parameters: what it takes. A call with a wrong value gets status 422 without waiting in the queue.
        models: the models that a call may name.
        record_type: type of the record, for the endpoint's description.
        outputs: names and descriptions of the outputs: the record, and then the files.
        concurrency_id: name of the queue.
    """
    parse = partial(parameters.parse, models=models)
    function: Any = _stream(run, parse) if isgeneratorfunction(run) else _call(run, parse)
    signature = _signature(parameters, (record_type, *[File | None] * (len(outputs) - 1)))
    function.__name__ = run.__name__
    function.__doc__ = _docstring(run, parameters, outputs)
    function.__signature__ = signature
    function.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    add_endpoint(blocks, function, _validator(parse, list(parameters.model_fields)), concurrency_id=concurrency_id)


def _call(run: _Function, parse: _Parse) -> _Function:
    def call(*values: Any) -> Any:
        *arguments, request = values
        with _errors_for_client():
            return _as_text_for_mcp(run(parse(arguments), request), request)

    return call


def _stream(run: _Function, parse: _Parse) -> _Function:
    def stream(*values: Any) -> Iterator[tuple[Any, ...]]:
        *arguments, request = values
        with _errors_for_client():
            for record, *files in run(parse(arguments), request):
                yield _as_text_for_mcp(record, request), *files

    return stream


@contextmanager
def _errors_for_client() -> Iterator[None]:
    """Raise every error of the block as one that Gradio sends to the client, in one sentence without internals."""
    try:
        yield
    except CamError as error:
        raise gr.Error(messages.sentence(error), print_exception=False) from error
    except Exception as error:
        logger.exception("an endpoint failed")
        raise gr.Error(messages.FAILED, print_exception=False) from error


def _as_text_for_mcp(record: Any, request: gr.Request | None) -> Any:
    """Return a record, as JSON text if the client uses MCP: Gradio would give it as the text of a Python object."""
    if request is not None and request.headers.get("x-gradio-user") == "mcp":
        return json.dumps(record, ensure_ascii=False)
    return record


def _validator(parse: _Parse, names: Sequence[str]) -> _Function:
    """Return a function that tells Gradio for each parameter whether its value can be used, and if not, why."""

    def validate(*values: Any) -> list[dict[str, Any]]:
        invalid, message = "", ""
        try:
            parse(values).check_photo()
        except ParameterError as error:
            invalid, message = error.parameter, str(error)
        return [gr.validate(name != invalid, message if name == invalid else "") for name in names]

    return validate


def _signature(parameters: type[Parameters], output_types: Sequence[Any]) -> Signature:
    """Return the signature by which Gradio describes the endpoint. Gradio gives the request to whoever has it there."""
    kind = Parameter.POSITIONAL_OR_KEYWORD
    entries = [
        Parameter(
            name, kind, default=Parameter.empty if field.is_required() else field.default, annotation=field.annotation
        )
        for name, field in parameters.model_fields.items()
    ]
    request = Parameter("request", kind, default=None, annotation=gr.Request | None)
    return Signature([*entries, request], return_annotation=GenericAlias(tuple, tuple(output_types)))


def _docstring(run: _Function, parameters: type[Parameters], outputs: Mapping[str, str]) -> str:
    """Return the docstring from which Gradio takes the descriptions of the endpoint, its parameters and outputs."""
    arguments = [f"{name}: {field.description}" for name, field in parameters.model_fields.items()]
    returns = [f"{name}: {description}" for name, description in outputs.items()]
    return "\n".join([getdoc(run) or "", "Args:", *arguments, "Returns:", *returns])
