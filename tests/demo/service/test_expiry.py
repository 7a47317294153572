"""What visitors leave is deleted after its time by a clock that nobody sets, and nothing else is."""

import time
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from demo.service.expiry import Expiry
from demo.service.photos import ANSWER_PREFIX

KEPT = 3600.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The two clocks, in seconds, of which people and time servers set the first."""
    times = SimpleNamespace(wall=time.time(), monotonic=1000.0)
    monkeypatch.setattr(time, "time", lambda: times.wall)
    monkeypatch.setattr(time, "monotonic", lambda: times.monotonic)
    return times


@pytest.fixture
def blocks() -> gr.Blocks:
    blocks: gr.Blocks
    with gr.Blocks() as blocks:
        gr.Textbox()
    blocks.queue()
    blocks.state_holder = SimpleNamespace(session_data={}, time_last_used={})
    return blocks


def test_file_is_deleted_with_its_folder_after_its_time(
    blocks: gr.Blocks, tmp_path: Path, clock: SimpleNamespace
) -> None:
    own = _write(tmp_path / f"{ANSWER_PREFIX}example")
    expiry = Expiry(blocks, tmp_path, KEPT)
    upload, study = _write(tmp_path / ("5e" * 32)), _write(tmp_path / "many-photos-x")
    answer = _write(tmp_path / f"{ANSWER_PREFIX}a")
    empty = tmp_path / f"{ANSWER_PREFIX}empty"
    empty.mkdir()
    expiry.sweep()
    clock.wall += 366 * 24 * 3600
    clock.monotonic += KEPT - 1
    expiry.sweep()
    assert all(path.exists() for path in (own, upload, study, answer, empty)), "a clock that is set expires nothing"
    upload.write_text("uploaded again")
    clock.monotonic += 1
    expiry.sweep()
    assert all(path.exists() for path in (own, upload, study))
    assert not any(path.exists() for path in (answer.parent, empty))
    clock.monotonic += KEPT
    expiry.sweep()
    assert set(tmp_path.iterdir()) == {own.parent, study.parent}


def test_session_is_forgotten_after_its_time_unless_its_page_is_open(
    blocks: gr.Blocks, tmp_path: Path, clock: SimpleNamespace
) -> None:
    sessions, expiry = blocks.state_holder.session_data, Expiry(blocks, tmp_path, KEPT)
    sessions["called"] = SimpleNamespace(state_data={}, is_closed=False)
    sessions["open"] = SimpleNamespace(state_data={1: "state"}, is_closed=False)
    sessions["closed"] = SimpleNamespace(state_data={1: "state"}, is_closed=True)
    blocks._queue.pending_event_ids_session["never read"] = {"event"}
    blocks._queue.event_ids_to_events["event"] = None  # type: ignore[assignment]
    for _ in range(2):
        expiry.sweep()
        clock.wall -= 10 * KEPT
        clock.monotonic += KEPT / 2
    assert sessions.keys() == {"called", "open", "closed"}
    expiry.sweep()
    assert sessions.keys() == {"open"}
    assert not blocks._queue.pending_event_ids_session
    assert not blocks._queue.event_ids_to_events


def _write(folder: Path) -> Path:
    folder.mkdir()
    (folder / "photo.jpg").write_text("photo")
    return folder / "photo.jpg"
