"""NumPy's matrix products kept off the cores that the forwards use."""

from collections.abc import Iterator
from contextlib import closing
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Step = TypeVar("Step")


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
