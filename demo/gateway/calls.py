"""What a call of a function may say, checked before gradio reads it."""

import json
import re
from typing import Any
from urllib.parse import unquote

from gradio import Blocks
from starlette.requests import HTTPConnection

from demo.gateway.errors import RefusedRequest
from demo.gateway.routes import RouteKind
from demo.service import messages
from demo.service.event_settings import ENDPOINTS
from demo.service.gradio_internals import (
    PageFunction,
    endpoint_parameters,
    find_function,
    find_numbered_function,
    forget_session,
    has_session,
    is_served_file,
)

CALLS: frozenset[RouteKind] = frozenset({"join", "run", "call", "call by name"})

_BY_NUMBER = ("data", "fn_index", "session_hash", "trigger_id", "event_data")
_ADDRESS = re.compile(r"\s*https?:", re.IGNORECASE)
_OUR_FILE = re.compile(r"\s*https?://[^?#]*?/gradio_api/file=([^?#]+)", re.IGNORECASE)
_PART = re.compile(r"bytes=[0-9]*-[0-9]*")
_DEEPEST = 40


def checked(blocks: Blocks, kind: RouteKind, name: str | None, body: bytes) -> bytes:
    """The JSON of a call as gradio may see it: what it needs and no more, and every file one that was uploaded.

    Raises:
        RefusedRequest: if it is no JSON object, or names a function or values or a file that will not do.
    """
    call = _parsed(body)
    if kind == "call by name":
        _check_names(blocks, name or "", call)
        wanted = call
    else:
        function = _called(blocks, name) if kind == "call" else _numbered(blocks, call.get("fn_index"), kind == "join")
        _check_count(function, call.get("data"))
        wanted = {key: call[key] for key in (("data",) if kind == "call" else _BY_NUMBER) if key in call}
    return json.dumps(with_files_of_ours(wanted)).encode()


def check_asked(blocks: Blocks, kind: RouteKind, event: str | None, request: HTTPConnection) -> None:
    """Check what is asked for, where gradio would break off its answer and print a traceback.

    Raises:
        RefusedRequest: if nothing was ever called by that session or event, or if the part of a file is none.
    """
    wanted = {"answer": event, "listen": request.query_params.get("session_hash")}
    if kind in wanted and not has_session(blocks, wanted[kind]):
        raise RefusedRequest(404, messages.NOTHING_HERE)
    if kind == "file" and not _PART.fullmatch(request.headers.get("range", "bytes=0-")):
        raise RefusedRequest(416, messages.BAD_REQUEST)


def forget(blocks: Blocks, event: str | None) -> None:
    """Let go of the session of a call that has been answered: each has its own, and gradio would keep thousands."""
    if event is not None:
        forget_session(blocks, event)


def with_files_of_ours(value: Any, depth: int = 0) -> Any:
    """The same JSON, with each file in it named by its path on this server.

    gradio fetches a file that is named by a public address, however large it is, and looks where a file lies only if it
    is marked as one.

    Raises:
        RefusedRequest: if a file was not uploaded here, or the JSON is too deep for gradio to walk.
    """
    if depth > _DEEPEST:
        raise RefusedRequest(422, messages.BAD_CALL)
    if isinstance(value, list):
        return [with_files_of_ours(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    inside = {key: with_files_of_ours(each, depth + 1) for key, each in value.items()}
    return _file_of_ours(inside) if _names_a_file(inside) else inside


def _names_a_file(value: dict[str, Any]) -> bool:
    url = value.get("url")
    return isinstance(value.get("path"), str) or (isinstance(url, str) and _ADDRESS.match(url) is not None)


def _file_of_ours(file: dict[str, Any]) -> dict[str, Any]:
    """A file by its path alone, marked as one."""
    path, url = (each if isinstance(each, str) else None for each in (file.get("path"), file.get("url")))
    if url is not None and _ADDRESS.match(url):
        path = path or url
        _path_here(url)
        url = None
    return {**file, "path": _path_here(path or ""), "url": url, "meta": {"_type": "gradio.FileData"}}


def _path_here(name: str) -> str:
    """Path of an uploaded file, given by itself or by the address that gradio gives it, whatever the host."""
    if _ADDRESS.match(name):
        ours = _OUR_FILE.match(name)
        if ours is None or _ADDRESS.match(name := unquote(ours[1])):
            raise RefusedRequest(422, messages.NOT_FETCHED)
    if not is_served_file(name):
        raise RefusedRequest(422, messages.NOT_UPLOADED)
    return name


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        call = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedRequest(400, messages.NOT_JSON) from error
    if not isinstance(call, dict):
        raise RefusedRequest(422, messages.BAD_CALL)
    return call


def _called(blocks: Blocks, name: str | None) -> PageFunction:
    function = find_function(blocks, name)
    if function is None:
        raise RefusedRequest(404, messages.NOTHING_HERE)
    return function


def _numbered(blocks: Blocks, number: Any, queued: bool) -> PageFunction:
    """A function that the page calls, by the number that the page knows it by."""
    function = find_numbered_function(blocks, number)
    if function is None or function.queued is not queued:
        raise RefusedRequest(404, messages.NOTHING_HERE)
    return function


def _check_count(function: PageFunction, values: Any) -> None:
    if function.accepts(values):
        return
    if function.api_name in ENDPOINTS:
        raise RefusedRequest(422, messages.wrong_values(function.api_name, function.parameters))
    raise RefusedRequest(422, messages.BAD_CALL)


def _check_names(blocks: Blocks, name: str, values: dict[str, Any]) -> None:
    has_default = endpoint_parameters(blocks, name)
    if has_default is None:
        raise RefusedRequest(404, messages.NOTHING_HERE)
    missing = any(not default and name not in values for name, default in has_default.items())
    if missing or not values.keys() <= has_default.keys():
        raise RefusedRequest(422, messages.wrong_values(name, has_default))
