"""A visitor's study of many photos: begun, explained photo by photo, stopped, gone on with, and written up."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from camcore.drawing.output import make_folder
from camcore.errors import CamError
from camcore.report.html import picture
from camcore.study.description import conditions, describe
from camcore.study.inputs.load import InputPaths, StudyInputs, load_inputs
from camcore.study.record import PICTURES, StudySettings
from camcore.study.resume import StudyLog
from camcore.study.run import CONFIDENCE, FIGURES, REPORT, StudiedPhoto, run_study, write_results
from demo.service import messages
from demo.service.models import Models
from demo.service.uploads import UploadError, collect, is_zip, read_upload

THUMBNAIL = 80  # pixels
_PHOTOS = "photos"
_SETTINGS = StudySettings(target_word=messages.TARGET)


@dataclass(frozen=True)
class StudyRequest:
    """What is to be studied, and with which model; None means the first."""

    uploads: tuple[Path, ...]
    boxes: Path | None = None
    model: str | None = None


@dataclass(frozen=True)
class TableRow:
    """A photo's record, a small picture of what the model saw as a data URI ("" if none), and where the photo lies."""

    record: Mapping[str, Any]
    thumbnail: str
    photo: Path


class Study:
    """What was asked for, in a temporary folder that goes when the study is closed; `rows` grow with `explain_next`.

    Raises:
        CamError: if what was asked for cannot be studied.
    """

    def __init__(self, models: Models, asked: StudyRequest):
        self.asked = asked
        self.rows: list[TableRow] = []
        self._model_queue = models.queue
        self._place = TemporaryDirectory(prefix="many-photos-")
        self._desk = Path(self._place.name)
        try:
            self._prepare(models)
        except CamError as error:
            self.close()
            raise UploadError(self._said(str(error))) from error

    def _prepare(self, models: Models) -> None:
        self._model = self.asked.model or models.first
        self._explainer = models.explainer(self._model)
        self._out = self._desk / "made"
        make_folder(self._out / PICTURES)
        folder = self._desk / "given" / _folder_name(self.asked.uploads)
        notes = collect(self.asked.uploads, folder)
        self._sources = InputPaths(folder, self._boxes(), None, None, messages.TARGET, CONFIDENCE)
        self.known: StudyInputs = load_inputs(self._sources, self._explainer.manifest.labels, self._out)
        self.notes = (*notes, *(self._said(note) for note in self.known.notes))
        self.go_on()

    def go_on(self) -> None:
        """Begin again; photos that were explained before are taken over in a moment."""
        self.rows = []
        kept = StudyLog(self._out, conditions(self._explainer.manifest, _SETTINGS))
        self._photos: Iterator[StudiedPhoto] = run_study(self._explainer, self.known, _SETTINGS, self._out, kept)

    @property
    def total(self) -> int:
        """How many photos there are."""
        return len(self.known.subjects)

    @property
    def complete(self) -> bool:
        """Whether every photo has its row."""
        return len(self.rows) == self.total

    def explain_next(self) -> None:
        """Explain the next photo, which gets its row.

        Raises:
            OutputError: if a result cannot be written.
            LateError: if others keep the model too long.
        """
        with self._model_queue.acquire(self._model_queue.deadline()):
            record = next(self._photos).record
        photo = self.known.subjects[len(self.rows)].photo.path
        seen = "" if record["error"] is not None else picture(self._out, record["view"]["picture"], THUMBNAIL)
        self.rows.append(TableRow(record, seen, photo))

    def latest(self) -> dict[str, Any]:
        """How far it is, and the last photo's record."""
        return {"done": len(self.rows), "total": self.total, "photos": [row.record for row in self.rows[-1:]]}

    def whole(self) -> dict[str, Any]:
        """How far it is, what it was made with, and every record: the JSON that the command writes."""
        return {**self._described(), **self.latest(), "photos": [row.record for row in self.rows]}

    def write(self) -> tuple[Path, Path]:
        """Write the report and the figures of the rows there are, and tell where.

        Raises:
            OutputError: if one cannot be written.
        """
        write_results(self._out, self._described(), [row.record for row in self.rows])
        return self._out / REPORT, self._out / FIGURES

    def close(self) -> None:
        """Delete the study's folder."""
        self._place.cleanup()

    def _described(self) -> dict[str, Any]:
        """What it was made with, named as the visitor does."""
        described = describe(self._explainer.manifest, self._sources, _SETTINGS, self.known, self._command())
        given = {"folder": self._sources.folder.name, "boxes": self._sources.boxes and self._sources.boxes.name}
        return {**described, "settings": described["settings"] | given, "notes": list(self.notes)}

    def _boxes(self) -> Path | None:
        """The file of boxes, beside the photos, so that what is said of it names it as the visitor does."""
        if self.asked.boxes is None:
            return None
        copied = self._desk / "boxes" / self.asked.boxes.name
        make_folder(copied.parent)
        copied.write_bytes(read_upload(self.asked.boxes))
        return copied

    def _command(self) -> str:
        """What would study the same photos elsewhere."""
        boxes = ["--boxes", self._sources.boxes.name] if self._sources.boxes else []
        return shlex.join(
            ["python", "-m", "camcore", "study", self._sources.folder.name, *boxes, "--model", self._model]
        )

    def _said(self, sentence: str) -> str:
        """A sentence without where this machine keeps the files, which it names as the visitor does."""
        if self.asked.boxes is not None:
            name = self.asked.boxes.name
            sentence = sentence.replace(str(self._desk / "boxes" / name), f"“{name}”")
        return re.sub(rf"{re.escape(str(self._desk))}/\w+/", "", sentence)


def _folder_name(uploads: Sequence[Path]) -> str:
    """Of a zip on its own, which names the study, or a plain word."""
    alone = uploads[0].stem if len(uploads) == 1 and is_zip(uploads[0]) else _PHOTOS
    return _PHOTOS if alone.startswith((".", "-")) or not alone.strip() else alone[:60]
