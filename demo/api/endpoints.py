"""The endpoints for programs, over HTTP, gradio_client and MCP: `/predict`, `/explain` and `/study`.

Each is described by its parameters and outputs, and its values are checked before a call is queued.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from inspect import Parameter, Signature, getdoc, isgeneratorfunction
from pathlib import Path
from types import GenericAlias
from typing import Any

import gradio as gr

from camcore.errors import CamError
from camcore.methods.method_table import DEFAULT_METHODS, METHODS
from camcore.records import PhotoRecord
from demo.api.parameter_errors import ParameterError
from demo.api.parameters import ExplainParameters, Parameters, PredictParameters, StudyParameters, view_of
from demo.api.responses import File, explain_photo, predict_photo, to_file
from demo.service import messages
from demo.service.gradio_internals import add_endpoint
from demo.service.models import Models
from demo.service.photos import new_folder
from demo.service.queue import RECEIVED_AT, Deadline
from demo.service.study import Study, StudyRequest

logger = logging.getLogger(__name__)

_PREDICT_OUTPUTS = {
    "record": "model, weights, seconds, and predictions (class_idx, name, probability), the most probable first"
}
_EXPLAIN_OUTPUTS = {
    "record": "model, weights, seconds, predictions, explanations, and at the end verdict, target and counterfactuals; "
    "an explanation by a method without an output here has its overlay",
    "comparison": "at the end, a picture of what the model saw and of the overlays of all methods side by side",
    **{METHODS[name].file_name.replace("-", "_"): f"overlay of {METHODS[name].title}" for name in DEFAULT_METHODS},
    "maps": "at the end, if wanted, a NumPy archive of the heatmaps, float32 in [0, 1]",
}
_STUDY_OUTPUTS = {
    "record": "done, total, and photos, the latest one's record; at the end all of them, and what made them",
    "report": "at the end, one HTML file with plots, metrics and pictures",
    "figures": "at the end, a CSV file with one row per photo and method",
}

_ExplainStream = Iterator[tuple[PhotoRecord, *tuple[File | None, ...]]]
_StudyStream = Iterator[tuple[dict[str, Any], File | None, File | None]]
_Function = Callable[..., Any]
_Parse = Callable[[Sequence[object]], Parameters]


class Endpoints:
    """The public functions, which take checked parameters. Their docstrings describe the endpoints to programs."""

    def __init__(self, models: Models):
        self._models = models

    def add(self, blocks: gr.Blocks) -> None:
        """Add the endpoints to a page that is being built."""
        models, queue = self._models, "model"
        _publish(blocks, models, self.predict, PredictParameters, PhotoRecord, outputs=_PREDICT_OUTPUTS, queue=queue)
        _publish(blocks, models, self.explain, ExplainParameters, PhotoRecord, outputs=_EXPLAIN_OUTPUTS, queue=queue)
        # A study acquires the model once for each photo, so that other requests run in between.
        _publish(blocks, models, self.study, StudyParameters, dict[str, Any], outputs=_STUDY_OUTPUTS, queue="study")

    def predict(self, parameters: PredictParameters, request: gr.Request | None) -> PhotoRecord:
        """Say what an image classifier sees in a photo: its most probable classes."""
        deadline = self._deadline(request)
        photo, fit, with_whole = parameters.photo, parameters.fit, parameters.needs_whole
        view = view_of(self._models, photo, parameters.model, fit, deadline, with_whole=with_whole)
        with self._models.queue.acquire(deadline):
            return predict_photo(self._models.explainer(parameters.model), view, parameters.top)

    def explain(self, parameters: ExplainParameters, request: gr.Request | None) -> _ExplainStream:
        """Show what an image classifier looked at in a photo, by Grad-CAM, Grad-CAM++ and Score-CAM, or other methods.

        Answers again and again while Score-CAM refines; cancel to stop it. The last answer is complete.
        """
        deadline = self._deadline(request)
        view = view_of(
            self._models, parameters.photo, parameters.model, parameters.fit, deadline, boxes=parameters.target_boxes
        )
        with self._models.queue.acquire(deadline):
            explainer = self._models.explainer(parameters.model)
            if parameters.layer is not None:
                explainer = explainer.at_layer(parameters.layer)
            for record, pictures in explain_photo(explainer, view, parameters, new_folder()):
                yield record, *pictures.files()
                deadline.check()

    def study(self, parameters: StudyParameters, request: gr.Request | None) -> _StudyStream:
        """Explain many photos, and report which of them to check first.

        Answers after each photo; cancel to stop it.
        """
        deadline = self._deadline(request)
        boxes = Path(parameters.boxes.path) if parameters.boxes else None
        methods = tuple(dict.fromkeys(parameters.methods or DEFAULT_METHODS))
        study_request = StudyRequest((Path(parameters.photos.path),), boxes, parameters.model, methods)
        with closing(Study(self._models, study_request)) as study:
            while not study.complete and (deadline.left or not study.rows):
                study.explain_next()
                yield study.latest_record(), None, None
            report, figures = study.write()
            yield study.full_record(), to_file(report), to_file(figures)

    def _deadline(self, request: gr.Request | None) -> Deadline:
        http_request = request.request if request else None
        return self._models.queue.deadline(http_request.scope.get(RECEIVED_AT) if http_request else None)


def _publish(
    blocks: gr.Blocks,
    models: Models,
    run: _Function,
    parameters: type[Parameters],
    record_type: Any,
    *,
    outputs: Mapping[str, str],
    queue: str,
) -> None:
    """Add an endpoint with the name and docstring of `run`, which returns a record, or yields records and files.

    A call with a wrong value gets status 422 without waiting in the queue, in which one call runs at a time. `outputs`
    describes the record, of type `record_type`, and then the files.
    """
    parse = partial(parameters.parse, models=models)
    function: Any = _stream(run, parse) if isgeneratorfunction(run) else _call(run, parse)
    signature = _signature(parameters, (record_type, *[File | None] * (len(outputs) - 1)))
    function.__name__ = run.__name__
    arguments = [f"{name}: {field.description}" for name, field in parameters.model_fields.items()]
    returns = [f"{name}: {description}" for name, description in outputs.items()]
    function.__doc__ = "\n".join([getdoc(run) or "", "Args:", *arguments, "Returns:", *returns])
    function.__signature__ = signature
    function.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    add_endpoint(blocks, function, _validator(models, parse, list(parameters.model_fields)), concurrency_id=queue)


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


def _validator(models: Models, parse: _Parse, names: Sequence[str]) -> _Function:
    """Return a function that tells Gradio for each parameter whether its value can be used, and if not, why."""

    def validate(*values: Any) -> list[dict[str, Any]]:
        invalid, message = "", ""
        try:
            parse(values).check_photo(models)
        except ParameterError as error:
            invalid, message = error.parameter, str(error)
        return [gr.validate(name != invalid, message if name == invalid else "") for name in names]

    return validate


def _signature(parameters: type[Parameters], output_types: Sequence[Any]) -> Signature:
    """Return the signature by which Gradio describes the endpoint. Gradio gives the request to whoever has it there."""
    kind = Parameter.POSITIONAL_OR_KEYWORD
    entries = []
    for name, field in parameters.model_fields.items():
        default = Parameter.empty if field.is_required() else field.default
        entries.append(Parameter(name, kind, default=default, annotation=field.annotation))
    entries.append(Parameter("request", kind, default=None, annotation=gr.Request | None))
    return Signature(entries, return_annotation=GenericAlias(tuple, tuple(output_types)))
