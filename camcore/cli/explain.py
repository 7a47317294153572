"""`python -m camcore explain`: photos in, pictures and JSON lines out."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camcore.cli.arguments import DONE, NOTHING_DONE, SOME_FAILED, add_model, say, share
from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import make_folder, output_stems, save_map, save_picture
from camcore.drawing.overlay import COLOUR_MAPS, OPACITY, ColourMap, draw_overlay
from camcore.errors import CamError, ClassError
from camcore.explainer import ALL_METHODS, Explainer
from camcore.formatting import extent, percent, seconds
from camcore.images.photo import open_photo
from camcore.images.preprocess import ResizeMode
from camcore.methods.effort import Effort
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.methods.score_cam import DefinitionName
from camcore.model.classes import find_class
from camcore.model.manifest import find_artifact
from camcore.records import FailureRecord, PhotoRecord, photo_record
from camcore.results import Explanation, ForwardPass


@dataclass(frozen=True)
class ExplainArguments:
    """The arguments of `explain`; without `wanted_class`, the most probable class."""

    photos: list[str]
    artifacts: Path | None
    model: str | None
    wanted_class: str | None
    methods: tuple[MethodName, ...]
    definition: DefinitionName
    effort: Effort
    fit: ResizeMode
    out: Path
    threads: int | None
    opacity: float
    colour_map: ColourMap
    save_maps: bool
    sanity: bool
    json: bool
    rather_than: str | None


@dataclass(frozen=True)
class _Work:
    """What is the same for all photos; the classes are indices, None where nothing was asked for."""

    explainer: Explainer
    options: ExplainArguments
    class_idx: int | None
    rather_than: int | None


def run(options: ExplainArguments) -> int:
    """Explain photos. Returns 0 if all was done, 1 if some photos failed, 2 if nothing could be done."""
    try:
        work = _load(options)
        make_folder(options.out)
    except CamError as error:
        say(f"error: {error}")
        return NOTHING_DONE
    failed = 0
    for number, (photo, stem) in enumerate(zip(options.photos, output_stems(options.photos), strict=True), start=1):
        prefix = f"[{number}/{len(options.photos)}] " if len(options.photos) > 1 else ""
        record: PhotoRecord | FailureRecord
        try:
            record = explained = _explain(work, photo, stem)
        except CamError as error:
            failed += 1
            record = {"file": photo, "error": str(error)}
            say(f"{prefix}{photo}: {error}")
        else:
            say(f"{prefix}{photo}: {_summary(explained, options.out / f'{stem}.compare.png')}")
        if options.json:
            sys.stdout.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            sys.stdout.flush()
    return SOME_FAILED if failed else DONE


def _load(options: ExplainArguments) -> _Work:
    explainer = Explainer.load(find_artifact(options.artifacts, options.model), options.threads)
    class_idx, rather_than = (
        None if wanted is None else find_class(explainer.manifest.labels, wanted)
        for wanted in (options.wanted_class, options.rather_than)
    )
    if class_idx is not None and class_idx == rather_than:
        raise ClassError(f"{explainer.manifest.labels[class_idx]} cannot be set against itself: choose two classes")
    return _Work(explainer, options, class_idx, rather_than)


def _explain(work: _Work, file: str, stem: str) -> PhotoRecord:
    """Explain one photo, write its files, and return its JSON record."""
    explainer, options = work.explainer, work.options
    photo = open_photo(file)
    start = time.perf_counter()
    forward_pass = explainer.forward(photo, options.fit)
    explanations = _with_progress(work, forward_pass, Path(file).name)
    spent = time.perf_counter() - start
    picture = draw_comparison(
        forward_pass.view.image,
        explanations,
        source_line(Path(file).name, explainer.manifest, explanations),
        opacity=options.opacity,
        colour_map=options.colour_map,
    )
    save_picture(options.out / f"{stem}.compare.png", picture)
    maps = _save(explanations, forward_pass, options.out / stem, options)
    record = photo_record(file, explainer.manifest, spent, explainer.predict(forward_pass), explanations, maps=maps)
    if options.sanity:
        asked = explanations[0].class_idx
        found = explainer.sanity(forward_pass, asked, options.methods, rather_than=work.rather_than)
        record["sanity"] = {str(method): correlation for method, correlation in found.items()}
    return record


def _summary(record: PhotoRecord, picture: Path) -> str:
    first = record["explanations"][0]
    said = f"{first['name']} {percent(first['probability'])}, {seconds(record['seconds'])}, {picture}"
    titles: dict[str, str] = {method: entry.title for method, entry in METHODS.items()}
    for method, correlation in record.get("sanity", {}).items():
        alike = "has no map" if correlation is None else f"correlates {correlation:.2f}"
        said += f"; {titles[method]} {alike} with that of an untrained classifier"
    return said


def _with_progress(work: _Work, forward_pass: ForwardPass, name: str) -> list[Explanation]:
    """The finished explanations, with a bar on a terminal while Score-CAM runs."""
    options = work.options
    finished: dict[MethodName, Explanation] = {}
    steps = work.explainer.stream(
        forward_pass,
        work.class_idx,
        options.methods,
        rather_than=work.rather_than,
        definition=options.definition,
        effort=options.effort,
    )
    with tqdm(desc=f"{name}: Score-CAM", unit=" forwards", leave=False, disable=None, delay=0.5) as bar:
        for explanation in steps:
            finished[explanation.method] = explanation
            if explanation.forwards is not None:
                bar.total = explanation.channels_alive if options.effort == "exact" else None
                bar.set_postfix_str(extent(explanation), refresh=False)
                bar.update(explanation.forwards - bar.n)
    return [finished[method] for method in options.methods]


def _save(
    explanations: Sequence[Explanation], forward_pass: ForwardPass, base: Path, options: ExplainArguments
) -> dict[MethodName, str]:
    """Write each overlay, and its map if asked; returns the paths of the maps."""
    maps: dict[MethodName, str] = {}
    for explanation in explanations:
        path = base.with_name(f"{base.name}.{METHODS[explanation.method].file_name}")
        pixels = draw_overlay(forward_pass.view.image, explanation.heatmap, options.opacity, options.colour_map)
        save_picture(path.with_name(f"{path.name}.png"), pixels)
        if options.save_maps:
            maps[explanation.method] = f"{path}.npy"
            save_map(Path(maps[explanation.method]), explanation.heatmap)
    return maps


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `explain` to the commands."""
    parser = commands.add_parser("explain", help="draw the class activation maps of photos")
    parser.set_defaults(run=lambda values, _given: run(_options(values)))
    parser.add_argument("photos", nargs="+", metavar="PHOTO")
    add_model(parser)
    parser.add_argument(
        "--class", dest="wanted_class", metavar="NAME_OR_INDEX", help="class to explain (default: the most probable)"
    )
    parser.add_argument("--rather-than", metavar="NAME_OR_INDEX", help="explain what speaks against this class as well")
    parser.add_argument(
        "--method", dest="methods", action="append", choices=METHODS, help="give it again for several (default: all)"
    )
    parser.add_argument("--out", type=Path, default=Path("explanations"), metavar="DIR", help="default: explanations")
    parser.add_argument("--opacity", type=share, default=OPACITY, help=f"of the hottest pixel (default: {OPACITY})")
    parser.add_argument("--colour-map", choices=COLOUR_MAPS, default="inferno", help="default: inferno")
    parser.add_argument("--save-maps", action="store_true", help="also write each heatmap as .npy, float32 in [0, 1]")
    parser.add_argument(
        "--sanity", action="store_true", help="compare with maps of a classifier that has learnt nothing"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a photo")


def _options(values: dict[str, Any]) -> ExplainArguments:
    return ExplainArguments(**{**values, "methods": tuple(dict.fromkeys(values["methods"] or ALL_METHODS))})
