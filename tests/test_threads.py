"""NumPy's threads while Score-CAM computes, and after."""

from collections.abc import Iterator

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from camcore.threads import on_one_blas_thread

assert np.ones((2, 2)).sum() == 4  # so that NumPy's BLAS is loaded before its threads are asked for


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"}


def test_each_step_sees_one_thread_and_its_reader_as_many_as_before() -> None:
    def steps() -> Iterator[set[int]]:
        yield blas_threads()
        yield blas_threads()

    with threadpool_limits(2, user_api="blas"):
        for inside in on_one_blas_thread(steps()):
            assert inside == {1}
            assert blas_threads() == {2}
        assert blas_threads() == {2}


def test_closing_closes_what_is_read() -> None:
    closed = []

    def steps() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    reading = on_one_blas_thread(steps())
    assert next(reading) == 1
    reading.close()  # type: ignore[attr-defined]
    assert closed == [True]
