"""The run of a study: its photos are explained one after another, and the results are written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camcore.drawing.output import save_text, to_json
from camcore.errors import CamError, OutputError
from camcore.explainer import Explainer
from camcore.report.html import write_report
from camcore.report.metrics_csv import to_csv
from camcore.study.file_names import METRICS, REPORT, STUDY
from camcore.study.inputs.load import StudyInputs
from camcore.study.record import StudySettings, identify, make_record
from camcore.study.resume import StudyLog


@dataclass(frozen=True)
class StudiedPhoto:
    """The record of a photo, and whether it is reused from an earlier run; its `error` is None or a message."""

    record: dict[str, Any]
    reused: bool


def run_study(
    explainer: Explainer, inputs: StudyInputs, settings: StudySettings, out: Path, log: StudyLog
) -> Iterator[StudiedPhoto]:
    """Yield the photos of a study in order, each as soon as it is explained or its record is found in `log`.

    No photo is explained before it is read from this generator. The record of a photo that cannot be read has its
    `error`. The folder for pictures in `out` must exist.

    Raises:
        OutputError: if a result cannot be written.
    """
    for item in inputs.items:
        identity = identify(item.photo)
        record = log.find(item, identity["sha256"])
        if record is not None:
            yield StudiedPhoto(record, reused=True)
            continue
        try:
            record = identity | make_record(explainer, item, settings, out)
        except OutputError:
            raise
        except CamError as error:
            record = identity | {"error": str(error)}
        yield StudiedPhoto(log.add(item, record), reused=False)


def write_results(out: Path, description: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
    """Write the results of a study into `out`: the table of metrics, the report, and description and records as JSON.

    Raises:
        OutputError: if one of them cannot be written.
    """
    save_text(out / METRICS, to_csv(records))
    save_text(out / STUDY, to_json({**description, "photos": records}, indent=1))
    write_report(out / REPORT, description, records)
