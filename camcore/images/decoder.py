"""Decoding of photos in processes of their own: a hostile photo ends such a process, not this one."""

import atexit
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import cache
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TypeVar

from loky.backend.context import LokyContext
from loky.backend.synchronize import RLock
from pebble import ProcessExpired, ProcessPool

from camcore.errors import PhotoError
from camcore.images import worker
from camcore.images.photo import open_file
from camcore.images.preprocess import View
from camcore.interrupts import without_interrupts
from camcore.model.manifest import Preprocessing, ResizeMode
from camcore.types import Box

WORKERS = 2
_TOO_MUCH = "this photo takes too much memory or time to open: save it again as a plain JPEG"
_MARGIN = 1.0  # seconds after which this process ends a worker that has not ended by itself


class _Context(LokyContext):  # type: ignore[misc]
    """Starts processes, and keeps the locks that they share until `locks` is cleared.

    Pebble drops the locks before it ends the processes, and one that is still starting then prints a traceback.
    """

    def __init__(self) -> None:
        super().__init__()
        self.locks: list[RLock] = []

    def RLock(self) -> RLock:  # noqa: N802
        """Return a new lock."""
        self.locks.append(RLock())
        return self.locks[-1]


class _Pool(ProcessPool):
    """Processes that decode photos."""

    def __init__(self, workers: int):
        self._starter = _Context()
        super().__init__(workers, initializer=worker.start, context=self._starter)

    def end(self) -> None:
        """End the processes."""
        self.stop()  # type: ignore[no-untyped-call]
        self.join()
        self._starter.locks.clear()


_Result = TypeVar("_Result")
_Argument = TypeVar("_Argument")


class PhotoDecoder:
    """Decodes photos in `workers` processes, which start with the first photo and import neither torch nor `__main__`.

    A photo that takes more than 4 seconds to decode (12 seconds above 20 megapixels), or more memory than
    `camcore.images.worker.MAX_MEMORY`, ends its process, which is replaced. On Windows and macOS only the time is
    limited. Use it in a `with` block, or call `close`. It may be used from several threads.
    """

    def __init__(self, workers: int = WORKERS):
        self._workers = workers
        self._lock = Lock()
        self._pool: _Pool | None = None

    def view(
        self,
        source: Path | bytes,
        preprocessing: Preprocessing,
        resize_mode: ResizeMode | None = None,
        box: Box | None = None,
        *,
        with_whole: bool = True,
        fast_decode: bool = False,
        timeout: float | None = None,
    ) -> View:
        """Return the model's view of a photo, given by its path or its bytes; see `make_view` for the options.

        With `fast_decode`, a large JPEG is decoded at a fraction of its width and height, which `View.reduced` states.

        Raise PhotoError if the photo cannot be read, or takes too much time or memory, and TimeoutError if it is not
        decoded after `timeout` seconds, the time spent waiting for a process included.
        """
        request = worker.ViewRequest(_from_any_folder(source), preprocessing, resize_mode, box, with_whole, fast_decode)
        return self._run(worker.make_view_within_limits, request, timeout)

    def display_copy(self, source: Path | bytes, *, timeout: float | None = None) -> bytes:
        """Return a JPEG of a photo, at most `worker.DISPLAY_SIDE` pixels wide and high; raise errors as `view` does."""
        return self._run(worker.make_display_copy_within_limits, _from_any_folder(source), timeout)

    def close(self) -> None:
        """End the processes. The decoder starts them again if it is used again."""
        if self._pool is not None:
            self._discard(self._pool)

    def __enter__(self) -> "PhotoDecoder":
        """Return the decoder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes."""
        self.close()

    def _run(self, function: Callable[[_Argument], _Result], argument: _Argument, timeout: float | None) -> _Result:
        for _ in range(2):  # a second time if the processes were ended from outside
            pool = self._running_pool()
            try:
                with without_interrupts():  # Ctrl-C would print an error of a process that is just starting
                    future = pool.schedule(function, args=[argument], timeout=worker.MAX_SECONDS_LARGE + _MARGIN)
                return future.result(timeout)
            except (ProcessExpired, CancelledError):
                break
            except TimeoutError:
                if future.done():  # the process was ended; otherwise the caller cannot wait any longer
                    break
                future.cancel()  # type: ignore[no-untyped-call]
                raise
            except RuntimeError:  # of a pool whose processes were ended from outside
                self._discard(pool)
        raise PhotoError(_TOO_MUCH)

    def _discard(self, pool: _Pool) -> None:
        with self._lock:
            if self._pool is not pool:  # another thread has discarded it
                return
            self._pool = None
        pool.end()

    def _running_pool(self) -> _Pool:
        with self._lock:
            if self._pool is None:
                self._pool = _Pool(self._workers)
            return self._pool


def _from_any_folder(source: Path | bytes) -> Path | bytes:
    """Return a path that other processes can open, after a check that this one can, whose errors name it as given."""
    if isinstance(source, bytes):
        return source
    open_file(source).close()
    return source.absolute()


@cache
def shared_decoder() -> PhotoDecoder:
    """Return the decoder that all parts of a program share; its processes end with the program."""
    decoder = PhotoDecoder()
    atexit.register(decoder.close)
    return decoder
