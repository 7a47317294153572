"""The engine of a study on this computer: several photos at once, in threads that share batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import Self, TypeVar

from camcore.explainer import Explainer
from camcore.model.threads import one_blas_thread
from camcore.study.photo_study import Decode, StudyResult, StudyTask, decoder_of, study_photo
from camcore.study.settings import Level, StudySettings

# Photos per core that are explained at once, so that decoding, writing and NumPy's work overlap with forward passes,
# and these share batches: more are no faster.
_AT_ONCE: dict[Level, int] = {"screen": 3, "full": 2}
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class LocalEngine:
    """Studies several photos at once with one explainer; see `Engine`. Use it in a `with` block."""

    def __init__(self, explainer: Explainer):
        self._explainer, self._threads = explainer, explainer.threads
        self._pool = ThreadPoolExecutor(max(map(self._at_once, _AT_ONCE)))
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start to share batches."""
        with ExitStack() as stack:
            stack.enter_context(one_blas_thread())
            stack.enter_context(self._pool)
            stack.callback(self._pool.shutdown, wait=False, cancel_futures=True)
            self._explainer = stack.enter_context(self._explainer.sharing_batches())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the work."""
        self._stack.close()

    def results(self, tasks: Iterable[StudyTask], settings: StudySettings) -> Iterator[StudyResult]:
        """Yield the results of tasks, in their order; some photos are ahead of the reader."""
        explainer, decode = self._explainer, decoder_of(self._explainer, settings)

        def study(task: StudyTask) -> StudyResult:
            return study_photo(explainer, task, settings, decode)

        yield from _in_order(self._pool, study, tasks, self._at_once(settings.level))

    def _at_once(self, level: Level) -> int:
        return _AT_ONCE[level] * self._threads + 1  # one more is decoded meanwhile


class OneByOneEngine:
    """Studies each photo when its result is read, and none ahead; see `Engine`, and `study_photo` for the parameters.

    Others may use the model between two photos.
    """

    def __init__(
        self,
        explainer: Explainer,
        decode: Decode | None = None,
        acquire_model: Callable[[], AbstractContextManager[None]] = nullcontext,
    ):
        self._explainer, self._decode, self._acquire_model = explainer, decode, acquire_model

    def results(self, tasks: Iterable[StudyTask], settings: StudySettings) -> Iterator[StudyResult]:
        """Yield the results of tasks, in their order."""
        decode = self._decode or decoder_of(self._explainer, settings)
        for task in tasks:
            yield study_photo(self._explainer, task, settings, decode, self._acquire_model)


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[_Task], _Result], tasks: Iterable[_Task], at_once: int
) -> Iterator[_Result]:
    """Yield the results of a function in the order of the tasks, of which `at_once` and no more are ahead."""
    futures: deque[Future[_Result]] = deque()
    try:
        for task in tasks:
            futures.append(pool.submit(function, task))
            if len(futures) > at_once:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()
