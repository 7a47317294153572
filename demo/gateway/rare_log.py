"""A log in which nobody can write as many lines as they send requests."""

import logging
import time
from dataclasses import dataclass, field

PERIOD = 60.0  # seconds


@dataclass
class RareLog:
    """Writes at most one line in `PERIOD` seconds, with the number of those left out before it.

    `name` is that of the logger.
    """

    name: str
    _next_at: float = field(default=0.0, init=False)
    _left_out: int = field(default=0, init=False)

    def warning(self, message: str) -> None:
        """Write or count a line."""
        if time.monotonic() < self._next_at:
            self._left_out += 1
            return
        count = f" ({self._left_out} more in the time before)" if self._left_out else ""
        logging.getLogger(self.name).warning("%s%s", message, count)
        self._next_at, self._left_out = time.monotonic() + PERIOD, 0
