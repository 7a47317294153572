"""The page, which keeps what visitors leave for some seconds, not an hour: see `tests.clients`.

`python -m tests.short_lived_page SECONDS FILE`: on SIGUSR1 the page writes into the file how many sessions it holds.
"""

import gc
import signal
import sys
from pathlib import Path

from demo.service import photos


def count_sessions() -> int:
    """Return the sessions whose state or whose answers Gradio holds."""
    from gradio import Blocks

    (blocks,) = (thing for thing in gc.get_objects() if type(thing) is Blocks and thing.is_running)
    queue = blocks._queue
    return len({*blocks.state_holder.session_data, *queue.pending_messages_per_session, *queue.event_ids_to_events})


def _write_count(path: Path) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(str(count_sessions()))
    partial.rename(path)


if __name__ == "__main__":
    photos.KEPT = float(sys.argv.pop(1))
    counts = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, lambda *_: _write_count(counts))
    from demo.__main__ import run

    run()
