"""Every use of a Gradio internal, read or patched, so that an upgrade of Gradio breaks in one module.

Written for Gradio 6.31. Nothing here is documented by Gradio; each function says why the project needs it.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from anyio.to_thread import run_sync
from gradio import Blocks, data_classes
from gradio.block_function import BlockFunction
from gradio.events import EventData, api
from gradio.exceptions import Error
from gradio.utils import get_upload_folder, is_in_or_equal
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection

from demo.service import messages

_Value = TypeVar("_Value")

# The types of uploaded files, by which Gradio recognises a file in the signature of an endpoint or a component.
FileDataMeta = data_classes.FileDataMeta
ImageData = data_classes.ImageData

# Gradio's page refuses a file of another type than image/* in its own words, before the server sees it. This gives such
# a file an image type, so that it is uploaded, and `camcore.open_photo` can say what is wrong with it.
ACCEPT_ANY_FILE = """
const isImage = (file) => file.type.startsWith("image/");
const asImages = (files) => {
  const images = new DataTransfer();
  for (const file of files) images.items.add(isImage(file) ? file : new File([file], file.name, { type: "image/any" }));
  return images;
};
document.addEventListener("change", ({ target }) => {
  if (target.matches("#photo input[type=file]") && ![...target.files].every(isImage)) {
    target.files = asImages(target.files).files;
  }
}, true);
document.addEventListener("drop", (event) => {
  const files = [...(event.dataTransfer?.files ?? [])];
  if (!event.target.closest("#photo") || files.every(isImage)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const options = { bubbles: true, cancelable: true, dataTransfer: asImages(files) };
  event.target.dispatchEvent(new DragEvent("drop", options));
}, true);
"""


def upload_folder() -> Path:
    """Return the folder of uploads and of files for visitors, which Gradio serves and clears; create it if needed."""
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def is_served_file(path: str) -> bool:
    """Return whether a path, of a file or of none, lies in the folder of uploads, by Gradio's own check."""
    try:
        return is_in_or_equal(path, upload_folder())
    except (OSError, ValueError):  # no file can have this name
        return False


@dataclass(frozen=True)
class PageFunction:
    """A function that a request may call: its public name, the names of its parameters, and whether it is queued.

    `any_values` is true for the function of a Cancel event, to which Gradio's page sends a varying number of values.
    """

    api_name: str
    parameters: tuple[str, ...]
    input_count: int
    queued: bool
    any_values: bool

    def accepts(self, values: object) -> bool:
        """Return whether `values` is a list of as many values as the function takes."""
        return isinstance(values, list) and (self.any_values or len(values) == self.input_count)


def find_function(blocks: Blocks, api_name: str | None) -> PageFunction | None:
    """Return the function of this public name, or None if there is none."""
    return next((_page_function(function) for function in blocks.fns.values() if function.api_name == api_name), None)


def find_numbered_function(blocks: Blocks, number: object) -> PageFunction | None:
    """Return the function that Gradio's page calls by this number, or None if it runs nothing on the server."""
    function = blocks.fns.get(number) if type(number) is int else None
    return None if function is None or function.fn is None else _page_function(function)


def _page_function(function: BlockFunction) -> PageFunction:
    parameters = tuple(filter(None, function.input_parameter_names or ()))
    name = str(function.api_name or "")
    return PageFunction(name, parameters, len(function.inputs), bool(function.queue), bool(function.cancels))


def endpoint_parameters(blocks: Blocks, api_name: str) -> dict[str, bool] | None:
    """Return whether each parameter of a public endpoint has a default, or None if there is no such endpoint."""
    endpoint = blocks.get_api_info()["named_endpoints"].get(f"/{api_name}")
    if endpoint is None:
        return None
    return {parameter["parameter_name"]: parameter["parameter_has_default"] for parameter in endpoint["parameters"]}


def add_endpoint(
    blocks: Blocks, function: Callable[..., Any], validator: Callable[..., Any], *, concurrency_id: str
) -> None:
    """Add an API endpoint named after `function`; of those with one `concurrency_id`, one runs at a time.

    `validator` is called before a request is queued. `gradio.api` has no such parameter, other events have.
    """
    event = api(function, api_name=function.__name__, concurrency_id=concurrency_id, concurrency_limit=1)
    blocks.fns[event["id"]].validator = validator


def refuse_unusable_values(blocks: Blocks) -> None:
    """Answer values that a component of the page cannot take with one sentence; Gradio would print a traceback each."""
    preprocess = blocks.preprocess_data

    async def preprocess_or_refuse(*arguments: Any, **options: Any) -> Any:
        try:
            return await preprocess(*arguments, **options)
        except Exception as error:  # gr.Error, pydantic's ValidationError, TypeError and others, by component
            raise Error(messages.UNUSABLE, print_exception=False) from error

    blocks.preprocess_data = preprocess_or_refuse  # type: ignore[method-assign]


def event_value(event: EventData, name: str, kind: type[_Value]) -> _Value:
    """Return a value that came with an event of the page, or raise gr.Error if it is not there or of another type."""
    data = event._data
    try:
        return TypeAdapter(kind).validate_python(data.get(name) if isinstance(data, dict) else None)
    except ValidationError as error:
        raise Error(messages.UNUSABLE, print_exception=False) from error


def limit_queue(blocks: Blocks) -> None:
    """Count the requests whose values are being checked as waiting; Gradio admits them beyond the queue's limit."""
    queue, push, checked = blocks._queue, blocks._queue.push, 0

    async def push_or_refuse(*arguments: Any, **options: Any) -> Any:
        nonlocal checked
        if queue.max_size is not None and len(queue) + checked >= queue.max_size:
            return False, "", "queue_full"
        checked += 1
        try:
            return await push(*arguments, **options)
        finally:
            checked -= 1

    queue.push = push_or_refuse  # type: ignore[method-assign]


def blocks_of(request: HTTPConnection) -> Blocks:
    """Return the page that serves a request."""
    blocks: Blocks = request.app.get_blocks()
    return blocks


def has_session(blocks: Blocks, session: str | None) -> bool:
    """Return whether the queue knows a session; Gradio answers requests for an unknown one with a traceback.

    A call by an endpoint's name has a session of its own, named by its event.
    """
    return session in blocks._queue.pending_messages_per_session


def idle_sessions(blocks: Blocks) -> dict[Hashable, Hashable]:
    """Return the time of the last use of each session that has neither an open page nor a call in progress.

    Only the page's functions have states; Gradio marks those of a closed page.
    """
    queue, states = blocks._queue, blocks.state_holder
    events = [event for job in queue.active_jobs for event in job or ()]
    events += [event for waiting in queue.event_queue_per_concurrency_id.values() for event in waiting.queue]
    opened = {name for name, state in list(states.session_data.items()) if state.state_data and not state.is_closed}
    names = {*states.session_data, *queue.pending_messages_per_session, *queue.pending_event_ids_session}
    idle = names - opened - {event.session_hash for event in events}
    return {name: states.time_last_used.get(name) for name in idle}


def forget_session(blocks: Blocks, session: str) -> None:
    """Delete the state of a session, and answers that were not fetched; Gradio would keep thousands."""
    queue, states = blocks._queue, blocks.state_holder
    for event in queue.pending_event_ids_session.pop(session, ()):
        queue.event_ids_to_events.pop(event, None)
    for sessions in (queue.pending_messages_per_session, states.session_data, states.time_last_used):
        sessions.pop(session, None)


def forget_state(blocks: Blocks, session: str) -> None:
    """Delete the state of a session whose call was answered."""
    blocks.state_holder.session_data.pop(session, None)
    blocks.state_holder.time_last_used.pop(session, None)


def return_separate_tool_outputs(blocks: Blocks) -> None:
    """Let MCP tools return separate outputs to clients that do not request progress, not a single text as in Gradio."""

    async def execute(job: Any) -> list[Any]:
        result = await run_sync(job.result)
        return list(result) if isinstance(result, tuple) else [result]

    server: Any = blocks.mcp_server_obj
    if server is not None:
        server._execute_tool_without_progress = execute
