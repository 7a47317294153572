"""The command `study`, which explains a folder of photos and writes a report, metrics and pictures."""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camcore.cli.arguments import DONE, METHOD_NAMES, SOME_FAILED, STOPPED, add_shared, say, share
from camcore.drawing.output import make_folder
from camcore.errors import OutputError, StudyError
from camcore.explainer import Explainer
from camcore.formatting import percent, seconds
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MethodName
from camcore.model.artifact_folders import find_artifact
from camcore.model.manifest import Manifest, read_manifest
from camcore.options import ExplainOptions
from camcore.study.description import conditions, describe
from camcore.study.file_names import METRICS as METRICS_FILE
from camcore.study.file_names import PICTURES, PROGRESS, REPORT, ROWS, STUDY
from camcore.study.inputs.addresses import argument_without_secrets, parse_location
from camcore.study.inputs.detections import CONFIDENCE
from camcore.study.inputs.load import InputPaths, load_inputs
from camcore.study.local_engine import LocalEngine
from camcore.study.log import StudyLog
from camcore.study.outputs import write_results
from camcore.study.phases import Phase, StudyRun
from camcore.study.ray_engine import RayEngine
from camcore.study.remote import RemoteFiles
from camcore.study.rows import has_parquet
from camcore.study.sampling import EVERYTHING
from camcore.study.settings import LEVELS, StudySettings

_ALL = sys.maxsize  # value of `--sample all`
_EVERY = 1000  # photos, after which a line reports the progress where no bar can


def run(arguments: argparse.Namespace) -> int:
    """Study photos, and return the exit code, 0, 1 or 130; raise CamError if nothing can be done."""
    out: Path = arguments.out
    if arguments.resume and not (out / PROGRESS).is_file():
        raise StudyError(f"there is no study to resume in {out}: name its folder with --out, or leave out --resume")
    paths = _paths(arguments)
    if arguments.save_maps and not has_parquet():
        raise StudyError("--save-maps writes Parquet files, which need pyarrow: pip install pyarrow")
    directory = find_artifact(arguments.artifacts, arguments.model)
    manifest = read_manifest(directory)
    engine = _engine(arguments, directory, manifest)
    settings = _settings(arguments, manifest)
    inputs = load_inputs(paths, manifest.labels, out)
    make_folder(out / PICTURES)
    log = StudyLog(out, {level: conditions(manifest, replace(settings, level=level)) for level in LEVELS})
    for note in inputs.notes:
        say(f"note: {note}")
    if log.has_outdated_records:
        difference = "another model, other settings or an earlier version"
        say(f"note: the photos in {out} were explained with {difference}, and are explained again")
    study = StudyRun(inputs.items, settings, out=out, log=log, sample=arguments.sample, seed=arguments.seed)
    command = shlex.join(["python", "-m", "camcore", *map(argument_without_secrets, arguments.command_line)])
    description = describe(manifest, paths, settings, inputs, command)
    description["settings"] |= {
        "levels": study.levels,
        "sample": _sample_text(arguments.sample),
        "seed": arguments.seed,
    }
    try:
        with engine:
            for phase in study.phases(engine):
                _follow(phase, is_only=len(study.levels) == 1)
        failed = write_results(out, description, study.records)
    except OutputError as error:
        say(f"error: {error}")
        return SOME_FAILED
    except KeyboardInterrupt:
        say("stopped: the photos that were explained are saved; run the same command again to continue")
        return STOPPED
    say(f"written: {out / REPORT}, {METRICS_FILE}, {STUDY}, {ROWS}/ and {PICTURES}/")
    return SOME_FAILED if failed else DONE


def _engine(arguments: argparse.Namespace, directory: Path, manifest: Manifest) -> LocalEngine | RayEngine:
    if arguments.engine == "ray":
        return RayEngine(directory, manifest, arguments.threads, arguments.device)
    return LocalEngine(Explainer.load(directory, arguments.threads, arguments.device))


def _paths(arguments: argparse.Namespace) -> InputPaths:
    return InputPaths(
        source=arguments.source,
        root=arguments.root,
        boxes=arguments.boxes,
        truth=arguments.truth,
        species=arguments.species,
        category=arguments.category,
        confidence=arguments.confidence,
        truth_column=arguments.truth_column,
        site_from=arguments.site_from,
        remote=RemoteFiles(private_redirects=arguments.private_redirects),
    )


def _settings(arguments: argparse.Namespace, manifest: Manifest) -> StudySettings:
    resize_mode = arguments.resize_mode or manifest.preprocessing.resize_mode
    return StudySettings(
        ExplainOptions(definition=arguments.definition, effort=arguments.effort, resize_mode=resize_mode),
        arguments.category,
        sanity=arguments.sanity,
        adcc=arguments.adcc,
        methods=arguments.methods,
        fast_decode=arguments.fast_decode,
        save_maps=arguments.save_maps,
        reads_dates=True,
        private_redirects=arguments.private_redirects,
        device=arguments.device,
    )


