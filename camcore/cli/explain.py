"""`python -m camcore explain`: photos in, pictures and JSON lines out."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camcore.cli.arguments import (
    DONE,
    NOTHING_DONE,
    SOME_FAILED,
    add_explain_options,
    add_model,
    explain_options,
    say,
    share,
)
from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import make_folder, output_stems, save_map, save_picture
from camcore.drawing.overlay import COLOUR_MAPS, OPACITY, ColourMap, draw_overlay
from camcore.errors import CamError
from camcore.explainer import Explainer
from camcore.formatting import extent, percent, seconds
from camcore.images.photo import open_photo
from camcore.methods.explanations import finished
from camcore.methods.grad_cam import ALL_METHODS, METHODS, MethodName
from camcore.model.classes import find_class_pair
from camcore.model.manifest import find_artifact
from camcore.options import ExplainOptions
from camcore.records import FailureRecord, PhotoRecord, photo_record
from camcore.results import Explanation, ForwardPass


@dataclass(frozen=True)
class ExplainArguments:
    """The arguments of `explain`; `options` has no classes yet, which are given as names or indices."""

    photos: list[str]
    artifacts: Path | None
    model: str | None
    threads: int | None
    class_name: str | None
    contrast_class: str | None
    methods: tuple[MethodName, ...]
    options: ExplainOptions
    out: Path
    opacity: float
    colour_map: ColourMap
    save_maps: bool
    sanity: bool
    json: bool


def run(arguments: ExplainArguments) -> int:
    """Explain photos. Return 0 if all were explained, 1 if some failed, 2 if nothing could be done."""
    try:
        explainer = Explainer.load(find_artifact(arguments.artifacts, arguments.model), arguments.threads)
        classes = find_class_pair(explainer.manifest.labels, arguments.class_name, arguments.contrast_class)
        options = replace(arguments.options, class_idx=classes[0], contrast_idx=classes[1])
        make_folder(arguments.out)
    except CamError as error:
        say(f"error: {error}")
        return NOTHING_DONE
    failures = 0
    stems = output_stems(arguments.photos)
    for number, (photo, stem) in enumerate(zip(arguments.photos, stems, strict=True), start=1):
        prefix = f"[{number}/{len(stems)}] " if len(stems) > 1 else ""
        record: PhotoRecord | FailureRecord
        try:
            record = explained = _explain(explainer, options, arguments, photo, stem)
        except CamError as error:
            failures += 1
            record = {"file": photo, "error": str(error)}
            say(f"{prefix}{photo}: {error}")
        else:
            say(f"{prefix}{photo}: {_summary(explained, arguments.out / f'{stem}.compare.png')}")
        if arguments.json:
            sys.stdout.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            sys.stdout.flush()
    return SOME_FAILED if failures else DONE


def _explain(
    explainer: Explainer, options: ExplainOptions, arguments: ExplainArguments, file: str, stem: str
) -> PhotoRecord:
    """Explain one photo, write its files, and return its JSON record."""
    photo = open_photo(file)
    start = time.perf_counter()
    forward_pass = explainer.forward(photo, options.resize_mode)
    steps = explainer.stream(forward_pass, options, arguments.methods)
    explanations = finished(_with_progress(steps, options, Path(file).name), arguments.methods)
    duration = time.perf_counter() - start
    maps = _save(explanations, forward_pass, arguments, stem)
    source = source_line(Path(file).name, explainer.manifest, explanations)
    drawing = {"opacity": arguments.opacity, "colour_map": arguments.colour_map}
    save_picture(
        arguments.out / f"{stem}.compare.png",
        draw_comparison(forward_pass.view.image, explanations, source, **drawing),  # type: ignore[arg-type]
    )
    record = photo_record(file, explainer.manifest, duration, explainer.predict(forward_pass), explanations, maps=maps)
    if arguments.sanity:
        class_idx, contrast_idx = explanations[0].class_idx, options.contrast_idx
        record["sanity"] = explainer.sanity(forward_pass, class_idx, arguments.methods, contrast_idx=contrast_idx)
    return record


def _summary(record: PhotoRecord, picture: Path) -> str:
    first = record["explanations"][0]
    summary = f"{first['name']} {percent(first['probability'])}, {seconds(record['seconds'])}, {picture}"
    for method, correlation in record.get("sanity", {}).items():
        similarity = "has no map" if correlation is None else f"correlates {correlation:.2f}"
        summary += f"; {METHODS[method].title} {similarity} with that of an untrained classifier"
    return summary


def _with_progress(steps: Iterator[Explanation], options: ExplainOptions, name: str) -> Iterator[Explanation]:
    """Show a bar on a terminal while Score-CAM runs."""
    with tqdm(desc=f"{name}: Score-CAM", unit=" forwards", leave=False, disable=None, delay=0.5) as bar:
        for explanation in steps:
            if explanation.forwards is not None:
                bar.total = explanation.channels_alive if options.effort == "exact" else None
                bar.set_postfix_str(extent(explanation), refresh=False)
                bar.update(explanation.forwards - bar.n)
            yield explanation


def _save(
    explanations: Sequence[Explanation], forward_pass: ForwardPass, arguments: ExplainArguments, stem: str
) -> dict[MethodName, str]:
    """Write each overlay, and its map if requested; return the paths of the maps."""
    maps: dict[MethodName, str] = {}
    for explanation in explanations:
        base = f"{stem}.{METHODS[explanation.method].file_name}"
        view = forward_pass.view.image
        overlay = draw_overlay(view, explanation.heatmap, arguments.opacity, arguments.colour_map)
        save_picture(arguments.out / f"{base}.png", overlay)
        if arguments.save_maps:
            path = arguments.out / f"{base}.npy"
            save_map(path, explanation.heatmap)
            maps[explanation.method] = str(path)
    return maps


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `explain` to the commands."""
    parser = commands.add_parser("explain", help="draw the class activation maps of photos")
    parser.set_defaults(run=lambda values, _command: run(_arguments(values)))
    parser.add_argument("photos", nargs="+", metavar="PHOTO")
    add_model(parser)
    add_explain_options(parser)
    parser.add_argument(
        "--class", dest="class_name", metavar="NAME_OR_INDEX", help="class to explain (default: the most probable)"
    )
    parser.add_argument(
        "--rather-than", dest="contrast_class", metavar="NAME_OR_INDEX", help="class to set the explained class against"
    )
    parser.add_argument(
        "--method", dest="methods", action="append", choices=METHODS, help="method, may be repeated (default: all)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("explanations"), metavar="DIR", help="output folder (default: explanations)"
    )
    parser.add_argument(
        "--opacity", type=share, default=OPACITY, help=f"opacity of the hottest pixel, 0 to 1 (default: {OPACITY})"
    )
    parser.add_argument("--colour-map", choices=COLOUR_MAPS, default="inferno", help="colour map (default: inferno)")
    parser.add_argument("--save-maps", action="store_true", help="heatmaps as .npy too, float32 in [0, 1]")
    parser.add_argument("--sanity", action="store_true", help="comparison with the maps of an untrained classifier")
    parser.add_argument("--json", action="store_true", help="one JSON object per photo on standard output")


def _arguments(values: dict[str, Any]) -> ExplainArguments:
    options = explain_options(values)
    methods = tuple(dict.fromkeys(values.pop("methods") or ALL_METHODS))
    return ExplainArguments(**values, methods=methods, options=options)
