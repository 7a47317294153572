"""`python -m tests.bench baselines DIR BOXES`: the methods beside maps that know nothing, on photos with boxes."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camcore.cli.main import main as camcore
from camcore.methods.method_table import METHODS
from camcore.metrics.baselines import column_titles
from camcore.report import comparisons, summary
from camcore.report.metrics_table import MISSING, between, number
from tests.bench.machine import describe_versions

_KEYS = ("lift", "pointing_hit", "average_drop", "deletion_auc", "insertion_auc")


def main(arguments: list[str]) -> int:
    """Study the photos, and print Markdown tables; return the exit code of the study."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        command = ["study", str(options.photos), "--boxes", str(options.boxes), "--out", folder]
        command += ["--artifacts", str(options.artifact)] if options.artifact else []
        code = camcore([*command, "--adcc"])
        if code:
            return code
        study = json.loads((Path(folder) / "study.json").read_text(encoding="utf-8"))
    records = study["photos"]
    print(f"{describe_versions()}.\n{study['model']['model']}, {len(records)} photos; 95% intervals in brackets.\n")
    _print_metrics(records)
    _print_comparisons(records)
    return 0


def _print_metrics(records: Sequence[dict[str, Any]]) -> None:
    titles = column_titles(summary.methods_of(records)).values()
    print(f"|  | {' | '.join(titles)} |\n| --- |{' --- |' * len(titles)}")
    for row in summary.by_method(records):
        if row.metric.key in {*_KEYS, "adcc"}:
            cells = []
            for value in row.means:
                interval = row.metric.between(value.interval)
                cells.append(row.metric.text(value.value) + (f" ({interval})" if interval else ""))
            better = {"lower": ", lower is better", "higher": ", higher is better"}.get(row.metric.better, "")
            print(f"| {row.metric.title.format(target='animal').lower()}{better} | {' | '.join(cells)} |")


def _print_comparisons(records: Sequence[dict[str, Any]]) -> None:
    print("\n| method | metric | difference to Centre | conclusion |\n| --- | --- | --- | --- |")
    for entry in comparisons.against_centre(records):
        difference = number("{:+z.3f}", entry.difference.value)
        interval = between("{:+z.3f}", entry.difference.interval)
        cells = METHODS[entry.method].title, entry.metric.title.lower(), f"{difference} ({interval})", entry.conclusion
        print(f"| {' | '.join(cells)} |")
    print(f"\n{comparisons.centre_note(records)}\n\n| finding | photos | share |\n| --- | ---: | --- |")
    for finding in comparisons.finding_counts(records):
        share = f"{finding.count / finding.total:.0%} ({between('{:.0%}', finding.interval)})"
        print(f"| {finding.title.format(target='animal')} | {finding.count} | {share} |")
    print("\n| method | photos | lift and answers, Spearman |\n| --- | ---: | --- |")
    for pair in comparisons.lift_against_answers(records):
        interval = between("{:z.2f}", pair.interval) or MISSING
        print(f"| {METHODS[pair.method].title} | {pair.photos} | {number('{:z.2f}', pair.correlation)} ({interval}) |")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench baselines", description="The methods beside maps that know nothing."
    )
    parser.add_argument("photos", type=Path, metavar="DIR", help="folder of photos")
    parser.add_argument("boxes", type=Path, metavar="BOXES", help="their boxes")
    parser.add_argument("--artifact", type=Path, metavar="DIR", help="exported model (default: as for the commands)")
    return parser.parse_args(arguments)
