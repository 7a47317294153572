"""The one line for the model: page and endpoints take turns, first come, first served, and none waits for ever."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from camcore.errors import CamError
from demo.service import messages

DEFAULT_TIMEOUT = 600  # seconds
RECEIVED_AT = "camcore.received_at"  # of an ASGI scope: the `time.monotonic()` at which its request came


class RequestTimeoutError(CamError, TimeoutError):
    """A request was not answered in time."""


class Deadline:
    """When a request must have been answered."""

    def __init__(self, received_at: float, timeout: float):
        self._timeout = timeout
        self._at = received_at + timeout

    @property
    def left(self) -> float:
        """Seconds until then, 0 if it is over."""
        return max(self._at - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raise RequestTimeoutError if it is over."""
        if self.left == 0:
            raise RequestTimeoutError(messages.took_too_long(self._timeout))

    def give_up(self) -> None:
        """Raise RequestTimeoutError, for the turn did not come."""
        raise RequestTimeoutError(messages.line_too_long(self._timeout))


class ModelQueue:
    """Whoever runs the model waits here for a turn; `patience` is how long a request may take, in seconds.

    gradio's queue lets one page event at a time come here. A study by program comes between: one turn a photo.
    """

    def __init__(self, timeout: float = DEFAULT_TIMEOUT):
        self._timeout = timeout
        self._waiting: deque[object] = deque()  # its first has the model
        self._moved = Condition()

    def __len__(self) -> int:
        """How many wait or are being served."""
        return len(self._waiting)

    def deadline(self, received_at: float | None = None) -> Deadline:
        """Of a request that came at that `time.monotonic()`, or now."""
        return Deadline(time.monotonic() if received_at is None else received_at, self._timeout)

    @contextmanager
    def acquire(self, deadline: Deadline) -> Iterator[None]:
        """Wait for the model, and keep it to oneself until the block is left, on whichever thread that is.

        Raises:
            RequestTimeoutError: if the turn has not come by the deadline.
        """
        ticket = object()
        try:
            with self._moved:
                self._waiting.append(ticket)
                if not self._moved.wait_for(lambda: self._waiting[0] is ticket, timeout=deadline.left):
                    deadline.give_up()
            yield
        finally:
            with self._moved:
                self._waiting.remove(ticket)
                self._moved.notify_all()
