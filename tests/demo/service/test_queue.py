"""The queue for the model: requests run in order, one at a time, and until their deadline."""

import time
from collections.abc import Callable
from threading import Event, Thread

import pytest

from demo.service.queue import ModelQueue, RequestTimeoutError


def spawn(target: Callable[[], object]) -> Thread:
    thread = Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_acquire_lets_requests_run_in_order_and_one_at_a_time() -> None:
    queue, order, inside = ModelQueue(), [], []

    def run(number: int) -> None:
        with queue.acquire(queue.deadline()):
            inside.append(number)
            assert inside == [number]
            time.sleep(0.005)
            order.append(number)
            inside.remove(number)

    threads = []
    with queue.acquire(queue.deadline()):
        for number in range(10):
            threads.append(spawn(lambda number=number: run(number)))
            while len(queue) < number + 2:
                time.sleep(0.001)
    for thread in threads:
        thread.join(5)
    assert order == list(range(10))
    assert len(queue) == 0


def test_acquire_for_each_photo_lets_other_requests_run_in_between() -> None:
    """A study acquires the queue once for each photo."""
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


def test_acquire_may_be_left_on_another_thread_as_gradio_does_with_a_generator() -> None:
    queue = ModelQueue()

    def steps() -> object:
        with queue.acquire(queue.deadline()):
            yield 1

    running = steps()
    spawn(lambda: next(running)).join(5)  # type: ignore[call-overload]
    assert len(queue) == 1
    running.close()  # type: ignore[attr-defined]
    assert len(queue) == 0


def test_acquire_gives_up_at_the_deadline_and_leaves_the_queue() -> None:
    queue = ModelQueue(timeout=0.05)
    with queue.acquire(queue.deadline()):
        with pytest.raises(RequestTimeoutError, match="could not start within"), queue.acquire(queue.deadline()):
            pytest.fail("the model is not free")
        assert len(queue) == 1
    with queue.acquire(queue.deadline()):
        assert len(queue) == 1


def test_deadline_counts_from_when_the_request_came_in() -> None:
    queue = ModelQueue(timeout=100)
    queue.deadline(time.monotonic() - 99).check()
    with pytest.raises(RequestTimeoutError, match="longer than 100 seconds"):
        queue.deadline(time.monotonic() - 101).check()
