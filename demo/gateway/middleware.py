"""The middleware in front of Gradio's server: it forwards public requests, and replaces the text of errors."""

import json
import time
from contextlib import nullcontext

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.gateway.calls import CALL_KINDS, LISTEN_KINDS, check_call, check_request, parse_json
from demo.gateway.errors import BAD_REQUEST, BAD_UPLOAD, NOT_JSON, RefusedRequest, ResponseFilter
from demo.gateway.hosts import AllowedHosts
from demo.gateway.listeners import Listeners
from demo.gateway.multipart import MultipartChecker
from demo.gateway.routes import Route, find_route
from demo.service import messages
from demo.service.gradio_internals import blocks_of, forget_state, upload_folder
from demo.service.queue import RECEIVED_AT

_MAX_ENVELOPE = 1_000_000  # bytes of a body besides its files: boundaries, names and other values


def middleware(hosts: AllowedHosts) -> list[Middleware]:
    """Return the middleware for Gradio's server, which is requested by these hosts."""
    return [Middleware(Gateway, hosts=hosts)]


class Gateway:
    """Middleware in pure ASGI. It buffers only the JSON of a call, so that streams and disconnects pass at once."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts):
        self._app, self._hosts = app, hosts
        self._listeners = Listeners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[RECEIVED_AT] = time.monotonic()
        response = ResponseFilter(send)
        try:
            await self._forward(scope, receive, response)
        except RefusedRequest as refusal:
            await response.refuse(refusal)
        except Exception:
            await response.refuse(RefusedRequest(500, messages.FAILED))
            raise

    async def _forward(self, scope: Scope, receive: Receive, response: ResponseFilter) -> None:
        request = HTTPConnection(scope)
        self._hosts.check(request.headers)
        blocks, path = blocks_of(request), scope["path"].removeprefix(scope.get("root_path", ""))
        route, names = find_route(path or "/", scope["method"], request.query_params)
        response.as_text = route.kind == "upload"
        body = RequestBody(receive, route, request.headers, response)
        if scope["method"] == "POST" and route.kind != "upload":
            call = await body.read_json()
            if route.kind in CALL_KINDS:
                call = check_call(blocks, route.kind, names.get("name"), call)
                self._listeners.mark_active(json.loads(call).get("session_hash"))
            else:
                parse_json(call)
            headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
            scope["headers"] = [*headers, (b"content-length", b"%d" % len(call))]
            await self._app(scope, _replay(call, receive), response)
            self._listeners.watch(blocks)
            return
        event = names.get("event")
        check_request(blocks, route.kind, event, request)
        session = event or request.query_params.get("session_hash", "") if route.kind in LISTEN_KINDS else None
        try:
            with nullcontext() if session is None else self._listeners.listen(session):
                await self._app(scope, body, response)
        finally:
            if event is not None:
                forget_state(blocks, event)


class RequestBody:
    """The body of a request, limited in size as it comes in, and checked if it is an upload.

    A refusal is stored in `response` too, because the app may turn the error into one of its own.
    """

    def __init__(self, receive: Receive, route: Route, headers: Headers, response: ResponseFilter):
        self._receive, self._response = receive, response
        self._max_bytes = route.max_bytes
        self._bytes, self._more = 0, True
        self._content_type = headers.get("content-type", "")
        self._check_size(int(headers.get("content-length", 0)))
        self._parts = MultipartChecker(self._content_type, upload_folder()) if route.kind == "upload" else None

    async def __call__(self) -> Message:
        """Return the next message from the client."""
        message = await self._receive()
        try:
            self._check_message(message)
        except RefusedRequest as refusal:
            self._response.refusal = refusal
            raise
        return message

    async def read_json(self) -> bytes:
        """Return the complete body, which must be declared as JSON."""
        if self._content_type.partition(";")[0].strip().lower() != "application/json":
            raise RefusedRequest(415, NOT_JSON)
        chunks = []
        while self._more:
            message = await self()
            if message["type"] == "http.disconnect":
                raise RefusedRequest(400, BAD_REQUEST)
            chunks.append(message.get("body", b""))
        return b"".join(chunks)

    def _check_message(self, message: Message) -> None:
        if message["type"] == "http.request":
            chunk, self._more = message.get("body", b""), message.get("more_body", False)
            self._bytes += len(chunk)
            self._check_size(self._bytes)
            if self._parts:
                self._parts.check_chunk(chunk, last=not self._more)
        elif self._parts and self._more:  # the client has disconnected
            raise RefusedRequest(400, BAD_UPLOAD)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes + _MAX_ENVELOPE:
            limit = f"{self._max_bytes // 1_000_000} MB"
            raise RefusedRequest(413, f"The request is larger than {limit}: send less at once.")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that gives the app a body that was read before, and then the client's next messages."""
    replayed: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return replayed.pop() if replayed else await receive()

    return replay
