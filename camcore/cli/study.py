"""`python -m camcore study`: a folder of photos in; a report, figures and pictures out."""

import argparse
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camcore.cli.arguments import (
    DONE,
    NOTHING_DONE,
    SOME_FAILED,
    STOPPED,
    add_explain_options,
    add_model,
    explain_options,
    say,
    share,
)
from camcore.drawing.output import make_folder, save_text
from camcore.errors import CamError, OutputError
from camcore.explainer import Explainer
from camcore.formatting import percent, seconds
from camcore.model.manifest import find_artifact
from camcore.study.description import conditions, describe
from camcore.study.inputs.load import InputPaths, StudyInputs, load_inputs
from camcore.study.record import PICTURES, StudySettings
from camcore.study.resume import StudyLog
from camcore.study.run import CONFIDENCE, FIGURES, REPORT, run_study, write_results


@dataclass(frozen=True)
class StudyArguments:
    """The arguments of `study`, as they were `given` too."""

    sources: InputPaths
    settings: StudySettings
    artifacts: Path | None
    model: str | None
    threads: int | None
    out: Path
    given: tuple[str, ...]


def run(options: StudyArguments) -> int:
    """Study a folder. Returns 0 if all was done, 1 if photos failed, 2 if nothing could be done, 130 if stopped."""
    try:
        explainer = Explainer.load(find_artifact(options.artifacts, options.model), options.threads)
        known = load_inputs(options.sources, explainer.manifest.labels, options.out)
        make_folder(options.out / PICTURES)
        progress = StudyLog(options.out, conditions(explainer.manifest, options.settings))
    except CamError as error:
        say(f"error: {error}")
        return NOTHING_DONE
    for note in known.notes:
        say(f"note: {note}")
    if progress.has_outdated_records:
        say(f"note: photos in {options.out} were explained with another model or settings, and are explained again")
    try:
        records = _records(explainer, known, progress, options)
        _write(explainer, known, records, options)
    except OutputError as error:
        say(f"error: {error}")
        return SOME_FAILED
    except KeyboardInterrupt:
        say("stopped: the photos named above are done, and the same command goes on from here")
        return STOPPED
    return SOME_FAILED if any(record["error"] is not None for record in records) else DONE


def _records(
    explainer: Explainer, known: StudyInputs, progress: StudyLog, options: StudyArguments
) -> list[dict[str, Any]]:
    """A record a photo, those of an earlier run taken over."""
    records, reused = [], 0
    total = len(known.subjects)
    study = run_study(explainer, known, options.settings, options.out, progress)
    with tqdm(study, total=total, unit=" photos", leave=False, disable=None) as bar:
        for number, studied in enumerate(bar, start=1):
            record = studied.record
            if studied.reused:
                reused += 1
            else:
                say(f"[{number}/{total}] {record['file']}: {_said(record)}")
            records.append(record)
    if reused:
        say(f"{reused} of {len(records)} photos were done before, and are taken over")
    return records


def _said(record: dict[str, Any]) -> str:
    if record["error"] is not None:
        return str(record["error"])
    first = record["predictions"][0]
    worries = ", ".join(record["verdict"]["warnings"])
    return f"{first['name']} {percent(first['probability'])}, {seconds(record['seconds'])}{worries and ': ' + worries}"


def _write(
    explainer: Explainer, known: StudyInputs, records: Sequence[dict[str, Any]], options: StudyArguments
) -> None:
    command = shlex.join(["python", "-m", "camcore", *options.given])
    described = describe(explainer.manifest, options.sources, options.settings, known, command)
    study = {**described, "photos": records}
    save_text(options.out / "study.json", json.dumps(study, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    write_results(options.out, described, records)
    say(f"written: {options.out / REPORT}, {FIGURES}, study.json and {PICTURES}/")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `study` to the commands."""
    parser = commands.add_parser("study", help="explain a folder of photos, and write a report")
    parser.set_defaults(run=lambda values, given: run(_options(values, given)))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of photos, one subfolder a species")
    parser.add_argument("--boxes", type=Path, metavar="FILE", help="JSON of MegaDetector or SpeciesNet")
    parser.add_argument("--category", default="animal", metavar="NAME", help="of the boxes to use (default: animal)")
    parser.add_argument(
        "--confidence", type=share, default=CONFIDENCE, metavar="P", help=f"that a box needs (default: {CONFIDENCE})"
    )
    parser.add_argument("--truth", type=Path, metavar="CSV", help="what photos show: file, and class or species")
    parser.add_argument(
        "--species", type=Path, metavar="CSV", help="subfolders: species, common_name, scientific_name, class"
    )
    add_model(parser)
    add_explain_options(parser)
    parser.add_argument(
        "--sanity", action="store_true", help="compare with maps of a classifier that has learnt nothing"
    )
    parser.add_argument("--out", type=Path, default=Path("study"), metavar="DIR", help="default: study")


def _options(values: dict[str, Any], given: Sequence[str]) -> StudyArguments:
    known = {name: values[name] for name in ("folder", "boxes", "truth", "species", "category", "confidence")}
    settings = StudySettings(explain_options(values), values["category"], values["sanity"])
    rest = {name: values[name] for name in ("artifacts", "model", "threads", "out")}
    return StudyArguments(InputPaths(**known), settings, **rest, given=tuple(given))
