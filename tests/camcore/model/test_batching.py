"""Common batches: the results of each thread are its own, whatever shares its batches."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from camcore import Explainer, open_photo
from camcore.model.batching import CommonBatches, common_batches
from camcore.types import Array


def sums(x: Array) -> Array:
    return x.sum(axis=(2, 3))


def inputs(count: int, value: float) -> Array:
    return np.full((count, 3, 2, 2), value, np.float32)


def test_each_thread_gets_its_own_results_and_batches_are_shared() -> None:
    sizes: list[int] = []
    gate = threading.Event()

    def forward(x: Array) -> Array:
        gate.wait(10)
        sizes.append(len(x))
        return sums(x)

    with common_batches(4) as batches, ThreadPoolExecutor(8) as pool:
        shared = batches.share(forward)
        futures = [pool.submit(shared, inputs(1 + number % 3, number)) for number in range(8)]
        gate.set()
        for number, future in enumerate(futures):
            assert_array_equal(future.result(10), sums(inputs(1 + number % 3, number)))
    assert sum(sizes) == sum(1 + number % 3 for number in range(8))
    assert max(sizes) <= 4
    assert len(sizes) < 8


def test_two_runners_work_at_once_and_share_what_waits() -> None:
    running, both = threading.Semaphore(1), threading.Event()
    sizes: list[int] = []

    def forward(x: Array) -> Array:
        if not running.acquire(blocking=False):
            both.set()
        assert both.wait(10), "the other runner has not started"
        sizes.append(len(x))
        return sums(x)

    with common_batches(8, 2) as batches, ThreadPoolExecutor(8) as pool:
        shared = batches.share(forward)
        assert [len(result) for result in pool.map(shared, [inputs(1, number) for number in range(8)])] == [1] * 8
    assert sum(sizes) == 8
    assert max(sizes) <= 4, "half of what waits is left for the other runner"


def test_a_request_above_the_size_runs_alone_and_other_functions_are_not_mixed() -> None:
    calls: list[tuple[str, int]] = []

    def first(x: Array) -> Array:
        calls.append(("first", len(x)))
        return sums(x)

    def second(x: Array) -> tuple[Array, Array]:
        calls.append(("second", len(x)))
        return sums(x), x

    with common_batches(2) as batches:
        assert len(batches.share(first)(inputs(5, 1))) == 5
        logits, activations = batches.share_activations(second)(inputs(1, 2))
    assert_array_equal(logits, sums(inputs(1, 2)))
    assert_array_equal(activations, inputs(1, 2))
    assert calls == [("first", 5), ("second", 1)]


def test_an_error_reaches_the_threads_that_wait_and_no_others() -> None:
    def forward(x: Array) -> Array:
        if x.max() > 1:
            raise ValueError("too large")
        return sums(x)

    with common_batches(1) as batches:
        shared = batches.share(forward)
        with pytest.raises(ValueError, match="too large"):
            shared(inputs(1, 2))
        assert_array_equal(shared(inputs(1, 1)), sums(inputs(1, 1)))


def test_threads_that_wait_when_it_ends_are_cancelled() -> None:
    started, release = threading.Event(), threading.Event()

    def forward(x: Array) -> Array:
        started.set()
        release.wait(10)
        return sums(x)

    batches = CommonBatches(1)
    shared = batches.share(forward)
    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(shared, inputs(1, 1))
        assert started.wait(10)
        waiting = pool.submit(shared, inputs(1, 2))
        threading.Timer(0.1, release.set).start()
        batches.close()
        assert_array_equal(running.result(10), sums(inputs(1, 1)))
        with pytest.raises(CancelledError):
            waiting.result(10)
        with pytest.raises(CancelledError):
            shared(inputs(1, 3))


@pytest.mark.slow
def test_explanations_in_common_batches_equal_those_of_one_thread(lite0: Explainer, animal_photos: list[Path]) -> None:
    """Also bit by bit: the results do not depend on what shares a batch."""
    photos = [open_photo(path) for path in animal_photos] * 2

    def explain(explainer: Explainer, number: int) -> list[Array]:
        forward_pass = explainer.forward(photos[number])
        explanations = explainer.explain(forward_pass, effort=24)
        return [forward_pass.logits, *(explanation.heatmap for explanation in explanations)]

    with lite0.sharing_batches() as alone:
        expected = [explain(alone, number) for number in range(len(photos))]
    with lite0.sharing_batches() as shared, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: explain(shared, number), range(len(photos))))
    for one, other in zip(expected, results, strict=True):
        for first, second in zip(one, other, strict=True):
            assert_array_equal(first, second)
    torch_only = lite0.forward(photos[0])
    assert np.abs(torch_only.logits - expected[0][0]).max() < 1e-3
