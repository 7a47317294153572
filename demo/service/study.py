"""One visitor's study of many photos: prepared, explained photo by photo, stopped, resumed and reported."""

import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from camcore.drawing.output import make_folder
from camcore.errors import CamError
from camcore.images.preprocess import View
from camcore.methods.method_table import DEFAULT_METHODS, MethodName
from camcore.options import ExplainOptions
from camcore.report.html import picture
from camcore.study.description import conditions, describe
from camcore.study.file_names import METRICS, PICTURES, REPORT
from camcore.study.inputs.load import InputPaths, load_inputs
from camcore.study.local_engine import OneByOneEngine
from camcore.study.log import StudyLog
from camcore.study.outputs import write_results
from camcore.study.run import run_study
from camcore.study.settings import StudySettings
from camcore.types import Box
from demo.service import messages
from demo.service.models import Models
from demo.service.uploads import UploadError, collect, is_zip, read_upload

_THUMBNAIL = 80  # pixels
_PHOTOS, _BOXES = "photos", "boxes"
_MAX_NAME = 60  # characters


@dataclass(frozen=True)
class StudyRequest:
    """The uploads to study, an optional file of boxes, the name of the model (None: the first), and the methods."""

    uploads: tuple[Path, ...]
    boxes: Path | None = None
    model: str | None = None
    methods: tuple[MethodName, ...] = DEFAULT_METHODS


@dataclass(frozen=True)
class TableRow:
    """One studied photo: its record, what the model saw as a data URI ("" if it cannot be read), and its path."""

    record: Mapping[str, Any]
    thumbnail: str
    photo: Path


class Study:
    """A study in a temporary folder, which is deleted when the study is closed; `explain_next` adds to `rows`.

    Raises CamError if the request cannot be studied.
    """

    def __init__(self, models: Models, request: StudyRequest):
        self.request = request
        self._models = models
        self._temporary = TemporaryDirectory(prefix="many-photos-")
        self._folder = Path(self._temporary.name)
        self._out = self._folder / "results"
        self.model = request.model or models.first
        try:
            self._explainer = models.explainer(self.model)
            resize_mode = self._explainer.manifest.preprocessing.resize_mode
            options = ExplainOptions(resize_mode=resize_mode)
            self._settings = StudySettings(options, messages.TARGET, methods=request.methods)
            make_folder(self._out / PICTURES)
            self._source = photos = self._folder / _PHOTOS / _study_name(request.uploads)
            notes = collect(request.uploads, photos)
            self._paths = InputPaths(
                photos, self._copy_boxes(), None, None, messages.TARGET, source_kind="folder"
            )  # an upload cannot make the server read other files, whatever it contains
            self.inputs = load_inputs(self._paths, self._explainer.manifest.labels, self._out)
            self.notes = (*notes, *map(self._without_folder, self.inputs.notes))
            self.resume()
        except CamError as error:
            self.close()
            raise UploadError(self._without_folder(str(error))) from error

    def resume(self) -> None:
        """Start from the first photo again; photos that were explained before are not explained anew."""
        self.rows: list[TableRow] = []
        log = StudyLog(self._out, {"full": conditions(self._explainer.manifest, self._settings)})
        engine = OneByOneEngine(self._explainer, self._decode, self._acquire)
        self._photos = run_study(engine, self.inputs.items.values(), self._settings, self._out, log)

    @property
    def options(self) -> ExplainOptions:
        """Return the options with which each photo is explained."""
        return self._settings.options

    @property
    def total(self) -> int:
        """Return the number of photos."""
        return len(self.inputs.items)

    @property
    def complete(self) -> bool:
        """Return whether every photo has its row."""
        return len(self.rows) == self.total

    def explain_next(self) -> None:
        """Explain the next photo, and add its row.

        Raises OutputError if a result cannot be written, RequestTimeoutError if the model is not free in time.
        """
        record = next(self._photos).record
        photo = Path(self.inputs.items[record["file"]].photo.path)
        thumbnail = "" if record["error"] is not None else picture(self._out, record["view"]["picture"], _THUMBNAIL)
        self.rows.append(TableRow(record, thumbnail, photo))

    def latest_record(self) -> dict[str, Any]:
        """Return the progress and the record of the photo that was explained last, as JSON."""
        return {"done": len(self.rows), "total": self.total, "photos": [row.record for row in self.rows[-1:]]}

    def full_record(self) -> dict[str, Any]:
        """Return the study's description, its progress and every record, as in the JSON that the command writes."""
        return {**self._description(), **self.latest_record(), "photos": [row.record for row in self.rows]}

    def write(self) -> tuple[Path, Path]:
        """Write the report and the CSV file for the rows so far, and return their paths; may raise OutputError."""
        write_results(self._out, self._description(), [row.record for row in self.rows])
        return self._out / REPORT, self._out / METRICS

    def close(self) -> None:
        """Delete the study's folder."""
        self._temporary.cleanup()

    def _decode(self, source: Path | bytes, boxes: Sequence[Box]) -> View:
        assert isinstance(source, Path), "uploads are files"
        steps, deadline = self._explainer.manifest.preprocessing, self._models.queue.deadline()
        return self._models.photos.view(id(self), source, steps, None, deadline, boxes=boxes)

    def _acquire(self) -> AbstractContextManager[None]:
        return self._models.queue.acquire(self._models.queue.deadline())

    def _description(self) -> dict[str, Any]:
        """Return the description of the study, with the files named as the visitor named them."""
        folder, boxes = self._source.name, self._paths.boxes and self._paths.boxes.name
        options = [*(["--boxes", boxes] if boxes else []), "--model", self.model]
        command = shlex.join(["python", "-m", "camcore", "study", folder, *options])
        description = describe(self._explainer.manifest, self._paths, self._settings, self.inputs, command)
        settings = description["settings"] | {"source": folder, "boxes": boxes}
        return {**description, "settings": settings, "notes": list(self.notes)}

    def _copy_boxes(self) -> Path | None:
        """Copy the file of boxes into the study's folder, so that messages can name it as the visitor did."""
        if self.request.boxes is None:
            return None
        copy = self._folder / _BOXES / self.request.boxes.name
        make_folder(copy.parent)
        copy.write_bytes(read_upload(self.request.boxes))
        return copy

    def _without_folder(self, message: str) -> str:
        """Return a message in which files are named as the visitor named them, without their path on the server."""
        if self.request.boxes is not None:
            name = self.request.boxes.name
            message = message.replace(str(self._folder / _BOXES / name), f"“{name}”")
        return re.sub(rf"{re.escape(str(self._folder))}/\w+/", "", message)


def _study_name(uploads: Sequence[Path]) -> str:
    """Return the name of the only zip, which names the study, or else a plain word."""
    name = uploads[0].stem if len(uploads) == 1 and is_zip(uploads[0]) else _PHOTOS
    return _PHOTOS if name.startswith((".", "-")) or not name.strip() else name[:_MAX_NAME]
