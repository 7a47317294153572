"""`python -m tests.bench archive`: speed and memory of a study of many photos, and its report."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from camcore import Explainer
from camcore.model.manifest import ONNX, ONNX_INT8
from camcore.model.onnx import Scorer
from camcore.options import ExplainOptions
from camcore.report.archive import write_archive_report
from camcore.study.inputs.load import InputPaths, load_inputs
from camcore.study.local_engine import LocalEngine
from camcore.study.log import StudyLog
from camcore.study.outputs import write_results
from camcore.study.phases import StudyRun
from camcore.study.settings import StudySettings
from camcore.types import Array
from tests.archive_records import DESCRIPTION, planted_records, write_thumbnails
from tests.bench.machine import describe_machine, describe_versions, peak_memory
from tests.bench.scene import bundled_photo, imagenet_photos, prepare_scene

_REPOSITORY = Path(__file__).parents[2]
_SMALL, _LARGE = (224, 224), (4000, 3000)  # pixels
_BATCH = 16
_MONTHS, _SITES = 12, 8
_WARM_UP = 24  # photos


@dataclass(frozen=True)
class Work:
    """One row of the table: what a study does, with which photos, and the photos a second that it should reach."""

    title: str
    settings: StudySettings
    folder: str
    boxes: bool
    photos: int
    least: float


@dataclass(frozen=True)
class Rate:
    """Seconds a photo of a study, and of the same forward passes alone."""

    study: float
    forwards: float


def main(arguments: list[str]) -> int:
    """Measure, and print three Markdown tables. Returns 0 whatever the figures are."""
    if arguments[:1] == ["alone"]:
        return _alone(Path(arguments[1]), Path(arguments[2]), Path(arguments[3]), int(arguments[4]))
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as name:
        folder = Path(name)
        print(f"exporting a {options.model} of seeded weights, and making photos", file=sys.stderr, flush=True)
        scene = prepare_scene(folder, options.model, bundled_photo())
        make_photos(folder / "small", _SMALL, max(options.photos, _WARM_UP))
        make_photos(folder / "large", _LARGE, max(options.large, _WARM_UP))
        print(f"{describe_machine()}; {describe_versions()}.")
        print(f"{options.model} of seeded weights; medians of {options.rounds} rounds in turns.\n")
        _print_rates(scene.artifact, folder, options)
        _print_growth(scene.artifact, folder, options)
        _print_report(folder / "report", options.many[1])
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench archive", description=__doc__)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--photos", type=int, default=240, help="224-pixel photos that are screened")
    parser.add_argument("--large", type=int, default=48, help="12-megapixel photos that are screened")
    parser.add_argument("--full", type=int, default=12, help="photos that are explained in full")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--many", type=int, nargs=2, default=(100, 10_000), help="photos of a small and a large archive"
    )
    return parser.parse_args(arguments)


def make_photos(folder: Path, size: tuple[int, int], count: int) -> None:
    """Write JPEGs of this (width, height), which are different parts of the photos of ImageNet that foolbox carries."""
    folder.mkdir()
    random = Random(0)
    for number, source in enumerate(islice(cycle(imagenet_photos()), count)):
        with Image.open(source) as opened:
            photo = opened.convert("RGB")
        side = int(min(photo.size) * random.uniform(0.6, 1))
        left, top = random.randrange(photo.width - side + 1), random.randrange(photo.height - side + 1)
        part = photo.crop((left, top, left + side, top + side)).resize(size, Image.Resampling.BICUBIC)
        part.save(folder / f"{number:06}.jpg", quality=90)


def _print_rates(artifact: Path, folder: Path, options: argparse.Namespace) -> None:
    screen = StudySettings(ExplainOptions(), level="screen")
    works = [
        Work("prediction and Grad-CAM, 224 pixels", screen, "small", False, options.photos, 15),
        Work("prediction and Grad-CAM, 12 megapixels, fast", replace(screen, fast_decode=True), "large", False,
             options.large, 9),
        Work("screen, 224 pixels", screen, "small", True, options.photos // 2, 7),
        Work("full: three methods, curves of 32 steps", replace(screen, level="full"), "small", True, options.full,
             0.35),
    ]  # fmt: skip
    explainer = Explainer.load(artifact)
    print("| figure | photos a second | at least | forward passes alone | share of their speed | at least |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for work in works:
        rates = [_rate(explainer, work, folder) for _ in range(options.rounds + 1)][1:]
        study, forwards = (median(values) for values in zip(*((r.study, r.forwards) for r in rates), strict=True))
        share = median(rate.forwards / rate.study for rate in rates)
        least = "90%" if work.folder == "small" else ""
        print(
            f"| {work.title} | {1 / study:.2f} | {work.least} | {1 / forwards:.2f} | {share:.0%} | {least} |",
            flush=True,
        )


def _rate(explainer: Explainer, work: Work, folder: Path) -> Rate:
    """Study photos, and then run as many inputs alone; both in seconds a photo."""
    with tempfile.TemporaryDirectory() as name, counted() as counts:
        seconds, total = _study(explainer, work, folder / work.folder, Path(name))
    alone = run_alone(explainer, counts)
    return Rate(seconds / total, alone / total)


@contextmanager
def counted() -> Iterator[Counter[tuple[str, str]]]:
    """Count the inputs that ONNX Runtime runs, by the file of the model and what is computed."""
    counts: Counter[tuple[str, str]] = Counter()
    methods = {name: getattr(Scorer, name) for name in ("forward", "logits")}

    def count(name: str) -> Callable[[Scorer, Array], Any]:
        def counting(scorer: Scorer, x: Array) -> Any:
            counts[scorer.path.name, name] += len(x)
            return methods[name](scorer, x)

        return counting

    for name in methods:
        setattr(Scorer, name, count(name))
    try:
        yield counts
    finally:
        for name, method in methods.items():
            setattr(Scorer, name, method)


def run_alone(explainer: Explainer, counts: Counter[tuple[str, str]]) -> float:
    """Run so many inputs in batches, on all cores, and return the seconds."""
    x = np.zeros((_BATCH, 3, *explainer.manifest.preprocessing.size), np.float32)
    scorers = {ONNX: explainer._scorer, ONNX_INT8: explainer._int8_scorer}
    for file, name in counts:
        getattr(scorers[file], name)(x[:1])
    start = time.perf_counter()
    for (file, name), count in counts.items():
        for first in range(0, count, _BATCH):
            getattr(scorers[file], name)(x[: min(_BATCH, count - first)])
    return time.perf_counter() - start


def _study(explainer: Explainer, work: Work, photos: Path, out: Path) -> tuple[float, int]:
    """Study some photos of a folder into `out`, and return the seconds and the number of photos."""
    files = sorted(photos.glob("*.jpg"))[: work.photos]
    boxes = out / "boxes.json" if work.boxes else None
    (out / "list.txt").write_text("\n".join(map(str, files)))
    if boxes:
        boxes.write_text(json.dumps(detections_of(list(map(str, files)))))
    inputs = load_inputs(InputPaths(out / "list.txt", boxes, None, None, "animal"), explainer.manifest.labels, out)
    sample = 0 if work.settings.level == "screen" else sys.maxsize
    return _timed(explainer, inputs.items, work.settings, out, sample), len(inputs.items)


def _timed(explainer: Explainer, items: Any, settings: StudySettings, out: Path, sample: int) -> float:
    log = StudyLog(out, {settings.level: {}})
    (out / "explanations").mkdir()
    study = StudyRun(items, settings, out=out, log=log, sample=sample)
    with LocalEngine(explainer) as engine:
        start = time.perf_counter()
        for phase in study.phases(engine):
            for _ in phase.photos:
                pass
        return time.perf_counter() - start


def detections_of(files: Sequence[str]) -> dict[str, Any]:
    """Return the content of a file of boxes, one for each photo."""
    box = [0.25, 0.25, 0.5, 0.5]
    detections = [{"category": "1", "conf": 0.9, "bbox": box}]
    return {
        "detection_categories": {"1": "animal"},
        "images": [{"file": file, "detections": detections} for file in files],
    }


def _print_growth(artifact: Path, folder: Path, options: argparse.Namespace) -> None:
    """Print what becomes of time and memory as the number of photos grows, in processes of their own."""
    print("\n| photos | seconds a photo | peak memory | results written in |")
    print("| ---: | ---: | ---: | ---: |")
    for count in options.many:
        out = folder / f"many-{count}"
        command = [
            sys.executable,
            "-m",
            "tests.bench.archive",
            "alone",
            str(artifact),
            str(folder / "small"),
            str(out),
            str(count),
        ]
        run = subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
        seconds, peak, written = json.loads(run.stdout)
        print(f"| {count:,} | {seconds:.4f} | {peak:.3f} GB | {written:.1f} s |", flush=True)


def _print_report(folder: Path, count: int) -> None:
    """Print how long the report of so many screened photos with boxes takes to write and to open, and its size."""
    folder.mkdir()
    write_thumbnails(folder)
    start = time.perf_counter()
    write_archive_report(folder / "report.html", DESCRIPTION, planted_records(count, species=20, sites=40))
    seconds, size = time.perf_counter() - start, (folder / "report.html").stat().st_size
    print("\n| report of | made in | index | opens in Chromium in |\n| ---: | ---: | ---: | ---: |")
    print(f"| {count:,} photos | {seconds:.1f} s | {size / 1e6:.2f} MB | {_open(folder / 'report.html'):.2f} s |")


def _alone(artifact: Path, photos: Path, out: Path, count: int) -> int:
    """Screen `count` photos of a table with species, sites and dates, and print the figures as a JSON list."""
    out.mkdir()
    explainer = Explainer.load(artifact)
    settings = StudySettings(ExplainOptions(), level="screen")
    table = make_archive(out, sorted(photos.glob("*.jpg")), count, explainer.manifest.labels)
    warm = out / "warm"
    warm.mkdir()
    _study(explainer, Work("", settings, "", False, _WARM_UP, 0), photos, warm)
    inputs = load_inputs(InputPaths(table, None, None, None, "animal"), explainer.manifest.labels, out)
    seconds = _timed(explainer, inputs.items, settings, out, 0)
    log = StudyLog(out, {"screen": {}})
    study = StudyRun(inputs.items, settings, out=out, log=log, sample=0)
    start = time.perf_counter()
    write_results(out, DESCRIPTION, study.records)
    report = time.perf_counter() - start
    print(json.dumps([seconds / count, peak_memory(), report]))
    return 0


def make_archive(out: Path, photos: Sequence[Path], count: int, labels: Sequence[str]) -> Path:
    """Link photos under new names, and write a table with their class, site and date."""
    rows = ["file,class_idx,site,date"]
    for number, photo in enumerate(islice(cycle(photos), count)):
        path = out / "photos" / f"{number % 100:02}" / f"{number:07}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(photo, path)
        date = f"2026-{1 + number % _MONTHS:02}-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:00"
        rows.append(f"{path.relative_to(out)},{number % 20 % len(labels)},site {number % _SITES},{date}")
    table = out / "archive.csv"
    table.write_text("\n".join(rows))
    return table


def _open(report: Path) -> float:
    """Return the seconds until Chromium has loaded a page, with the pictures that are visible."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.goto("about:blank")
        start = time.perf_counter()
        page.goto(report.as_uri(), wait_until="load")
        seconds = time.perf_counter() - start
        browser.close()
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
