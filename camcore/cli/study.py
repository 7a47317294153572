"""The command `study`, which explains a folder of photos and writes a report, metrics and pictures."""

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camcore.cli.arguments import DONE, SOME_FAILED, STOPPED, add_shared, load_explainer, say, share
from camcore.drawing.output import make_folder
from camcore.errors import OutputError
from camcore.formatting import percent, seconds
from camcore.options import ExplainOptions
from camcore.study.description import conditions, describe
from camcore.study.file_names import METRICS, PICTURES, REPORT, STUDY
from camcore.study.inputs.detections import CONFIDENCE
from camcore.study.inputs.load import InputPaths, load_inputs
from camcore.study.run import StudiedPhoto, StudyLog, run_study, write_results
from camcore.study.settings import StudySettings


def run(arguments: argparse.Namespace) -> int:
    """Study a folder, and return the exit code, 0, 1 or 130; raise CamError if nothing can be done."""
    category, out = arguments.category, arguments.out
    paths = InputPaths(
        source=arguments.folder,
        boxes=arguments.boxes,
        truth=arguments.truth,
        species=arguments.species,
        category=category,
        confidence=arguments.confidence,
        truth_column=arguments.truth_column,
        site_from=arguments.site_from,
    )
    explainer = load_explainer(arguments)
    resize_mode = arguments.resize_mode or explainer.manifest.preprocessing.resize_mode
    options = ExplainOptions(definition=arguments.definition, effort=arguments.effort, resize_mode=resize_mode)
    settings = StudySettings(options, category, arguments.sanity, arguments.adcc)
    inputs = load_inputs(paths, explainer.manifest.labels, out)
    make_folder(out / PICTURES)
    log = StudyLog(out, conditions(explainer.manifest, settings))
    for note in inputs.notes:
        say(f"note: {note}")
    if log.has_outdated_records:
        difference = "another model, other settings or an earlier version"
        say(f"note: the photos in {out} were explained with {difference}, and are explained again")
    command = shlex.join(["python", "-m", "camcore", *arguments.command_line])
    description = describe(explainer.manifest, paths, settings, inputs, command)
    try:
        records = _collect(run_study(explainer, inputs, settings, out, log), len(inputs.items))
        write_results(out, description, records)
    except OutputError as error:
        say(f"error: {error}")
        return SOME_FAILED
    except KeyboardInterrupt:
        say("stopped: the photos listed above are done; run the same command again to continue")
        return STOPPED
    say(f"written: {out / REPORT}, {METRICS}, {STUDY} and {PICTURES}/")
    return SOME_FAILED if any(record["error"] is not None for record in records) else DONE


def _collect(photos: Iterator[StudiedPhoto], total: int) -> list[dict[str, Any]]:
    """Return one record per photo, and show the progress."""
    records, reused = [], 0
    with tqdm(photos, total=total, unit=" photos", leave=False, disable=None) as bar:
        for number, photo in enumerate(bar, start=1):
            records.append(photo.record)
            reused += photo.reused
            if not photo.reused:
                say(f"[{number}/{total}] {photo.record['file']}: {_summary(photo.record)}")
    if reused:
        say(f"{reused} of {total} photos were explained before, and their results are reused")
    return records


def _summary(record: dict[str, Any]) -> str:
    if record["error"] is not None:
        return str(record["error"])
    prediction = record["predictions"][0]
    summary = f"{prediction['name']} {percent(prediction['probability'])}, {seconds(record['seconds'])}"
    warnings = ", ".join(record["verdict"]["warnings"])
    return f"{summary}: {warnings}" if warnings else summary


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `study` to the commands."""
    parser = commands.add_parser("study", help="report on a folder of photos, with metrics for every map")
    parser.set_defaults(run=run)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of photos, with one subfolder per species")
    parser.add_argument("--boxes", type=Path, metavar="FILE", help="boxes of a detector, or of people")
    parser.add_argument("--category", default="animal", metavar="NAME", help="category of the boxes (default: animal)")
    confidence_help = f"minimum detection confidence, 0 to 1 (default: that of the file, else {CONFIDENCE})"
    parser.add_argument("--confidence", type=share, metavar="P", help=confidence_help)
    truth_help = "true classes of single photos: a table, or the file of a classifier"
    parser.add_argument("--truth", type=Path, metavar="FILE", help=truth_help)
    parser.add_argument("--truth-column", metavar="NAME", help="column of the species in the table of --truth")
    site_help = "where a photo was taken: what the files say, the first (second, …) folder of its path, or none"
    parser.add_argument("--site-from", default="column", metavar="column|folder:N|none", help=site_help)
    adcc_help = "the metric ADCC, for which every method runs once more"
    parser.add_argument("--adcc", action="store_true", help=adcc_help)
    species_help = "species of the subfolders: species, common_name, scientific_name, class"
    parser.add_argument("--species", type=Path, metavar="CSV", help=species_help)
    add_shared(parser, out="study")
