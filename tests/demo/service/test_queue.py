"""The one line for the model: turns in order, no two at a time, and no waiting or working for ever."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from camcore import Explainer
from camcore.options import ExplainOptions
from demo.compare.session import ExplainRequest, Session, explain
from demo.service.models import Models
from demo.service.queue import ModelQueue, RequestTimeoutError


def spawn(target: Callable[[], object]) -> Thread:
    thread = Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_turns_come_in_the_order_of_asking_and_never_two_at_once() -> None:
    queue, order, inside = ModelQueue(), [], []

    def take(number: int) -> None:
        with queue.acquire(queue.deadline()):
            inside.append(number)
            assert inside == [number]
            time.sleep(0.005)
            order.append(number)
            inside.remove(number)

    threads = []
    with queue.acquire(queue.deadline()):
        for number in range(10):
            threads.append(spawn(lambda number=number: take(number)))
            while len(queue) < number + 2:
                time.sleep(0.001)
    for thread in threads:
        thread.join(5)
    assert order == list(range(10))
    assert len(queue) == 0


def test_who_asks_again_and_again_lets_others_come_between() -> None:
    """As a study does, photo by photo."""
    queue, order, started = ModelQueue(), [], Event()

    def study() -> None:
        for _ in range(3):
            with queue.acquire(queue.deadline()):
                order.append("study")
                started.set()
                while len(queue) < 2 and "other" not in order:
                    time.sleep(0.001)

    thread = spawn(study)
    started.wait(5)
    with queue.acquire(queue.deadline()):
        order.append("other")
    thread.join(5)
    assert order == ["study", "other", "study", "study"]


def test_a_turn_may_be_left_on_another_thread_as_gradio_does_with_a_generator() -> None:
    queue = ModelQueue()

    def steps() -> object:
        with queue.acquire(queue.deadline()):
            yield 1

    running = steps()
    spawn(lambda: next(running)).join(5)  # type: ignore[call-overload]
    assert len(queue) == 1
    running.close()  # type: ignore[attr-defined]
    assert len(queue) == 0


def test_a_turn_that_does_not_come_in_time_is_given_up_and_leaves_the_line() -> None:
    queue = ModelQueue(timeout=0.05)
    with queue.acquire(queue.deadline()):
        with pytest.raises(RequestTimeoutError, match="did not come within"), queue.acquire(queue.deadline()):
            pytest.fail("this turn has not come")
        assert len(queue) == 1
    with queue.acquire(queue.deadline()):
        assert len(queue) == 1


def test_the_time_counts_from_when_the_request_came() -> None:
    queue = ModelQueue(timeout=100)
    queue.deadline(time.monotonic() - 99).check()
    with pytest.raises(RequestTimeoutError, match="longer than 100 seconds"):
        queue.deadline(time.monotonic() - 101).check()


def test_the_page_keeps_what_it_has_when_the_time_is_over(
    lite0: Explainer, artifacts: Path, imagenet_photos: list[Path]
) -> None:
    models = Models(lite0, artifacts / "efficientnet_lite0", timeout=100)
    request = ExplainRequest(str(imagenet_photos[0]), ExplainOptions(effort="exact"), made_at=time.monotonic() - 101)
    *_, last = explain(models, Session(request), request)
    assert last.status == "This took longer than 100 seconds and was stopped: ask for less effort, or try again later."
    assert len(last.predictions) == 5
    assert not last.running
    assert len(models.queue) == 0
