"""`python -m camcore explain`: photos in, pictures and JSON lines out."""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camcore.artifact import find_artifact
from camcore.classes import find_class
from camcore.comparison import draw_comparison
from camcore.effort import Effort, read_effort
from camcore.errors import CamError, EffortError
from camcore.explain import ALL_METHODS, Explainer
from camcore.methods import METHODS, MethodName
from camcore.output import make_folder, output_stems, save_map, save_picture
from camcore.overlay import COLOUR_MAPS, OPACITY, ColourMap, draw_overlay
from camcore.photo import open_photo
from camcore.preprocess import FITS, Fit
from camcore.results import Explanation, ForwardPass
from camcore.score_cam import DEFINITIONS, DefinitionName
from camcore.text import extent, percent, seconds

DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2


@dataclass(frozen=True)
class Options:
    """The arguments of `explain`; `class_idx` None means the most probable class."""

    photos: list[str]
    artifacts: Path | None
    model: str | None
    wanted_class: str | None
    methods: tuple[MethodName, ...]
    definition: DefinitionName
    effort: Effort
    fit: Fit
    out: Path
    threads: int | None
    opacity: float
    colour_map: ColourMap
    save_maps: bool
    json: bool


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns 0 if all was done, 1 if some photos failed, 2 if nothing could be done."""
    options = _parse(arguments)
    try:
        explainer = Explainer.load(find_artifact(options.artifacts, options.model), options.threads)
        wanted = options.wanted_class
        class_idx = None if wanted is None else find_class(explainer.manifest.labels, wanted)
        make_folder(options.out)
    except CamError as error:
        _say(f"error: {error}")
        return NOTHING_DONE
    failed = 0
    for number, (photo, stem) in enumerate(zip(options.photos, output_stems(options.photos), strict=True), start=1):
        prefix = f"[{number}/{len(options.photos)}] " if len(options.photos) > 1 else ""
        try:
            record = _explain(explainer, photo, stem, class_idx, options)
        except CamError as error:
            failed += 1
            record = {"file": photo, "error": str(error)}
            _say(f"{prefix}{photo}: {error}")
        else:
            first = record["explanations"][0]
            picture = options.out / f"{stem}.compare.png"
            took = seconds(record["seconds"])
            _say(f"{prefix}{photo}: {first['name']} {percent(first['probability'])}, {took}, {picture}")
        if options.json:
            sys.stdout.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            sys.stdout.flush()
    return SOME_FAILED if failed else DONE


def _explain(explainer: Explainer, file: str, stem: str, class_idx: int | None, options: Options) -> dict[str, Any]:
    """Explain one photo, write its files, and return its JSON record."""
    photo = open_photo(file)
    start = time.perf_counter()
    passed = explainer.forward(photo, options.fit)
    explanations = _with_progress(explainer, passed, class_idx, options, Path(file).name)
    spent = time.perf_counter() - start
    records = [_save(explanation, passed, options.out / stem, options) for explanation in explanations]
    manifest = explainer.manifest
    source = f"{Path(file).name}  ·  {manifest.model} {manifest.weights}, {manifest.target_layer}"
    for explanation in explanations:
        if explanation.method == "score-cam":
            source += f"  ·  Score-CAM as in “{options.definition}”, {options.effort}, {explanation.precision}"
    picture = draw_comparison(
        passed.view.image, explanations, source, opacity=options.opacity, colour_map=options.colour_map
    )
    save_picture(options.out / f"{stem}.compare.png", picture)
    return {
        "file": file,
        "model": manifest.model,
        "weights": manifest.weights,
        "seconds": spent,
        "predictions": [asdict(prediction) for prediction in explainer.predict(passed)],
        "explanations": records,
    }


def _with_progress(
    explainer: Explainer, passed: ForwardPass, class_idx: int | None, options: Options, name: str
) -> list[Explanation]:
    """The finished explanations, with a bar on a terminal while Score-CAM runs."""
    finished: dict[MethodName, Explanation] = {}
    steps = explainer.stream(passed, class_idx, options.methods, definition=options.definition, effort=options.effort)
    with tqdm(desc=f"{name}: Score-CAM", unit=" forwards", leave=False, disable=None, delay=0.5) as bar:
        for explanation in steps:
            finished[explanation.method] = explanation
            if explanation.forwards is not None:
                bar.total = explanation.channels_alive if options.effort == "exact" else None
                bar.set_postfix_str(extent(explanation), refresh=False)
                bar.update(explanation.forwards - bar.n)
    return [finished[method] for method in options.methods]


def _save(explanation: Explanation, passed: ForwardPass, base: Path, options: Options) -> dict[str, Any]:
    """Write one explanation's overlay, and its map if asked; returns its JSON record."""
    path = base.with_name(f"{base.name}.{METHODS[explanation.method].file_name}")
    pixels = draw_overlay(passed.view.image, explanation.heatmap, options.opacity, options.colour_map)
    save_picture(path.with_name(f"{path.name}.png"), pixels)
    record = asdict(explanation)
    heatmap, _ = record.pop("heatmap"), record.pop("complete")
    record["map"] = None
    if options.save_maps:
        record["map"] = f"{path}.npy"
        save_map(Path(record["map"]), heatmap)
    return record


def _say(message: str) -> None:
    tqdm.write(message, file=sys.stderr)


def _parse(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m camcore", description="See what an image classifier looked at.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    explain = commands.add_parser("explain", help="draw the class activation maps of photos")
    explain.add_argument("photos", nargs="+", metavar="PHOTO")
    explain.add_argument("--artifacts", type=Path, metavar="DIR", help="one exported model, or a folder of them")
    explain.add_argument("--model", metavar="NAME", help="which of the exported models (default: resnet50)")
    explain.add_argument(
        "--class", dest="wanted_class", metavar="NAME_OR_INDEX", help="class to explain (default: the most probable)"
    )
    explain.add_argument(
        "--method", dest="methods", action="append", choices=METHODS, help="give it again for several (default: all)"
    )
    explain.add_argument("--definition", choices=DEFINITIONS, default="paper", help="of Score-CAM (default: paper)")
    explain.add_argument(
        "--effort",
        type=_effort,
        default="fast",
        metavar="fast|exact|N",
        help="of Score-CAM: until it is alike enough, every channel in fp32, or N forwards (default: fast)",
    )
    explain.add_argument("--fit", choices=FITS, default="crop", help="; ".join(f"{k}: {v}" for k, v in FITS.items()))
    explain.add_argument("--out", type=Path, default=Path("explanations"), metavar="DIR", help="default: explanations")
    explain.add_argument("--threads", type=_count, metavar="N", help="of the forwards (default: the cores there are)")
    explain.add_argument("--opacity", type=_share, default=OPACITY, help=f"of the hottest pixel (default: {OPACITY})")
    explain.add_argument("--colour-map", choices=COLOUR_MAPS, default="inferno", help="default: inferno")
    explain.add_argument("--save-maps", action="store_true", help="also write each heatmap as .npy, float32 in [0, 1]")
    explain.add_argument("--json", action="store_true", help="print one JSON object a photo")
    values = vars(parser.parse_args(arguments))
    values["methods"] = tuple(dict.fromkeys(values["methods"] or ALL_METHODS))
    return Options(**values)


def _effort(text: str) -> Effort:
    try:
        return read_effort(text)
    except EffortError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
