"""The one line for the model: page and endpoints take turns, first come, first served, and none waits for ever."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from camcore.errors import CamError
from demo.service import messages as text

PATIENCE = 600  # seconds
ASKED_AT = "camcore.asked_at"  # of an ASGI scope: the `time.monotonic()` at which its request came


class LateError(CamError, TimeoutError):
    """A request was not answered in time."""


class Deadline:
    """When a request must have been answered."""

    def __init__(self, asked_at: float, patience: float):
        self._patience = patience
        self._at = asked_at + patience

    @property
    def left(self) -> float:
        """Seconds until then, 0 if it is over."""
        return max(self._at - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raise LateError if it is over."""
        if self.left == 0:
            raise LateError(text.took_too_long(self._patience))

    def give_up(self) -> None:
        """Raise LateError, for the turn did not come."""
        raise LateError(text.line_too_long(self._patience))


class Line:
    """Whoever runs the model waits here for a turn; `patience` is how long a request may take, in seconds.

    gradio's queue lets one page event at a time come here. A study by program comes between: one turn a photo.
    """

    def __init__(self, patience: float = PATIENCE):
        self._patience = patience
        self._waiting: deque[object] = deque()  # its first has the model
        self._moved = Condition()

    def __len__(self) -> int:
        """How many wait or are being served."""
        return len(self._waiting)

    def deadline(self, asked_at: float | None = None) -> Deadline:
        """Of a request that came at that `time.monotonic()`, or now."""
        return Deadline(time.monotonic() if asked_at is None else asked_at, self._patience)

    @contextmanager
    def turn(self, deadline: Deadline) -> Iterator[None]:
        """Wait for the model, and keep it to oneself until the block is left, on whichever thread that is.

        Raises:
            LateError: if the turn has not come by the deadline.
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
