"""Every use of a Gradio internal, read or patched, so that an upgrade of Gradio breaks in one module.

Written for Gradio 6.31. Nothing here is documented by Gradio; each function says why the project needs it.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from anyio.to_thread import run_sync
from gradio import Blocks, data_classes
from gradio.block_function import BlockFunction
from gradio.events import EventData, api
from gradio.utils import get_upload_folder, is_in_or_equal
from starlette.requests import HTTPConnection

from demo.service.event_settings import ENDPOINTS

# The types of uploaded files, by which Gradio recognises a file in the signature of an endpoint or a component.
FileDataMeta = data_classes.FileDataMeta
ImageData = data_classes.ImageData

# Gradio's page refuses a file of another type than image/* in its own words, before the server sees it. This gives such
# a file an image type, so that it is uploaded, and `camcore.open_photo` can say what is wrong with it.
ACCEPT_ANY_FILE = Path(__file__).with_name("accept_any_file.js").read_text(encoding="utf-8")


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


def is_readable(blocks: Blocks, call: Mapping[str, Any]) -> bool:
    """Return whether the components and the event of a page's function can read what a call by number has for them.

    Where they cannot, Gradio reports an error of the server and prints a traceback. The choices of a component may be
    those of the session. What reads a file is not run: only the form of its value is checked. Endpoints check
    their own values.
    """
    function, session, holder = blocks.fns[call["fn_index"]], call.get("session_hash"), blocks.state_holder
    if function.api_name in ENDPOINTS:
        return True
    own: Any = holder[session] if isinstance(session, str) and session in holder else {}
    try:
        for component, value in zip(function.inputs, call["data"], strict=False):  # a Cancel event has any number
            if not component.stateful:
                _read_value(own.get(component._id, component), value)
        for kind in get_type_hints(function.fn).values():
            if isinstance(kind, type) and issubclass(kind, EventData):
                kind(None, call.get("event_data"))
    except Exception:  # of any class, from any component
        return False
    return True


def _read_value(component: Any, value: Any) -> None:
    """Raise an error if a component cannot read a value."""
    data_model = getattr(component, "data_model", None)
    if isinstance(value, list) and not getattr(component, "multiselect", True):  # which takes an empty one
        raise TypeError("one choice is not a list")
    if data_model is None:
        component.preprocess(value)
    elif value is not None:
        data_model.model_validate(value)


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


def sessions_with_messages(blocks: Blocks) -> list[str]:
    """Return the sessions for which the queue keeps messages, or a place for them."""
    return list(blocks._queue.pending_messages_per_session)


async def delete_messages(blocks: Blocks, session: str) -> None:
    """End the events of a session and delete its messages, and its state if it is that of a single call."""
    queue = blocks._queue
    is_call = session in queue.pending_event_ids_session.get(session, ())
    await queue.clean_events(session_hash=session)
    queue.pending_messages_per_session.pop(session, None)
    queue.pending_event_ids_session.pop(session, None)
    if is_call:
        forget_session(blocks, session)


def return_separate_tool_outputs(blocks: Blocks) -> None:
    """Let MCP tools return separate outputs to clients that do not request progress, not a single text as in Gradio."""

    async def execute(job: Any) -> list[Any]:
        result = await run_sync(job.result)
        return list(result) if isinstance(result, tuple) else [result]

    server: Any = blocks.mcp_server_obj
    if server is not None:
        server._execute_tool_without_progress = execute
