"""The queue for the model: the page and the endpoints run it one at a time, in the order of their requests."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition

from camcore.errors import CamError

DEFAULT_TIMEOUT = 600  # seconds
_INTERVAL = 0.2  # seconds after which a request that waits is told again how many are before it
RECEIVED_AT = "camcore.received_at"  # key in an ASGI scope: the `time.monotonic()` at which the request came in


class RequestTimeoutError(CamError, TimeoutError):
    """A request was not answered in time."""


@dataclass(frozen=True)
class Deadline:
    """The time by which a request must be answered: `timeout` seconds after it was received."""

    received_at: float
    timeout: float

    @property
    def left(self) -> float:
        """Return the remaining seconds, 0 after the deadline."""
        return max(self.received_at + self.timeout - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raise RequestTimeoutError after the deadline."""
        if self.left == 0:
            remedy = "choose less effort, or try again later"
            raise RequestTimeoutError(f"this took longer than {self.timeout:g} seconds and was stopped: {remedy}")


class ModelQueue:
    """A first-come, first-served queue, from which one request at a time runs the model.

    A study acquires it once for each photo, so that other requests run in between. `timeout` is how many seconds a
    request may take, waiting included.
    """

    def __init__(self, timeout: float = DEFAULT_TIMEOUT):
        self._timeout = timeout
        self._requests: deque[QueuedRequest] = deque()  # the first one runs the model
        self._changed = Condition()

    def __len__(self) -> int:
        """Return the number of requests that wait or run."""
        return len(self._requests)

    def deadline(self, received_at: float | None = None) -> Deadline:
        """Return the deadline of a request that came in at this `time.monotonic()`, by default now."""
        return Deadline(time.monotonic() if received_at is None else received_at, self._timeout)

    @contextmanager
    def acquire(self, deadline: Deadline) -> Iterator[None]:
        """Wait until the model is free, and keep it until the block is left, on whichever thread that happens.

        Raises RequestTimeoutError if the model is not free by the deadline.
        """
        with self.enter() as waiting:
            for _ in waiting.ahead(deadline):
                pass
            yield

    @contextmanager
    def enter(self) -> Iterator["QueuedRequest"]:
        """Take the last place in the queue, and keep it until the block is left, on whichever thread that happens."""
        request = QueuedRequest(self._requests, self._changed)
        try:
            with self._changed:
                self._requests.append(request)
            yield request
        finally:
            with self._changed:
                self._requests.remove(request)
                self._changed.notify_all()


class QueuedRequest:
    """A request in the queue for the model."""

    def __init__(self, requests: "deque[QueuedRequest]", changed: Condition):
        self._requests, self._changed = requests, changed

    def ahead(self, deadline: Deadline) -> Iterator[int]:
        """Yield the number of requests before this one, several times a second, until the model is free for it.

        Raises RequestTimeoutError if the model is not free by the deadline.
        """
        while True:
            with self._changed:
                count = self._requests.index(self)
                if count and deadline.left:
                    self._changed.wait_for(lambda: self._requests[0] is self, min(_INTERVAL, deadline.left))
                    count = self._requests.index(self)
            if count == 0:
                return
            if deadline.left == 0:
                reason = f"this one could not start within {deadline.timeout:g} seconds: try again later"
                raise RequestTimeoutError(f"too many other requests were waiting, and {reason}")
            yield count
