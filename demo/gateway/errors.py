"""Errors as the gateway sends them, its own and Gradio's: a status and one sentence, which names no file."""

import json

from starlette.formparsers import MultiPartException
from starlette.types import Message, Send

from demo.service import messages
from demo.service.uploads import MAX_PHOTO

NOTHING_HERE = "There is nothing at this address: /gradio_api/openapi.json lists the addresses that there are."
WRONG_METHOD = "This address does not take this HTTP method: /gradio_api/openapi.json describes the requests it takes."
NO_FILE = "There is no such file, or no longer: files are kept for an hour."
NOT_JSON = "The body is not JSON: send a JSON object, with the header Content-Type: application/json."
BAD_CALL = "The body is not what this address takes: /gradio_api/openapi.json describes it."
BAD_REQUEST = "This request cannot be used: /gradio_api/openapi.json describes the requests that can."
BAD_UPLOAD = (
    "This is not a complete upload of files: send at most 1,000 as multipart/form-data, each in a field named “files”."
)

_RETRY_AFTER = 10  # seconds
_SENTENCES = {
    400: BAD_REQUEST, 403: NO_FILE, 404: NOTHING_HERE, 405: WRONG_METHOD, 422: BAD_CALL,
    413: f"A file is larger than {MAX_PHOTO // 1_000_000} MB: make it smaller, or remove it.",
    503: f"The service is busy, and its queue is full: try again in {_RETRY_AFTER} seconds.",
}  # fmt: skip


class RefusedRequest(MultiPartException):
    """A request that is refused, with the status and the sentence of the response.

    It has the only base class of errors after which Gradio deletes the files of an upload that it has read in part.
    """

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None):
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
        self.headers = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]


class ResponseFilter:
    """Sends the app's responses unchanged, but of an error only the status: its text may name paths and files.

    With `as_text`, errors are sent as plain text. `refusal` is what to send instead of an error of the app.
    """

    def __init__(self, send: Send):
        self._send = send
        self._started = False
        self._error: Message | None = None
        self._error_body = b""
        self.as_text = False
        self.refusal: RefusedRequest | None = None

    async def __call__(self, message: Message) -> None:
        """Send one message of the app's response."""
        starts = message["type"] == "http.response.start"
        if starts and (self.refusal or message["status"] >= 400):
            self._error = message
        elif self._error is None:
            self._started = True
            await self._send(message)
        else:
            self._error_body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_error(self._error)

    async def refuse(self, refusal: RefusedRequest) -> None:
        """Send a refusal, unless a response has started."""
        if not self._started:
            self._error = None
            await self._send_refusal(refusal, [])

    async def _send_error(self, error: Message) -> None:
        status = error["status"]
        if self.refusal is None and _is_for_client(status, self._error_body):
            self._started = True
            is_clients = messages.UNUSABLE.encode() in self._error_body  # Gradio has only 500 for a gr.Error
            await self._send({**error, "status": 422} if is_clients else error)
            await self._send({"type": "http.response.body", "body": self._error_body})
            return
        sentence = _SENTENCES.get(status, messages.FAILED if status >= 500 else BAD_REQUEST)
        retry_after = {"retry-after": str(_RETRY_AFTER)} if status == 503 else None
        headers = [(name, value) for name, value in error["headers"] if not name.lower().startswith(b"content-")]
        await self._send_refusal(self.refusal or RefusedRequest(status, sentence, retry_after), headers)

    async def _send_refusal(self, refusal: RefusedRequest, headers: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        detail: object = refusal.sentence
        if refusal.status == 422:  # in the form of a validator's message: gradio_client fails to read others
            detail = [{"__type__": "validate", "is_valid": False, "message": detail, "parameter_name": "body"}]
        # Gradio's page shows the body of a failed upload as it is.
        text = refusal.sentence if self.as_text else json.dumps({"detail": detail}, ensure_ascii=False)
        body, media_type = text.encode(), b"text/plain; charset=utf-8" if self.as_text else b"application/json"
        headers += [*refusal.headers, (b"content-type", media_type), (b"content-length", b"%d" % len(body))]
        await self._send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _is_for_client(status: int, body: bytes) -> bool:
    """Return whether an error of Gradio has only this project's words: those of a validator or of a gr.Error."""
    if status not in {422, 500}:
        return False
    try:
        response = json.loads(body)
    except ValueError:
        return False
    if status == 500:
        return isinstance(response, dict) and "error" in response
    detail = response.get("detail")
    return isinstance(detail, list) and any(isinstance(entry, dict) and "__type__" in entry for entry in detail)
