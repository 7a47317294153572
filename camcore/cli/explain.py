"""The command `explain`, which writes pictures of the class activation maps of photos, and JSON lines."""

import argparse
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from PIL import Image
from tqdm import tqdm

from camcore.cli.arguments import DONE, METHOD_NAMES, SOME_FAILED, add_shared, box, load_explainer, say, share
from camcore.drawing.comparison import draw_comparison, source_line, stack_comparisons
from camcore.drawing.output import make_folder, output_stems, save_map, save_picture, to_json
from camcore.drawing.overlay import COLOUR_MAPS, OPACITY, draw_overlay
from camcore.errors import CamError
from camcore.explainer import Explainer
from camcore.formatting import extent, percent, seconds
from camcore.images.decoder import shared_decoder
from camcore.images.preprocess import View
from camcore.methods.explanations import finished
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MethodName
from camcore.metrics.localisation import visible_boxes
from camcore.model.classes import find_class_pair
from camcore.options import ExplainOptions
from camcore.records import FailureRecord, PhotoRecord, evidence_record, photo_record
from camcore.results import Explanation
from camcore.study.inputs.detections import ANIMAL, read_detections
from camcore.trust_record import cautions, trust_record
from camcore.types import Box, in_fractions


class _Photo(NamedTuple):
    """A photo to explain: its path or name, the stem of its files, and the boxes that mark the animal."""

    file: str
    stem: str
    boxes: Sequence[Box]


def run(arguments: argparse.Namespace) -> int:
    """Explain photos, and return the exit code, 0 or 1; raise CamError if nothing can be done."""
    explainer = load_explainer(arguments)
    explainers = [explainer.at_layer(name) for name in _layers(explainer, arguments.layers)]
    if arguments.sanity and len(explainers) > 1:
        raise CamError(f"--sanity compares the maps of one layer, not of {len(explainers)}: name one with --layer")
    classes = find_class_pair(explainer.manifest.labels, arguments.class_name, arguments.contrast_class)
    options = ExplainOptions(*classes, arguments.definition, arguments.effort, arguments.resize_mode)
    stems, boxes = output_stems(arguments.photos), _boxes(arguments)
    make_folder(arguments.out)
    failures = 0
    for number, (photo, stem) in enumerate(zip(arguments.photos, stems, strict=True), start=1):
        prefix = f"[{number}/{len(stems)}] " if len(stems) > 1 else ""
        record: PhotoRecord | FailureRecord
        try:
            record = _explain(explainers, options, arguments, _Photo(photo, stem, boxes.get(photo, ())))
            message = _summary(record, arguments.out / f"{stem}.compare.png")
            if arguments.boxes and "verdict" not in record:
                message += f"; {arguments.boxes.name} has no box in this photo"
        except CamError as error:
            failures, message = failures + 1, str(error)
            record = {"file": photo, "error": message}
        say(f"{prefix}{photo}: {message}")
        if arguments.json:
            sys.stdout.write(to_json(record))
            sys.stdout.flush()
    return SOME_FAILED if failures else DONE


def _layers(explainer: Explainer, names: Sequence[str] | None) -> list[str]:
    """Return the names of the layers to explain: the target layer, those that are named, or all."""
    layers = [layer.name for layer in explainer.manifest.layers]
    return layers if names == ["all"] else list(dict.fromkeys(names or layers[:1]))


def _explain(
    explainers: Sequence[Explainer], options: ExplainOptions, arguments: argparse.Namespace, photo: _Photo
) -> PhotoRecord:
    """Explain one photo at each layer, write its files, and return its JSON record."""
    steps, around = explainers[0].manifest.preprocessing, Box.around(photo.boxes) if photo.boxes else None
    view = shared_decoder().view(Path(photo.file), steps, options.resize_mode, around)
    boxes = in_fractions(photo.boxes, view.photo_size)
    records, pictures = [], []
    for explainer in explainers:
        layer = explainer.manifest.layer.name if len(explainers) > 1 else None
        part = _Photo(Path(photo.file).name, _stem(photo.stem, layer), boxes)
        record, picture = _explain_layer(explainer, options, arguments, photo=part, view=view)
        if layer is not None:
            for explanation in record["explanations"]:
                explanation["layer"] = layer
        records.append(record)
        pictures.append(picture)
    save_picture(arguments.out / f"{photo.stem}.compare.png", stack_comparisons(pictures))
    explanations = [explanation for record in records for explanation in record["explanations"]]
    duration = sum(record["seconds"] for record in records)
    return {**records[0], "file": photo.file, "seconds": duration, "explanations": explanations}


def _explain_layer(
    explainer: Explainer,
    options: ExplainOptions,
    arguments: argparse.Namespace,
    *,
    photo: _Photo,
    view: View,
) -> tuple[PhotoRecord, Image.Image]:
    """Explain one photo at one layer, write its files, and return its record and the comparison."""
    start = time.perf_counter()
    forward_pass = explainer.forward(view)
    methods = list(dict.fromkeys(arguments.methods or DEFAULT_METHODS))
    steps = explainer.stream(forward_pass, options, methods)
    explanations = finished(_with_progress(steps, options, photo.file), methods)
    duration = time.perf_counter() - start
    source = source_line(photo.file, explainer.manifest, explanations)
    judged = evidence_record(explainer, forward_pass, explanations, photo.boxes, ANIMAL) if photo.boxes else None
    checked = trust_record(explainer, forward_pass, explanations, is_requested=arguments.sanity)
    verdict = " ".join(filter(None, (judged["verdict"]["sentence"] if judged else "", cautions(checked))))
    maps, picture = _save(explanations, view, source, arguments, photo=photo, verdict=verdict)
    predictions, damage = explainer.predict(forward_pass), view.damage
    record = photo_record(photo.file, explainer.manifest, duration, predictions, explanations, damage=damage, maps=maps)
    return cast(PhotoRecord, {**record, **(judged or {}), **checked}), picture


