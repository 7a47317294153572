"""How the door says no, and what becomes of gradio's own errors on their way out: one sentence each."""

import json

from starlette.formparsers import MultiPartException
from starlette.types import Message, Send

from demo.service import messages
from demo.service.uploads import MAX_PHOTO

_RETRY_AFTER = 10  # seconds
_SENTENCES = {
    400: messages.BAD_REQUEST,
    403: messages.NO_FILE,
    404: messages.NOTHING_HERE,
    405: messages.WRONG_METHOD,
    413: messages.file_too_large(MAX_PHOTO // 1_000_000),
    422: messages.BAD_CALL,
}


class RefusedRequest(MultiPartException):
    """A request that is not let in: the status and the sentence to answer.

    It is of the one kind after which gradio deletes the files of an upload that it has read in part.
    """

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None):
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]


class ResponseFilter:
    """Sends what the app answers as it is, but of an error only its status: what it says may name paths and files."""

    def __init__(self, send: Send):
        self._send = send
        self._started = False
        self._error: Message | None = None
        self._said = b""
        self.as_text = False
        self.refused: RefusedRequest | None = None  # what to answer whatever the app says

    async def __call__(self, message: Message) -> None:
        """Send one message of the app's answer."""
        begins = message["type"] == "http.response.start"
        if begins and (self.refused or message["status"] >= 400):
            self._error = message
        elif self._error is None:
            self._started = True
            await self._send(message)
        else:
            self._said += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._error)

    async def refuse(self, refused: RefusedRequest) -> None:
        """Answer with a sentence, unless an answer has begun."""
        if not self._started:
            self._error = None
            await self._say(refused, [])

    async def _finish(self, error: Message) -> None:
        headers = [(name, value) for name, value in error["headers"] if not name.lower().startswith(b"content-")]
        if self.refused:
            await self._say(self.refused, headers)
        elif is_meant_for_people(error["status"], self._said):
            self._started = True
            await self._send(error)
            await self._send({"type": "http.response.body", "body": self._said})
        else:
            await self._say(_refusal(error["status"]), headers)

    async def _say(self, refused: RefusedRequest, headers: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        # The page shows the body of a failed upload as it comes.
        body = refused.sentence if self.as_text else json.dumps({"detail": _detail(refused)}, ensure_ascii=False)
        kind = b"text/plain; charset=utf-8" if self.as_text else b"application/json"
        headers += [*refused.headers, (b"content-type", kind), (b"content-length", b"%d" % len(body.encode()))]
        await self._send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body.encode()})


def is_meant_for_people(status: int, said: bytes) -> bool:
    """Whether gradio's error holds nothing but our own words: a validator's, or those of a gr.Error."""
    if status not in {422, 500}:
        return False
    try:
        answer = json.loads(said)
    except ValueError:
        return False
    if status == 500:
        return isinstance(answer, dict) and "error" in answer
    detail = answer.get("detail")
    return isinstance(detail, list) and any(isinstance(each, dict) and "__type__" in each for each in detail)


def _detail(refused: RefusedRequest) -> str | list[dict[str, object]]:
    """The sentence; at 422 as a validator says it, for gradio_client fails to read a plain one."""
    if refused.status != 422:
        return refused.sentence
    return [{"__type__": "validate", "is_valid": False, "message": refused.sentence, "parameter_name": "body"}]


def _refusal(status: int) -> RefusedRequest:
    """What to say of an error of gradio's."""
    if status == 503:
        return RefusedRequest(503, messages.busy(_RETRY_AFTER), {"retry-after": str(_RETRY_AFTER)})
    return RefusedRequest(status, _SENTENCES.get(status, messages.FAILED if status >= 500 else messages.BAD_REQUEST))
