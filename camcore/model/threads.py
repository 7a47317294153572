"""Numbers of threads: of torch, no more than cores; of NumPy's BLAS, one while Score-CAM runs."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import TypeVar

from loky import cpu_count
from threadpoolctl import ThreadpoolController

Step = TypeVar("Step")


def keep_torch_to_cores() -> None:
    """Limit the threads of torch to the cores that this process may use.

    Programs call this before torch is imported; libraries do not. A container may have less time than the cores that it
    sees: a Space sees 16 and may use 2 (https://github.com/huggingface/chat-ui/pull/57). With one thread per core, the
    time is used up, and all threads are paused at once. If OMP_NUM_THREADS is set, it is left as it is.
    """
    if cpu_count() < (os.cpu_count() or 1):
        os.environ.setdefault("OMP_NUM_THREADS", str(cpu_count()))


def on_one_blas_thread(steps: Iterator[Step]) -> Iterator[Step]:
    """Yield the same steps, each computed with one thread of NumPy's BLAS; between them its threads are unchanged.

    The matrix products here are small. The idle threads of OpenBLAS spin for milliseconds on the cores that the next
    forward pass needs, so that a chunk takes up to 1.7 times as long; `tests/bench/README.md` has the measurements.
    """
    with closing(steps):  # type: ignore[type-var]
        while True:
            with one_blas_thread():
                step = next(steps, None)
            if step is None:
                return
            yield step


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit NumPy's BLAS to one thread for the block, in all threads; see `on_one_blas_thread`."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    """Return the controller of the libraries that are loaded by now, which include NumPy's."""
    return ThreadpoolController()
