"""The results of a study: the report, the metrics of every map, and the description of how they were made."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from camcore.drawing.output import save_parts, save_text, to_json
from camcore.report.archive import write_archive_report
from camcore.report.html import write_report
from camcore.report.metrics_csv import csv_lines
from camcore.study.file_names import METRICS, REPORT, STUDY
from camcore.study.log import StudyRecords

ONE_FILE = 200  # photos that are explained in full, up to which the report is one file
_LISTED = 1000  # photos, up to which the description has the records


def write_results(
    out: Path, description: Mapping[str, Any], records: StudyRecords | Sequence[Mapping[str, Any]]
) -> int:
    """Write the table of metrics, the report, and description and records as JSON into `out`.

    `records` has one record per photo; they are read one at a time if there are many. Return the number of photos that
    could not be explained. Raise OutputError if one of the files cannot be written.
    """
    failed = 0

    def count_failed() -> Iterator[Mapping[str, Any]]:
        nonlocal failed
        for record in records:
            failed += record["error"] is not None
            yield record

    save_parts(out / METRICS, csv_lines(count_failed(), description["settings"]["methods"]))
    listed = {"photos": list(records)} if len(records) <= _LISTED else {}
    save_text(out / STUDY, to_json({**description, **listed}, indent=1))
    if len(records) <= ONE_FILE and all(record.get("level", "full") == "full" for record in records):
        write_report(out / REPORT, description, list(records))
    else:
        write_archive_report(out / REPORT, description, records)
    return failed
