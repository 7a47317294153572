"""Common batches: the inputs that several threads have ready are run together."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Thread

import numpy as np

from camcore.types import Array, Forward

Outputs = tuple[Array, ...]  # the results for a batch of inputs, each (N, ...)
ForwardWithActivations = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class _Request:
    """Inputs (n, 3, H, W) of one thread, the function that runs them, and its future results."""

    run: Callable[[Array], Outputs]
    x: Array
    results: "Future[Outputs]" = field(default_factory=Future)

    def fits(self, first: "_Request") -> bool:
        """Return whether both can be run at once."""
        return self.run is first.run and self.x.shape[1:] == first.x.shape[1:]


class CommonBatches:
    """Runs the inputs of several threads in batches of at most `size` inputs, and `runners` batches at a time.

    A batch starts as soon as there are inputs, and never waits for more. ONNX Runtime computes each input of a batch on
    the CPU alike, whatever the others are, so the results do not depend on which inputs share a batch.
    """

    def __init__(self, size: int, runners: int = 1):
        self._size = size
        self._requests: deque[_Request] = deque()
        self._changed = Condition()
        self._is_open = True
        self._runners = [Thread(target=self._work, daemon=True) for _ in range(runners)]
        for runner in self._runners:
            runner.start()

    def close(self) -> None:
        """End the work after the batches that are running; threads that wait for results get a CancelledError."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        for runner in self._runners:
            runner.join()
        for request in self._requests:
            request.results.set_exception(CancelledError())

    def share(self, forward: Forward) -> Forward:
        """Return a function like `forward` whose inputs are run in common batches."""

        def run(x: Array) -> Outputs:
            return (forward(x),)

        return lambda x: self._results(run, x)[0]

    def share_activations(self, forward: ForwardWithActivations) -> ForwardWithActivations:
        """Return a function like `forward` whose inputs are run in common batches."""

        def share(x: Array) -> tuple[Array, Array]:
            logits, activations = self._results(forward, x)
            return logits, activations

        return share

    def _results(self, run: Callable[[Array], Outputs], x: Array) -> Outputs:
        request = _Request(run, x)
        with self._changed:
            if not self._is_open:
                raise CancelledError
            self._requests.append(request)
            self._changed.notify_all()
        return request.results.result()

    def _work(self) -> None:
        while batch := self._next_batch():
            x = batch[0].x if len(batch) == 1 else np.concatenate([request.x for request in batch])
            try:
                outputs = batch[0].run(x)
            except BaseException as error:  # it is raised in the threads that wait
                for request in batch:
                    request.results.set_exception(error)
            else:
                _distribute(outputs, batch)

    def _next_batch(self) -> list[_Request]:
        """Return the oldest request and its fair share of those that can be run with it; nothing once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._requests or not self._is_open)
            if not self._is_open:
                return []
            waiting = sum(len(request.x) for request in self._requests)
            most = min(-(-waiting // len(self._runners)), self._size)
            batch = [self._requests.popleft()]
            count = len(batch[0].x)
            for request in tuple(self._requests):
                if request.fits(batch[0]) and count + len(request.x) <= most:
                    batch.append(request)
                    count += len(request.x)
                    self._requests.remove(request)
            return batch


def _distribute(outputs: Outputs, batch: Sequence[_Request]) -> None:
    start = 0
    for request in batch:
        end = start + len(request.x)
        request.results.set_result(tuple(values[start:end] for values in outputs))
        start = end


@contextmanager
def common_batches(size: int, runners: int = 1) -> Iterator[CommonBatches]:
    """Provide common batches for the block."""
    batches = CommonBatches(size, runners)
    try:
        yield batches
    finally:
        batches.close()
