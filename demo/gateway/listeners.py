"""Answers that nobody fetches: Gradio would keep those of 2,000 sessions, megabytes each, until it ends."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gradio import Blocks

from demo.service import gradio_internals

PERIOD = 60.0  # seconds


class Listeners:
    """Sessions whose messages are being fetched; those of another session are deleted after `PERIOD` seconds.

    It must be used in the server's event loop only.
    """

    def __init__(self) -> None:
        self._listening: Counter[str] = Counter()
        self._silent_since: dict[str, float] = {}
        self._watch: asyncio.Task[None] | None = None

    @contextmanager
    def listen(self, session: str) -> Iterator[None]:
        """Count one who fetches the messages of a session during the block."""
        self._listening[session] += 1
        self.mark_active(session)
        try:
            yield
        finally:
            self.mark_active(session)
            self._listening[session] -= 1
            if not self._listening[session]:
                del self._listening[session]

    def mark_active(self, session: object) -> None:
        """Count the silence of a session, which has made a request, from now."""
        self._silent_since.pop(str(session), None)

    def watch(self, blocks: Blocks) -> None:
        """Delete what nobody fetches, from now until no session is left."""
        if self._watch is None or self._watch.done():
            self._watch = asyncio.get_running_loop().create_task(self._delete_unheard(blocks))

    async def _delete_unheard(self, blocks: Blocks) -> None:
        while sessions := gradio_internals.sessions_with_messages(blocks):
            now, before = time.monotonic(), self._silent_since
            self._silent_since = {name: before.get(name, now) for name in sessions if name not in self._listening}
            for session in [name for name, since in self._silent_since.items() if now - since >= PERIOD]:
                if session in self._silent_since:  # no request of it has come meanwhile
                    await gradio_internals.delete_messages(blocks, session)
            await asyncio.sleep(min(PERIOD / 4, 1.0))
