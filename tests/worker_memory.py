"""The memory of the processes that this one has started, as Linux reports it."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

_INTERVAL = 0.05  # seconds


@dataclass
class Peak:
    """The most bytes that any one of the processes has had in memory; 0 where the system does not tell."""

    memory: int = 0

    def update(self) -> None:
        for children in Path("/proc/self/task").glob("*/children"):
            with suppress(OSError):  # the thread has ended
                for process in children.read_text().split():
                    self.memory = max(self.memory, _memory(process))


@contextmanager
def watched_children() -> Iterator[Peak]:
    """Watch the memory of this process's children while the block runs."""
    peak, over = Peak(), Event()

    def watch() -> None:
        while not over.is_set():
            peak.update()
            time.sleep(_INTERVAL)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
        peak.update()
    finally:
        over.set()
        thread.join()


def _memory(process: str) -> int:
    """Return the peak of a process that decodes photos, in bytes, and 0 for any other."""
    with suppress(OSError):  # the process has ended
        if b"loky" not in Path("/proc", process, "cmdline").read_bytes():
            return 0
        match = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc", process, "status").read_text(), flags=re.MULTILINE)
        return int(match[1]) * 1024 if match else 0
    return 0