def _stem(stem: str, layer: str | None) -> str:
    """Return the start of the names of a photo's files, with the layer if several are explained."""
    return stem if layer is None else f"{stem}.{re.sub(r'[^a-zA-Z0-9_]+', '-', layer)}"


def _boxes(arguments: argparse.Namespace) -> Mapping[str, Sequence[Box]]:
    """Return the boxes of each photo that has any; raise BoxesError if the file of boxes cannot be used."""
    if arguments.box is not None:
        return dict.fromkeys(arguments.photos, (arguments.box,))
    if arguments.boxes is None:
        return {}
    detections = read_detections(arguments.boxes)
    for note in detections.notes:
        say(f"note: {arguments.boxes.name} {note}")
    return {photo: boxes for photo, boxes in detections.among(arguments.photos).items() if boxes}


def _summary(record: PhotoRecord, picture: Path) -> str:
    explanation = record["explanations"][0]
    summary = f"{explanation['name']} {percent(explanation['probability'])}, {seconds(record['seconds'])}, {picture}"
    if record["damage"]:
        summary += f"; the photo is {record['damage']}"
    if "verdict" in record:
        summary += f"; {record['verdict']['summary']}"
    for method, correlation in ({} if "caution" in record else record.get("sanity", {})).items():
        similarity = "cannot be compared" if correlation is None else f"correlates by {correlation:.2f}"
        summary += f"; the {METHODS[method].title} map {similarity} with the map of an untrained classifier"
    return f"{summary}. {text}" if (text := cautions(record)) else summary


def _with_progress(steps: Iterator[Explanation], options: ExplainOptions, name: str) -> Iterator[Explanation]:
    """Yield the explanations of `steps`, with a progress bar for Score-CAM on a terminal."""
    with tqdm(desc=f"{name}: Score-CAM", unit=" forwards", leave=False, disable=None, delay=0.5) as bar:
        for explanation in steps:
            if explanation.forwards is not None:
                bar.total = explanation.channels_alive if options.effort == "exact" else None
                bar.set_postfix_str(extent(explanation), refresh=False)
                bar.update(explanation.forwards - bar.n)
            yield explanation


def _save(
    explanations: Sequence[Explanation],
    view: View,
    source: str,
    arguments: argparse.Namespace,
    *,
    photo: _Photo,
    verdict: str,
) -> tuple[dict[MethodName, str], Image.Image]:
    """Write each overlay, and its map if requested; return the paths of the maps, and the comparison."""
    opacity, colour_map = arguments.opacity, arguments.colour_map
    overlays = []
    maps: dict[MethodName, str] = {}
    for explanation in explanations:
        base = f"{photo.stem}.{METHODS[explanation.method].file_name}"
        overlays.append(draw_overlay(view.image, explanation.heatmap, opacity, colour_map))
        save_picture(arguments.out / f"{base}.png", overlays[-1])
        if arguments.save_maps:
            path = arguments.out / f"{base}.npy"
            save_map(path, explanation.heatmap)
            maps[explanation.method] = str(path)
    comparison = draw_comparison(
        view.image, explanations, source, opacity=opacity, colour_map=colour_map, overlays=overlays,
        boxes=visible_boxes(photo.boxes, view), verdict=verdict,
    )  # fmt: skip
    return maps, comparison


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `explain` to the commands."""
    parser = commands.add_parser("explain", help="class activation maps of single photos")
    parser.set_defaults(run=run)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photo to explain")
    add_shared(parser, out="explanations")
    class_help = "class to explain (default: the most probable)"
    contrast_help = "class to contrast with the explained class"
    parser.add_argument("--class", dest="class_name", metavar="NAME_OR_INDEX", help=class_help)
    parser.add_argument("--rather-than", dest="contrast_class", metavar="NAME_OR_INDEX", help=contrast_help)
    method_help = f"method, repeatable: {METHOD_NAMES}"
    parser.add_argument("--method", dest="methods", action="append", choices=METHODS, metavar="NAME", help=method_help)
    opacity_help = f"opacity of the hottest pixel, 0 to 1 (default: {OPACITY})"
    parser.add_argument("--opacity", type=share, default=OPACITY, help=opacity_help)
    parser.add_argument("--colour-map", choices=COLOUR_MAPS, default="inferno", help="colour map (default: inferno)")
    layer_help = "layer of the exported model, repeatable, or all (default: its target layer)"
    parser.add_argument("--layer", dest="layers", metavar="NAME", action="append", help=layer_help)
    marks = parser.add_mutually_exclusive_group()
    box_help = "box of the animal, as fractions of the photo: is the heat on it, and does the prediction need it?"
    marks.add_argument("--box", type=box, metavar="LEFT,TOP,RIGHT,BOTTOM", help=box_help)
    marks.add_argument("--boxes", type=Path, metavar="FILE", help="boxes of a detector, or of people, as for a study")
    parser.add_argument("--save-maps", action="store_true", help="heatmaps as .npy files, float32 in [0, 1]")
    parser.add_argument("--json", action="store_true", help="one JSON object per photo on standard output")
