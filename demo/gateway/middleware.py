"""The door before all that gradio serves: it lets in what is meant to be public, and keeps what leaves to our words."""

import time

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.gateway.calls import CALLS, check_asked, checked, forget
from demo.gateway.errors import RefusedRequest, ResponseFilter
from demo.gateway.multipart import MultipartChecker
from demo.gateway.routes import Route, find_route
from demo.service import messages
from demo.service.gradio_internals import blocks_of, upload_folder
from demo.service.queue import RECEIVED_AT

_ENVELOPE = 1_000_000  # bytes that come with what is sent: boundaries, names, what else a call says


def middleware() -> list[Middleware]:
    """What gradio is to put before all that it serves."""
    return [Middleware(Gateway)]


class Gateway:
    """Pure ASGI: it holds back nothing but the JSON of a call, so streams flow, and a client that leaves is noticed."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[RECEIVED_AT] = time.monotonic()
        answer = ResponseFilter(send)
        try:
            await self._let_in(scope, receive, answer)
        except RefusedRequest as refused:
            await answer.refuse(refused)
        except Exception:
            await answer.refuse(RefusedRequest(500, messages.FAILED))
            raise

    async def _let_in(self, scope: Scope, receive: Receive, answer: ResponseFilter) -> None:
        request = HTTPConnection(scope)
        blocks, path = blocks_of(request), scope["path"].removeprefix(scope.get("root_path", ""))
        place, found = find_route(path or "/", scope["method"], request.query_params)
        answer.as_text = place.kind == "upload"
        body = RequestBody(receive, place, request.headers, answer)
        if place.kind in CALLS:
            call = checked(blocks, place.kind, found.groupdict().get("name"), await body.read_json())
            _set_length(scope, len(call))
            await self._app(scope, _replayed(call, receive), answer)
        else:
            event = found.groupdict().get("event")
            check_asked(blocks, place.kind, event, request)
            try:
                await self._app(scope, body, answer)
            finally:
                forget(blocks, event)


class RequestBody:
    """What a client sends, counted as it comes in, and of an upload looked at.

    Its refusal is told to `answer` as well, for the app may make an error of its own of it.
    """

    def __init__(self, receive: Receive, place: Route, headers: Headers, answer: ResponseFilter):
        self._receive = receive
        self._most = place.most
        self._answer = answer
        self._bytes = 0
        self._more = True
        self._kind = headers.get("content-type", "")
        self._check_size(int(headers.get("content-length", 0)))
        self._parts = MultipartChecker(self._kind, upload_folder()) if place.kind == "upload" else None

    async def __call__(self) -> Message:
        """The next message from the client."""
        message = await self._receive()
        try:
            self._look_at(message)
        except RefusedRequest as refused:
            self._answer.refused = refused
            raise
        return message

    async def read_json(self) -> bytes:
        """All of it, which its sender says is JSON."""
        if self._kind.partition(";")[0].strip().lower() != "application/json":
            raise RefusedRequest(415, messages.NOT_JSON)
        chunks = []
        while self._more:
            message = await self()
            if message["type"] == "http.disconnect":
                raise RefusedRequest(400, messages.BAD_REQUEST)
            chunks.append(message.get("body", b""))
        return b"".join(chunks)

    def _look_at(self, message: Message) -> None:
        if message["type"] == "http.request":
            chunk = message.get("body", b"")
            self._more = message.get("more_body", False)
            self._bytes += len(chunk)
            self._check_size(self._bytes)
            if self._parts:
                self._parts.look_at(chunk, last=not self._more)
        elif self._parts and self._more:  # the client has left
            raise RefusedRequest(400, messages.BAD_UPLOAD)

    def _check_size(self, size: int) -> None:
        if size > self._most + _ENVELOPE:
            raise RefusedRequest(413, messages.body_too_large(self._most // 1_000_000))


def _set_length(scope: Scope, length: int) -> None:
    others = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    scope["headers"] = [*others, (b"content-length", b"%d" % length)]


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives a body that has been read, and then what the client does next."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
