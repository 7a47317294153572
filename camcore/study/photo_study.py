"""The study of one photo: what every engine runs, on any computer. It writes nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from camcore.errors import CamError
from camcore.explainer import Explainer
from camcore.images.decoder import shared_decoder
from camcore.images.preprocess import View
from camcore.study.inputs.load import StudyItem
from camcore.study.photo_files import UNREADABLE, FileIdentity, read_photo_file
from camcore.study.record import identify, make_record
from camcore.study.remote import RemoteFiles
from camcore.study.settings import StudySettings
from camcore.types import Box

Decode = Callable[[Path | bytes, Sequence[Box]], View]


@dataclass(frozen=True)
class StudyTask:
    """A photo to study, and the file of its earlier record, which holds if the file is the same."""

    item: StudyItem
    earlier: FileIdentity | None = None


@dataclass(frozen=True)
class StudyResult:
    """The record of a photo, or None if the earlier one holds, and its pictures as files by their path in the output.

    The record's `error` is None or a message.
    """

    record: dict[str, Any] | None
    pictures: Mapping[str, bytes] = field(default_factory=dict)


class Engine(Protocol):
    """Studies photos, on this computer or on several."""

    def results(self, tasks: Iterable[StudyTask], settings: StudySettings) -> Iterator[StudyResult]:
        """Yield the results of tasks, in their order. Closing the iterator stops the work."""


def decoder_of(explainer: Explainer, settings: StudySettings) -> Decode:
    """Return a function that decodes in the processes that all parts of the program share."""
    steps, options, is_full = explainer.manifest.preprocessing, settings.options, settings.level == "full"

    def decode(source: Path | bytes, boxes: Sequence[Box]) -> View:
        box = Box.around(boxes) if boxes else None
        with_whole = is_full or bool(boxes)  # without a box, a screened photo is not asked about again
        return shared_decoder().view(
            source, steps, options.resize_mode, box, with_whole=with_whole, fast_decode=settings.fast_decode
        )

    return decode


def study_photo(
    explainer: Explainer,
    task: StudyTask,
    settings: StudySettings,
    decode: Decode,
    acquire_model: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> StudyResult:
    """Explain a photo, unless its earlier record holds. The record of a photo that cannot be read has its `error`.

    `decode` returns the model's view of a photo in which boxes mark the animal; the model runs only within
    `acquire_model()`.
    """
    item, file = task.item, None
    try:
        remote = RemoteFiles(private_redirects=settings.private_redirects)
        file = read_photo_file(item.photo.path, task.earlier, remote)
        if file is None:
            return StudyResult(None)
        view = decode(file.source, item.boxes or ())
        with acquire_model():
            marked = item.in_fractions(view.photo_size)
            return StudyResult(*make_record(explainer, marked, view, settings, file.identity))
    except CamError as error:
        return StudyResult(identify(item, file.identity if file else UNREADABLE) | {"error": str(error)})
