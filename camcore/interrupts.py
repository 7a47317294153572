"""Ctrl-C, which a terminal sends to a program and to every process that it has started."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 130  # of a program that was interrupted, as shells have it
_PATIENCE = 1.0  # seconds in which a second Ctrl-C is the first one, sent twice


class InterruptHandler:
    """Raises KeyboardInterrupt at the first Ctrl-C; a later one ends the process at once, and says nothing."""

    def __init__(self) -> None:
        self._first: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGINT. What the first one stops is not disturbed for a second: an error there would be printed."""
        if self._first is None:
            self._first = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._first > _PATIENCE:
            os._exit(EXIT_CODE)


def handle_interrupts() -> None:
    """Let an `InterruptHandler` handle SIGINT, unless it is ignored, as in a program in the background."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, InterruptHandler())


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Let processes and threads that are started in the block never receive SIGINT, where the system has masks."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
