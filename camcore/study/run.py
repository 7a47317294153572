"""A study's photos, one after another: their records, and what is written of them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camcore.drawing.output import save_text
from camcore.errors import CamError, OutputError
from camcore.explainer import Explainer
from camcore.report.html import write_report
from camcore.report.metrics_csv import to_csv
from camcore.study.inputs.load import StudyInputs
from camcore.study.record import StudyItem, StudySettings, make_record
from camcore.study.resume import StudyLog

CONFIDENCE = 0.2  # that a box needs, unless told otherwise
FIGURES, REPORT = "figures.csv", "report.html"


@dataclass(frozen=True)
class StudiedPhoto:
    """The record of a photo, and whether an earlier run had made it; its `error` is None, or says what went wrong."""

    record: dict[str, Any]
    reused: bool


def run_study(
    explainer: Explainer, known: StudyInputs, settings: StudySettings, out: Path, progress: StudyLog
) -> Iterator[StudiedPhoto]:
    """Study one photo after another, in order: whoever reads this shows how far it is, and stops it by reading no more.

    The folder for pictures in `out` must be there.

    Raises:
        OutputError: if a result cannot be written; a photo that cannot be read has a record that says so.
    """
    for subject in known.subjects:
        digest = _sha256(subject.photo.path)
        record = progress.find(subject, digest)
        if record is not None:
            yield StudiedPhoto(record, reused=True)
            continue
        record = progress.add(subject, _record(explainer, subject, digest, settings, out))
        yield StudiedPhoto(record, reused=False)


def write_results(out: Path, described: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
    """Write the figures and the report of a study, which `described` is about.

    Raises:
        OutputError: if one cannot be written.
    """
    save_text(out / FIGURES, to_csv(records))
    write_report(out / REPORT, described, records)


def _record(
    explainer: Explainer, subject: StudyItem, digest: str, settings: StudySettings, out: Path
) -> dict[str, Any]:
    photo = subject.photo
    about = {"file": photo.file, "species": photo.species, "stem": photo.stem, "sha256": digest, "error": None}
    try:
        return about | make_record(explainer, subject, settings, out)
    except OutputError:
        raise
    except CamError as error:
        return {**about, "error": str(error)}


def _sha256(path: Path) -> str:
    """Of a photo's bytes; "" if it cannot be read, which explaining it will say."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
