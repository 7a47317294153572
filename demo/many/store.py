"""Visitors' studies, kept by a token so that a page that is refreshed finds its study again."""

import secrets
import time
from threading import Lock, Timer

from demo.many.session import StudySession
from demo.service.photos import KEPT

_INTERVALS = 60  # how often studies are looked through within that time


class StudyStore:
    """Studies by an unguessable token, which one tab of a browser keeps and sends with each request.

    A study that was not used for `kept` seconds is closed, which deletes its files. All of them lie in the temporary
    folder of the server, which goes when the server ends.
    """

    def __init__(self, kept: float = KEPT):
        self._kept = kept
        self._sessions: dict[str, StudySession] = {}
        self._used_at: dict[str, float] = {}
        self._lock = Lock()

    def find(self, token: str) -> StudySession | None:
        """Return the study of a token, which counts as its use, or None if there is none or it was closed."""
        with self._lock:
            session = self._sessions.get(token)
            if session is not None:
                self._used_at[token] = time.monotonic()
            return session

    def open(self, token: str) -> tuple[str, StudySession]:
        """Return the token and its study, or a new token and an empty study if there is none."""
        session = self.find(token)
        if session is not None:
            return token, session
        token, session = secrets.token_urlsafe(), StudySession()
        with self._lock:
            if not self._sessions:
                self._look_later()
            self._sessions[token], self._used_at[token] = session, time.monotonic()
        return token, session

    def close_unused(self) -> None:
        """Close the studies that were not used for the time that studies are kept."""
        with self._lock:
            limit = time.monotonic() - self._kept
            unused = [token for token, used_at in self._used_at.items() if used_at <= limit]
            closed = [self._sessions.pop(token) for token in unused]
            for token in unused:
                del self._used_at[token]
        for session in closed:
            session.close()

    def _look_later(self) -> None:
        timer = Timer(self._kept / _INTERVALS, self._look)
        timer.daemon = True
        timer.start()

    def _look(self) -> None:
        self.close_unused()
        with self._lock:
            if self._sessions:
                self._look_later()
