"""The run of a study: photos are explained in order, several at once, and their records logged."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from camcore.errors import CamError, OutputError
from camcore.explainer import Explainer
from camcore.images.decoder import shared_decoder
from camcore.images.preprocess import View
from camcore.model.threads import one_blas_thread
from camcore.study.inputs.load import StudyItem
from camcore.study.log import StudyLog
from camcore.study.record import identify, make_record
from camcore.study.settings import Level, StudySettings
from camcore.types import Box

# Photos per core that are explained at once, so that decoding, writing and NumPy's work overlap with forward passes,
# and these share batches: more are no faster.
AT_ONCE: dict[Level, int] = {"screen": 3, "full": 2}
Decode = Callable[[Path, Sequence[Box]], View]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class StudiedPhoto:
    """The record of a photo, and whether it is reused from an earlier run; its `error` is None or a message."""

    record: dict[str, Any]
    reused: bool


def run_study(
    explainer: Explainer,
    items: Iterable[StudyItem],
    settings: StudySettings,
    out: Path,
    log: StudyLog,
    *,
    at_once: int = 1,
    decode: Decode | None = None,
    acquire_model: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[StudiedPhoto]:
    """Yield the photos of a study in order, each as soon as it is explained or its record is found in `log`.

    With `at_once` 1, no photo is explained before it is read from this generator; with more, as many are ahead.
    `decode` returns the model's view of a photo in which boxes mark the animal, by default with the shared decoder; the
    model runs only within `acquire_model()`. The record of a photo that cannot be read has its `error`. The folder for
    pictures in `out` must exist. Raise OutputError if a result cannot be written. Closing the generator stops the work.
    """
    decode = decode or _decoder(explainer, settings)
    with ExitStack() as stack:
        if at_once > 1:
            stack.enter_context(one_blas_thread())
            pool = stack.enter_context(ThreadPoolExecutor(at_once))
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
            explainer = stack.enter_context(explainer.sharing_batches())

        def study(item: StudyItem) -> tuple[StudyItem, StudiedPhoto]:
            identity = identify(item)
            record = log.find(item, settings.level, identity["sha256"])
            if record is not None:
                return item, StudiedPhoto({**record, "site": item.site}, reused=True)
            try:
                view = decode(item.photo.path, item.boxes or ())
                with acquire_model():
                    marked = item.in_fractions(view.photo_size)
                    record = make_record(explainer, marked, view, settings, out, identity=identity)
            except OutputError:
                raise
            except CamError as error:
                record = identity | {"error": str(error)}
            return item, StudiedPhoto(record, reused=False)

        photos = map(study, items) if at_once == 1 else _in_order(pool, study, items, at_once)
        for item, photo in photos:
            yield photo if photo.reused else StudiedPhoto(log.add(item, settings.level, photo.record), reused=False)


def _decoder(explainer: Explainer, settings: StudySettings) -> Decode:
    """Return a function that decodes in the processes that all parts of the program share."""
    steps, options, is_full = explainer.manifest.preprocessing, settings.options, settings.level == "full"

    def decode(path: Path, boxes: Sequence[Box]) -> View:
        box = Box.around(boxes) if boxes else None
        with_whole = is_full or bool(boxes)  # without a box, a screened photo is not asked about again
        return shared_decoder().view(
            path, steps, options.resize_mode, box, with_whole=with_whole, fast_decode=settings.fast_decode
        )

    return decode


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[_Item], _Result], items: Iterable[_Item], at_once: int
) -> Iterator[_Result]:
    """Yield the results of a function in the order of the items, of which `at_once` and no more are ahead."""
    futures: deque[Future[_Result]] = deque()
    for item in items:
        futures.append(pool.submit(function, item))
        if len(futures) > at_once:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()
