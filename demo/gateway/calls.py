"""Calls of Gradio's functions, checked before Gradio reads them."""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from gradio import Blocks
from starlette.requests import HTTPConnection

from demo.gateway.errors import BAD_CALL, BAD_REQUEST, NOT_JSON, NOTHING_HERE, RefusedRequest
from demo.gateway.rare_log import RareLog
from demo.gateway.routes import RouteKind
from demo.service import gradio_internals, messages
from demo.service.event_settings import ENDPOINTS

CALL_KINDS: frozenset[RouteKind] = frozenset({"join", "run", "call", "call by name"})
LISTEN_KINDS: frozenset[RouteKind] = frozenset({"listen", "answer"})
NOT_FETCHED = "Files are not fetched from other addresses: upload the file, and give the path that the upload returns."

_KEYS_BY_NAME: tuple[str, ...] = ("data",)
_KEYS_BY_NUMBER: tuple[str, ...] = ("data", "fn_index", "session_hash", "trigger_id", "event_data")
_URL = re.compile(r"\s*https?:", re.IGNORECASE)
_FILE_URL = re.compile(r"\s*https?://[^?#]*?/gradio_api/file=([^?#]+)", re.IGNORECASE)
_RANGE = re.compile(r"bytes=[0-9]*-[0-9]*")
_MAX_DEPTH = 40
_LOG = RareLog(__name__)


def check_call(blocks: Blocks, kind: RouteKind, name: str | None, body: bytes) -> bytes:
    """Return the JSON of a call with only the entries that Gradio needs, and with files of this server only.

    `kind` is one of CALL_KINDS; `name` is that of the endpoint, or None for a call by number. The call is refused if
    `body` is not a JSON object, or names an unknown function, wrong values or another file.
    """
    call = parse_json(body)
    if not isinstance(call, dict):
        raise RefusedRequest(422, BAD_CALL)
    if kind == "call by name":
        _check_names(blocks, name or "", call)
    else:
        call = _checked_entries(blocks, kind, name, call)
    call = with_local_files(call)
    if kind in {"join", "run"} and not gradio_internals.is_readable(blocks, call):
        _LOG.warning("a call of the page with malformed values was refused")
        raise RefusedRequest(422, BAD_CALL)
    return json.dumps(call).encode()


def parse_json(body: bytes) -> Any:
    """Return what a body of JSON holds; refuse one that is not JSON, or that no response could repeat.

    Python reads NaN, infinite numbers and `"\\ud800"`, the first half of a character, which Gradio cannot write.
    """
    try:
        value = json.loads(body)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise RefusedRequest(400, NOT_JSON) from error
    return value


def _check_names(blocks: Blocks, name: str, values: dict[str, Any]) -> None:
    has_default = gradio_internals.endpoint_parameters(blocks, name)
    if has_default is None:
        raise RefusedRequest(404, NOTHING_HERE)
    required = {parameter for parameter, default in has_default.items() if not default}
    if not required <= values.keys() <= has_default.keys():
        raise _wrong_values(name, has_default)


def _checked_entries(blocks: Blocks, kind: RouteKind, name: str | None, call: dict[str, Any]) -> dict[str, Any]:
    by_number = kind != "call"
    if by_number:
        function, keys = gradio_internals.find_numbered_function(blocks, call.get("fn_index")), _KEYS_BY_NUMBER
    else:
        function, keys = gradio_internals.find_function(blocks, name), _KEYS_BY_NAME
    if function is None or (by_number and function.queued is not (kind == "join")):
        raise RefusedRequest(404, NOTHING_HERE)
    if not function.accepts(call.get("data")):
        is_endpoint = function.api_name in ENDPOINTS
        raise _wrong_values(function.api_name, function.parameters) if is_endpoint else RefusedRequest(422, BAD_CALL)
    return {key: call[key] for key in keys if key in call}


def _wrong_values(endpoint: str, parameters: Iterable[str]) -> RefusedRequest:
    return RefusedRequest(422, f"These are not the values that /{endpoint} takes: give {', '.join(parameters)}.")


def check_request(blocks: Blocks, kind: RouteKind, event: str | None, request: HTTPConnection) -> None:
    """Refuse an unknown session or event, and a malformed range of bytes of a file.

    Gradio would break off its response and print a traceback.
    """
    sessions = {"answer": event, "listen": request.query_params.get("session_hash")}
    if kind in sessions and not gradio_internals.has_session(blocks, sessions[kind]):
        raise RefusedRequest(404, NOTHING_HERE)
    if kind == "file" and not _RANGE.fullmatch(request.headers.get("range", "bytes=0-")):
        raise RefusedRequest(416, BAD_REQUEST)


def with_local_files(value: Any, depth: int = 0) -> Any:
    """Return the same JSON, in which each file is marked as a file and named by its path on this server.

    Gradio fetches a file that is named by a public URL, however large it is, and checks where a file lies only if it
    is marked. The call is refused if a file was not uploaded here, or if the JSON is nested too deeply for Gradio.
    """
    if depth > _MAX_DEPTH:
        raise RefusedRequest(422, BAD_CALL)
    if isinstance(value, list):
        return [with_local_files(entry, depth + 1) for entry in value]
    if not isinstance(value, dict):
        return value
    entries = {key: with_local_files(entry, depth + 1) for key, entry in value.items()}
    path, url = (name if isinstance(name, str) else None for name in (entries.get("path"), entries.get("url")))
    if url is not None and _URL.match(url):
        _local_path(url)
        path, url = path or url, None
    if path is None:
        return entries
    return {**entries, "path": _local_path(path), "url": url, "meta": {"_type": "gradio.FileData"}}


def _local_path(name: str) -> str:
    """Return the path of an uploaded file, from its path or from the URL that Gradio gives it, whatever the host."""
    if _URL.match(name):
        match = _FILE_URL.match(name)
        if match is None or _URL.match(name := unquote(match[1])):
            raise RefusedRequest(422, NOT_FETCHED)
    if not gradio_internals.is_served_file(name):
        raise RefusedRequest(422, messages.NOT_UPLOADED)
    return name