def _sample_text(sample: int | None) -> str | int | None:
    return "all" if sample == _ALL else sample


def _follow(phase: Phase, *, is_only: bool) -> None:
    """Do the work of a phase, and show its progress: a line for each photo, or of an archive for those that failed."""
    reused = errors = 0
    screening = phase.level == "screen"
    title = None if is_only else "screening" if screening else "in full"
    with tqdm(phase.photos, desc=title, total=phase.total, unit=" photos", leave=False, disable=None) as bar:
        for number, photo in enumerate(bar, start=1):
            reused += photo.reused
            if photo.record["error"] is not None:
                errors += 1
                bar.set_postfix_str(f"{errors:,} failed")
            if not photo.reused and (not screening or photo.record["error"] is not None):
                say(f"[{number}/{phase.total}] {photo.record['file']}: {_summary(photo.record)}")
            elif screening and number % _EVERY == 0 and bar.disable:
                say(f"[{number}/{phase.total}] screened, {errors:,} failed")
    if reused:
        say(f"{reused} of {phase.total} photos were explained before, and their results are reused")


def _summary(record: dict[str, Any]) -> str:
    if record["error"] is not None:
        return str(record["error"])
    prediction = record["predictions"][0]
    summary = f"{prediction['name']} {percent(prediction['probability'])}, {seconds(record['seconds'])}"
    warnings = ", ".join(record["verdict"]["warnings"])
    return f"{summary}: {warnings}" if warnings else summary


def sample_size(text: str) -> int:
    """Parse the value of `--sample`: a number of photos, or "all"."""
    if text == "all":
        return _ALL
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of photos nor all")
    return int(text)


def method_names(text: str) -> tuple[MethodName, ...]:
    """Parse the value of `--methods`: names of methods with commas between them, in the order of the report."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a method: choose from {', '.join(METHODS)}")
    return tuple(name for name in METHODS if name in names)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `study` to the commands."""
    parser = commands.add_parser("study", help="report on a folder of photos, with metrics for every map")
    parser.set_defaults(run=run)
    source_help = (
        "folder of photos, with a subfolder per species; or a list, table, COCO or Camtrap DP that names them; or the "
        "address of a folder, such as s3://…"
    )
    parser.add_argument("source", type=parse_location, metavar="SOURCE", help=source_help)
    root_help = "folder or address that the paths in SOURCE are relative to (default: the folder of SOURCE)"
    parser.add_argument("--root", type=parse_location, metavar="DIR", help=root_help)
    parser.add_argument("--boxes", type=Path, metavar="FILE", help="boxes of a detector, or of people")
    parser.add_argument("--category", default="animal", metavar="NAME", help="category of the boxes (default: animal)")
    confidence_help = f"minimum detection confidence, 0 to 1 (default: that of the file, else {CONFIDENCE})"
    parser.add_argument("--confidence", type=share, metavar="P", help=confidence_help)
    truth_help = "true classes of single photos: a table, or the file of a classifier"
    parser.add_argument("--truth", type=Path, metavar="FILE", help=truth_help)
    parser.add_argument("--truth-column", metavar="NAME", help="column of the species in the table of --truth")
    site_help = "where a photo was taken: what the files say, the first (second, …) folder of its path, or none"
    parser.add_argument("--site-from", default="column", metavar="column|folder:N|none", help=site_help)
    methods_help = f"methods to run in full, with commas between them: {METHOD_NAMES}"
    parser.add_argument("--methods", type=method_names, default=DEFAULT_METHODS, metavar="NAMES", help=methods_help)
    sample_help = (
        f"photos to explain in full; the others are screened with Grad-CAM (default: all up to {EVERYTHING:,}, else "
        f"{EVERYTHING:,})"
    )
    parser.add_argument("--sample", type=sample_size, metavar="N|all", help=sample_help)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random half of the sample")
    fast_help = "decode large JPEGs at a fraction of their size, which changes the results slightly"
    parser.add_argument("--fast-decode", action="store_true", help=fast_help)
    parser.add_argument("--save-maps", action="store_true", help="keep the maps in the rows, as float16; needs pyarrow")
    private_help = "let web servers redirect to addresses of this computer and its network"
    parser.add_argument("--private-redirects", action="store_true", help=private_help)
    engine_help = "local, or ray: the Ray cluster at RAY_ADDRESS, or Ray on this computer (default: local)"
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help=engine_help)
    parser.add_argument("--resume", action="store_true", help="continue a study; refuse if --out has none")
    adcc_help = "the metric ADCC, for which every method runs once more"
    parser.add_argument("--adcc", action="store_true", help=adcc_help)
    species_help = "species of the subfolders: species, common_name, scientific_name, class"
    parser.add_argument("--species", type=Path, metavar="CSV", help=species_help)
    add_shared(parser, out="study")
