"""The run of a study: its photos are explained one after another, their records logged, and the results written."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camcore.drawing.output import save_text, to_json
from camcore.errors import CamError, OutputError
from camcore.explainer import Explainer
from camcore.images.decoder import shared_decoder
from camcore.images.preprocess import View
from camcore.report.html import write_report
from camcore.report.metrics_csv import to_csv
from camcore.study.file_names import METRICS, PROGRESS, REPORT, STUDY
from camcore.study.inputs.load import StudyInputs, StudyItem
from camcore.study.record import identify, make_record
from camcore.study.settings import StudySettings
from camcore.types import Box


class StudyLog:
    """The records in an output folder, of which those made under the same conditions are reused.

    `conditions` are what all records depend on: the model, the settings and the rules. The boxes and the true class of
    a photo concern its own record only. Nothing is erased: a later record of a photo replaces an earlier one.
    """

    def __init__(self, out: Path, conditions: Mapping[str, Any]):
        self._out = out
        self._path = out / PROGRESS
        self._conditions = _digest(conditions)
        self._records = {(record["file"], record["stem"]): record for record in _read_records(self._path)}

    @property
    def has_outdated_records(self) -> bool:
        """Return whether a photo was explained under other conditions; it is then explained again."""
        return any(record["conditions"] != self._conditions for record in self._records.values())

    def find(self, item: StudyItem, sha256: str) -> dict[str, Any] | None:
        """Return the record of a photo whose file has this digest, or None if there is none that can be reused.

        Its boxes, its true class and the conditions must be the same, the pictures must exist, and the photo must have
        been explained without an error.
        """
        record = self._records.get((item.photo.file, item.photo.stem))
        required = {"sha256": sha256, "error": None, **self._dependencies(item)}
        if record is None or any(record.get(key, "") != value for key, value in required.items()):
            return None
        entries = (record["view"], *record["explanations"], record.get("counterfactuals"))
        pictures = (entry["picture"] for entry in entries if entry)
        return record if all((self._out / picture).is_file() for picture in pictures) else None

    def add(self, item: StudyItem, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write a record, and return it with digests of what it depends on; raise OutputError if that fails."""
        full_record = {**record, **self._dependencies(item)}
        try:
            with self._path.open("a+b") as file:
                last_byte = self._path.read_bytes()[-1:]
                separator = b"" if last_byte in {b"", b"\n"} else b"\n"  # after a crash, the last line is incomplete
                file.write(separator + to_json(full_record).encode())
        except OSError as error:
            remedy = "free some space, or choose another --out"
            raise OutputError(f"{self._path} cannot be written ({error.strerror}): {remedy}") from error
        return full_record

    def _dependencies(self, item: StudyItem) -> dict[str, str]:
        return {"conditions": self._conditions, "inputs": _digest([item.boxes, repr(item.truth)])}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete records of a file in order, including those of earlier formats."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        with suppress(ValueError):  # a line may be incomplete
            record = json.loads(line)
            if isinstance(record, dict) and {"file", "stem", "conditions"} <= record.keys():
                yield record


@dataclass(frozen=True)
class StudiedPhoto:
    """The record of a photo, and whether it is reused from an earlier run; its `error` is None or a message."""

    record: dict[str, Any]
    reused: bool


def run_study(
    explainer: Explainer,
    inputs: StudyInputs,
    settings: StudySettings,
    out: Path,
    log: StudyLog,
    *,
    decode: Callable[[Path, Sequence[Box]], View] | None = None,
    acquire_model: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[StudiedPhoto]:
    """Yield the photos of a study in order, each as soon as it is explained or its record is found in `log`.

    No photo is explained before it is read from this generator. `decode` returns the model's view of a photo in which
    boxes mark the animal, by default with the shared decoder; the model runs only within `acquire_model()`. The record
    of a photo that cannot be read has its `error`. The folder for pictures in `out` must exist. Raise OutputError if a
    result cannot be written.
    """
    steps, resize_mode = explainer.manifest.preprocessing, settings.options.resize_mode

    def decode_here(path: Path, boxes: Sequence[Box]) -> View:
        return shared_decoder().view(path, steps, resize_mode, Box.around(boxes) if boxes else None)

    decode = decode or decode_here
    for item in inputs.items.values():
        identity = identify(item)
        record = log.find(item, identity["sha256"])
        if record is not None:
            yield StudiedPhoto({**record, "site": item.site}, reused=True)
            continue
        try:
            view = decode(item.photo.path, item.boxes or ())
            with acquire_model():
                record = identity | make_record(explainer, item.in_fractions(view.photo_size), view, settings, out)
        except OutputError:
            raise
        except CamError as error:
            record = identity | {"error": str(error)}
        yield StudiedPhoto(log.add(item, record), reused=False)


def write_results(out: Path, description: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of metrics, the report, and description and records as JSON into `out`.

    Raise OutputError if one of them cannot be written.
    """
    save_text(out / METRICS, to_csv(records))
    save_text(out / STUDY, to_json({**description, "photos": records}, indent=1))
    write_report(out / REPORT, description, records)
