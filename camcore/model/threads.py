"""Threads: no more than cores, and NumPy's kept off those that the forwards use."""

import os
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from typing import TypeVar

from loky import cpu_count
from threadpoolctl import ThreadpoolController

Step = TypeVar("Step")


def keep_torch_to_cores() -> None:
    """Let torch, not loaded yet, start no more threads than this process may use cores; for programs, not libraries.

    By itself it starts one a core that it sees. A container may get less of their time, as a Space does that sees 16
    and gets 2 (https://github.com/huggingface/chat-ui/pull/57): too many threads spend it, and are halted all at once.
    Where OMP_NUM_THREADS is set, that counts.
    """
    if cpu_count() < (os.cpu_count() or 1):
        os.environ.setdefault("OMP_NUM_THREADS", str(cpu_count()))


def on_one_blas_thread(steps: Iterator[Step]) -> Iterator[Step]:
    """The same steps, each computed with NumPy's BLAS on one thread; between them it is as it was.

    The products here are small, and OpenBLAS's idle threads spin for milliseconds, on the cores that the next forward
    needs: a chunk takes up to 1.7 times as long. `tests/bench/README.md` has the figures.
    """
    with closing(steps):  # type: ignore[type-var]
        while True:
            with _controller().limit(limits=1, user_api="blas"):
                step = next(steps, None)
            if step is None:
                return
            yield step


@cache
def _controller() -> ThreadpoolController:
    """Of the libraries loaded by now, NumPy's among them."""
    return ThreadpoolController()
