"""Studies by token: each visitor's own, until an hour after its last use."""

import time

import pytest

from demo.many.session import StudySession
from demo.many.store import StudyStore


def test_a_token_finds_its_own_study_only() -> None:
    store = StudyStore()
    (one, study), (other, other_study) = store.open(""), store.open("")
    assert one != other
    assert len(one) > 40
    assert (store.find(one), store.find(other)) == (study, other_study)
    assert study is not other_study
    assert store.open(one) == (one, study)


@pytest.mark.parametrize("token", ["", "guess", "../"])
def test_an_unknown_token_starts_empty_under_a_new_one(token: str) -> None:
    store = StudyStore()
    store.open("")
    assert store.find(token) is None
    new, session = store.open(token)
    assert new != token
    assert session.study is None


def test_a_study_is_closed_some_time_after_its_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[StudySession] = []

    def close(session: StudySession) -> None:
        closed.append(session)

    monkeypatch.setattr(StudySession, "close", close)
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    store = StudyStore(kept=100)
    (used, _), (unused, left) = store.open(""), store.open("")
    now = 60
    assert store.find(used)
    store.close_unused()
    assert closed == []
    now = 101
    store.close_unused()
    assert [session is left for session in closed] == [True]
    assert store.find(unused) is None
    assert store.find(used)


def test_unused_studies_are_closed_without_another_request() -> None:
    store = StudyStore(kept=0.1)
    token, _ = store.open("")
    attempts = 200
    while token in store._sessions and attempts:
        attempts -= 1
        time.sleep(0.02)
    assert store.find(token) is None
