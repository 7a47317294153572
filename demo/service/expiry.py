"""The end of what visitors leave: files and sessions are deleted when they have not been used for an hour."""

import re
import time
from collections.abc import Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread

from gradio import Blocks

from demo.service.gradio_internals import forget_session, idle_sessions
from demo.service.photos import ANSWER_PREFIX

_INTERVALS = 6  # how often files and sessions are looked through within the time that they are kept
_OF_VISITORS = re.compile(rf"{ANSWER_PREFIX}.*|[0-9a-f]{{64}}")  # folders: Gradio names those of uploads by a hash


class Ages:
    """How long things have stayed the same, by `time.monotonic()`, since setting the clock must expire nothing."""

    def __init__(self) -> None:
        self._since: dict[Hashable, tuple[Hashable, float]] = {}

    def unchanged(self, states: Mapping[Hashable, Hashable], seconds: float) -> list[Hashable]:
        """Return the things, named by the keys, that had the same state whenever they were looked at for so long."""
        now, before = time.monotonic(), self._since
        self._since = {
            name: before[name] if name in before and before[name][0] == state else (state, now)
            for name, state in states.items()
        }
        return [name for name, (_, since) in self._since.items() if now - since >= seconds]


class Expiry:
    """Deletes the files and sessions of visitors in a page's folder that were not used for `kept` seconds.

    Gradio would keep the answers that nobody fetched, and files that no answer names. What is in the folder at first,
    the page's own examples, is kept, and so are studies, which end by themselves.
    """

    def __init__(self, blocks: Blocks, folder: Path, kept: float):
        self._blocks, self._folder, self._kept = blocks, folder, kept
        self._files, self._sessions = Ages(), Ages()
        self._own = frozenset(self._present())

    def start(self) -> None:
        """Look through the files and sessions now and then, on a thread of its own, until the process ends."""
        Thread(target=self._run, name="expiry", daemon=True).start()

    def sweep(self) -> None:
        """Delete what has been unused for long enough since this was first called."""
        for path in self._files.unchanged(self._present(), self._kept):
            if isinstance(path, Path) and path not in self._own:
                _delete(path)
        for session in self._sessions.unchanged(idle_sessions(self._blocks), self._kept):
            forget_session(self._blocks, str(session))

    def _run(self) -> None:
        while True:
            time.sleep(self._kept / _INTERVALS)
            with suppress(OSError, RuntimeError):  # something came or went while it was listed: the next time will do
                self.sweep()

    def _present(self) -> dict[Hashable, Hashable]:
        """Return the time of the last change of each folder of visitors, and of each file in one."""
        folders = [path for path in self._folder.iterdir() if _OF_VISITORS.fullmatch(path.name)]
        paths = [*folders, *(path for folder in folders for path in folder.iterdir())]
        return {path: path.lstat().st_ctime_ns for path in paths}


def _delete(path: Path) -> None:
    """Delete a file, and its folder unless there are others, or a folder without files."""
    with suppress(OSError):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
            path.parent.rmdir()
