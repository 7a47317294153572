"""Calls of Gradio's functions, checked before Gradio reads them."""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from gradio import Blocks
from starlette.requests import HTTPConnection

from demo.gateway.errors import BAD_CALL, BAD_REQUEST, NOT_JSON, NOTHING_HERE, RefusedRequest
from demo.gateway.routes import RouteKind
from demo.service import messages
from demo.service.event_settings import ENDPOINTS
from demo.service.gradio_internals import (
    PageFunction,
    endpoint_parameters,
    find_function,
    find_numbered_function,
    has_session,
    is_served_file,
)

CALL_KINDS: frozenset[RouteKind] = frozenset({"join", "run", "call", "call by name"})
NOT_FETCHED = "Files are not fetched from other addresses: upload the file, and give the path that the upload returns."

_KEYS_BY_NUMBER = ("data", "fn_index", "session_hash", "trigger_id", "event_data")
_URL = re.compile(r"\s*https?:", re.IGNORECASE)
_FILE_URL = re.compile(r"\s*https?://[^?#]*?/gradio_api/file=([^?#]+)", re.IGNORECASE)
_RANGE = re.compile(r"bytes=[0-9]*-[0-9]*")
_MAX_DEPTH = 40


def check_call(blocks: Blocks, kind: RouteKind, name: str | None, body: bytes) -> bytes:
    """Return the JSON of a call with only the entries that Gradio needs, and with files of this server only.

    Args:
        blocks: the page.
        kind: one of CALL_KINDS.
        name: name of the endpoint; None for a call by number.
        body: the JSON as the client sent it.

    Raises:
        RefusedRequest: if `body` is not a JSON object, or names an unknown function, wrong values or another file.
    """
    call = _parse(body)
    if kind == "call by name":
        _check_names(blocks, name or "", call)
        return json.dumps(with_local_files(call)).encode()
    by_number = kind != "call"
    function = find_numbered_function(blocks, call.get("fn_index")) if by_number else find_function(blocks, name)
    if function is None or (by_number and function.queued is not (kind == "join")):
        raise RefusedRequest(404, NOTHING_HERE)
    _check_count(function, call.get("data"))
    keys = _KEYS_BY_NUMBER if by_number else ("data",)
    return json.dumps(with_local_files({key: call[key] for key in keys if key in call})).encode()


def check_request(blocks: Blocks, kind: RouteKind, event: str | None, request: HTTPConnection) -> None:
    """Check a request that calls no function, where Gradio would break off its response and print a traceback.

    Raises:
        RefusedRequest: if the session or event is unknown, or if the range of bytes of a file is malformed.
    """
    sessions = {"answer": event, "listen": request.query_params.get("session_hash")}
    if kind in sessions and not has_session(blocks, sessions[kind]):
        raise RefusedRequest(404, NOTHING_HERE)
    if kind == "file" and not _RANGE.fullmatch(request.headers.get("range", "bytes=0-")):
        raise RefusedRequest(416, BAD_REQUEST)


def with_local_files(value: Any, depth: int = 0) -> Any:
    """Return the same JSON, in which each file is named by its path on this server.

    Gradio fetches a file that is named by a public URL, however large it is, and checks where a file lies only if it
    is marked as a file.

    Raises:
        RefusedRequest: if a file was not uploaded here, or if the JSON is nested too deeply for Gradio.
    """
    if depth > _MAX_DEPTH:
        raise RefusedRequest(422, BAD_CALL)
    if isinstance(value, list):
        return [with_local_files(entry, depth + 1) for entry in value]
    if not isinstance(value, dict):
        return value
    entries = {key: with_local_files(entry, depth + 1) for key, entry in value.items()}
    return _local_file(entries) if _is_file(entries) else entries


def _is_file(value: dict[str, Any]) -> bool:
    return isinstance(value.get("path"), str) or _is_url(value.get("url"))


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and _URL.match(value) is not None


def _local_file(file: dict[str, Any]) -> dict[str, Any]:
    """Return a file with its path and without a URL, marked as a file."""
    path, url = (value if isinstance(value, str) else None for value in (file.get("path"), file.get("url")))
    if url is not None and _is_url(url):
        path = path or url
        _local_path(url)
        url = None
    return {**file, "path": _local_path(path or ""), "url": url, "meta": {"_type": "gradio.FileData"}}


def _local_path(name: str) -> str:
    """Return the path of an uploaded file, from its path or from the URL that Gradio gives it, whatever the host."""
    if _is_url(name):
        match = _FILE_URL.match(name)
        if match is None or _is_url(name := unquote(match[1])):
            raise RefusedRequest(422, NOT_FETCHED)
    if not is_served_file(name):
        raise RefusedRequest(422, messages.NOT_UPLOADED)
    return name


def _parse(body: bytes) -> dict[str, Any]:
    try:
        call = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedRequest(400, NOT_JSON) from error
    if not isinstance(call, dict):
        raise RefusedRequest(422, BAD_CALL)
    return call


def _check_count(function: PageFunction, values: Any) -> None:
    if not function.accepts(values):
        is_endpoint = function.api_name in ENDPOINTS
        raise _wrong_values(function.api_name, function.parameters) if is_endpoint else RefusedRequest(422, BAD_CALL)


def _check_names(blocks: Blocks, name: str, values: dict[str, Any]) -> None:
    has_default = endpoint_parameters(blocks, name)
    if has_default is None:
        raise RefusedRequest(404, NOTHING_HERE)
    required = {parameter for parameter, default in has_default.items() if not default}
    if not required <= values.keys() <= has_default.keys():
        raise _wrong_values(name, has_default)


def _wrong_values(endpoint: str, parameters: Iterable[str]) -> RefusedRequest:
    return RefusedRequest(422, f"These are not the values that /{endpoint} takes: give {', '.join(parameters)}.")
