"""Visitors' photos, decoded in processes of their own: one photo per visitor at a time."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from threading import Condition
from typing import Any

from camcore.errors import PhotoError
from camcore.images.decoder import shared_decoder
from camcore.images.formats import is_hidden_by_browsers
from camcore.images.preprocess import View
from camcore.model.manifest import Preprocessing, ResizeMode
from camcore.types import Box
from demo.service.queue import Deadline

KEPT = 3600.0  # seconds that uploads, and studies after their last use, are kept
ANSWER_PREFIX = "answer-"  # of the folders with files for visitors
_MAX_RESULTS = 32
UPLOAD_GONE = "This upload is no longer there, because uploads are kept for an hour: upload it again."


def new_folder() -> Path:
    """Create a folder of its own for the files of one answer, and return its path."""
    from demo.service.gradio_internals import upload_folder  # once `demo.__main__` has named the folder to Gradio

    return Path(mkdtemp(prefix=ANSWER_PREFIX, dir=upload_folder()))


class Photos:
    """Decodes photos, and keeps the latest results: a photo is checked before it waits for the model, and used after.

    The photos of one visitor wait for one another. A visitor whose photos take long to decode then occupies one
    process, and another process serves everybody else.
    """

    def __init__(self) -> None:
        self._busy: set[Hashable] = set()  # visitors
        self._changed = Condition()
        self._results: OrderedDict[tuple[Any, ...], View | PhotoError] = OrderedDict()

    def view(
        self,
        visitor: Hashable,
        path: Path,
        preprocessing: Preprocessing,
        resize_mode: ResizeMode | None,
        deadline: Deadline,
        *,
        boxes: Sequence[Box] = (),
        with_whole: bool = True,
    ) -> View:
        """Return the model's view of an uploaded photo, in which `boxes` mark the animal.

        Raise PhotoError if it cannot be read or is no longer there, RequestTimeoutError if it is not decoded by the
        deadline.
        """
        if not path.is_file():
            raise PhotoError(UPLOAD_GONE)
        box = Box.around(boxes) if boxes else None
        key = (path, path.stat().st_mtime_ns, preprocessing, resize_mode, box, with_whole)
        with self._turn(visitor, deadline):
            result = self._results.get(key)
            if result is None:
                try:
                    result = shared_decoder().view(
                        path, preprocessing, resize_mode, box, with_whole=with_whole, timeout=deadline.left
                    )
                except PhotoError as error:
                    result = error
                self._keep(key, result)
        if isinstance(result, PhotoError):
            raise result
        return result

    def displayable_copy(self, visitor: Hashable, path: Path, deadline: Deadline) -> Path | None:
        """Return the path of a JPEG copy of a readable TIFF, which few browsers show, or None for any other file."""
        try:
            with path.open("rb") as file:
                if not is_hidden_by_browsers(file.read(12)):
                    return None
            with self._turn(visitor, deadline):
                content = shared_decoder().display_copy(path, timeout=deadline.left)
            copy = new_folder() / f"{path.name}.jpg"
            copy.write_bytes(content)
        except (PhotoError, OSError):
            return None
        return copy

    def _keep(self, key: tuple[Any, ...], result: View | PhotoError) -> None:
        with self._changed:
            self._results[key] = result
            while len(self._results) > _MAX_RESULTS:
                self._results.popitem(last=False)

    @contextmanager
    def _turn(self, visitor: Hashable, deadline: Deadline) -> Iterator[None]:
        """Wait until no other photo of a visitor is being decoded; raise RequestTimeoutError after the deadline."""
        with self._changed:
            self._changed.wait_for(lambda: visitor not in self._busy, timeout=deadline.left)
            deadline.check()
            self._busy.add(visitor)
        try:
            yield
        except TimeoutError:
            deadline.check()
            raise
        finally:
            with self._changed:
                self._busy.discard(visitor)
                self._changed.notify_all()
