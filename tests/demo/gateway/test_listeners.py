"""Answers that nobody fetches are deleted, and those that somebody waits for are kept."""

import time

import pytest

from demo.gateway import listeners
from tests.demo.gateway.conftest import API, LOOK, Served, file, wait_until

PERIOD = 0.4  # seconds


@pytest.fixture(autouse=True)
def short_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "PERIOD", PERIOD)


def sessions(page: Served) -> set[str]:
    return set(page.blocks._queue.pending_messages_per_session)


def test_answers_of_calls_that_nobody_fetches_are_deleted_with_their_states(
    page: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "PERIOD", 60.0)
    photo = file(page.upload())
    events = [page.call("predict", photo, 5).json()["event_id"] for _ in range(5)]
    assert set(events) <= sessions(page)
    monkeypatch.setattr(listeners, "PERIOD", PERIOD)
    wait_until(lambda: not set(events) & sessions(page))
    queue = page.blocks._queue
    assert not set(events) & {*queue.pending_event_ids_session, *queue.event_ids_to_events}
    assert not any(event in page.blocks.state_holder for event in events)
    assert page.http.get(f"{API}/call/predict/{events[0]}").status_code == 404


def test_a_run_that_nobody_listens_to_is_ended(page: Served) -> None:
    page.go_on.clear()
    page.ended.clear()
    event = page.call("explain", 10_000, 0.02).json()["event_id"]
    assert page.ended.wait(10)
    wait_until(lambda: event not in sessions(page))


def test_a_long_run_that_is_listened_to_is_kept(page: Served) -> None:
    page.go_on.clear()
    event = page.call("explain", 4, PERIOD * 0.75).json()["event_id"]
    kinds = [kind for kind, _ in page.events("explain", event)]
    assert kinds == ["generating"] * 4 + ["complete"]


def test_a_visitor_who_listens_for_moments_is_not_taken_for_silent(page: Served) -> None:
    photo, start = file(page.upload()), time.monotonic()
    while time.monotonic() < start + 3 * PERIOD:
        assert page.join(LOOK, photo).status_code == 200
        assert "process_completed" in page.http.get(f"{API}/queue/data?session_hash=session").text
        time.sleep(PERIOD / 5)


def test_the_state_of_a_visitor_is_kept(page: Served) -> None:
    assert page.join(LOOK, file(page.upload())).status_code == 200
    page.blocks.state_holder["session"]
    wait_until(lambda: "session" not in sessions(page))
    assert "session" in page.blocks.state_holder
