"""`python -m tests.bench peers`: speed and memory against grad-cam and torchcam. See README.md beside this file."""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench.fidelity import median_forwards
from tests.bench.libraries import FAST, LIBRARIES, Camcore, Library
from tests.bench.memory import run_alone
from tests.bench.scene import Scene, bundled_photo, imagenet_photos, prepare_scene
from tests.bench.table import FEATURES, Fast, Figures, draw_table
from tests.bench.timing import Sample, in_turns

_FEW = 1  # channels of the run that tells the fixed cost
_MEMORY_RUNS = 4  # times the channels that are timed: by then torchcam has peaked
_FAST_ROUNDS = 7
_PRECISION_CHANNELS = 64
_GRADIENT_ROUNDS = 5  # of the gradient methods to one of Score-CAM: they take milliseconds


def main(arguments: list[str]) -> int:
    """Measure, and print one Markdown table. Returns 0 whatever the figures are."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        _say(f"exporting a {options.model} of seeded weights")
        scene = prepare_scene(Path(folder), options.model, options.photo or bundled_photo())
        forwards = options.forwards or _forwards_of_the_fast_rule(Path(folder), options.photos)
        figures = _all_channels(scene, options) if options.full else _some_channels(scene, options)
        fast = _fast(scene, forwards, figures)
    print(draw_table(figures, fast))
    return 0


def _all_channels(scene: Scene, options: argparse.Namespace) -> Figures:
    """Every library in a fresh process a round, which tells time and memory at once."""
    rounds = options.rounds or 1
    turns = []
    for number in range(rounds):
        turns.append({})
        for name in LIBRARIES:
            _say(f"round {number + 1} of {rounds}: {name}, Score-CAM on all {scene.channels} channels")
            turns[-1][name] = run_alone(scene, name, None)
    samples = {name: [turn[name].sample for turn in turns] for name in LIBRARIES}
    return Figures(
        model=scene.model,
        channels=scene.channels,
        memory_channels=scene.channels,
        all_channels=scene.channels,
        rounds=rounds,
        score_cam=samples,
        complete={name: [sample.seconds for sample in runs] for name, runs in samples.items()},
        peaks={name: max(turn[name].peak for turn in turns) for name in LIBRARIES},
        gradients=_gradients(scene, _load(scene), rounds),
    )


def _some_channels(scene: Scene, options: argparse.Namespace) -> Figures:
    """Memory first, each library in a fresh process; then times in this one, in turns."""
    rounds, channels = options.rounds or 9, min(options.channels, scene.channels)
    memory_channels = min(_MEMORY_RUNS * channels, scene.channels)
    peaks = {}
    for name in LIBRARIES:
        _say(f"{name}: memory of Score-CAM, broken off after {memory_channels} of {scene.channels} channels")
        peaks[name] = run_alone(scene, name, memory_channels).peak
    libraries = _load(scene)
    _say(f"Score-CAM on {channels} channels in turns: one round to warm up, {rounds} to count")
    works = {
        (name, count): partial(library.score_cam, count)
        for name, library in libraries.items()
        for count in (_FEW, channels)
    }
    samples = in_turns(works, rounds)
    complete = {
        name: _extrapolate(library, samples[name, _FEW], samples[name, channels], channels, scene.channels)
        for name, library in libraries.items()
    }
    return Figures(
        model=scene.model,
        channels=channels,
        memory_channels=memory_channels,
        all_channels=scene.channels,
        rounds=rounds,
        score_cam={name: samples[name, channels] for name in libraries},
        complete=complete,
        peaks=peaks,
        gradients=_gradients(scene, libraries, rounds),
    )


def _forwards_of_the_fast_rule(folder: Path, photos: Path | None) -> int:
    """The median on real photos with EfficientNet-Lite0: a network of random weights has no such number."""
    from camcore import Explainer
    from export.pipeline import ExportOptions, export_artifact

    paths = sorted(photos.iterdir()) if photos else imagenet_photos()
    _say(f"the fast rule on {len(paths)} photos, with EfficientNet-Lite0")
    lite0 = export_artifact(ExportOptions("efficientnet_lite0", out=folder / "lite0"))
    return median_forwards(Explainer.load(lite0), paths)


def _fast(scene: Scene, forwards: int, figures: Figures) -> Fast:
    """The three methods with so many forwards, and all channels of a chunk or two in int8 and in fp32, in turns."""
    _say(f"three methods, {forwards} forwards, in a fresh process")
    peak = run_alone(scene, FAST, forwards).peak
    camcore = Camcore(scene)
    _say("three methods, the first Score-CAM, and int8 against fp32, in turns")
    works = {
        "three": partial(camcore.three_methods, forwards),
        "first": camcore.until_first_score_cam,
        "fp32": partial(camcore.exhaustive, _PRECISION_CHANNELS, "fp32"),
        "int8": partial(camcore.exhaustive, _PRECISION_CHANNELS, "int8"),
    }
    samples = in_turns(works, _FAST_ROUNDS)
    return Fast(forwards, samples, peak)


def _extrapolate(library: Library, few: list[Sample], some: list[Sample], channels: int, total: int) -> list[float]:
    """Seconds for `total` channels, a round each: the fixed cost once, the rest in proportion to the forwards."""
    first, measured, wanted = (library.forwards(count) for count in (_FEW, channels, total))
    factor = (wanted - first) / (measured - first)
    return [fixed.seconds + factor * (more.seconds - fixed.seconds) for fixed, more in zip(few, some, strict=True)]


def _gradients(scene: Scene, libraries: dict[str, Library], rounds: int) -> dict[str, list[Sample]]:
    """Grad-CAM and Grad-CAM++ of each library in turns with one forward of the traced `features`, without gradients."""
    _say("Grad-CAM and Grad-CAM++ in turns")
    works: dict[str, Callable[[], object]] = {FEATURES: _features(scene)}
    works |= {name: library.gradient_methods for name, library in libraries.items()}
    return in_turns(works, _GRADIENT_ROUNDS * rounds)


def _features(scene: Scene) -> Callable[[], object]:
    import numpy as np
    import torch

    from camcore.model.manifest import TORCHSCRIPT

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
        module = torch.jit.load(str(scene.artifact / TORCHSCRIPT)).eval()
    x = torch.from_numpy(np.load(scene.x))

    def run() -> None:
        with torch.inference_mode():
            module.features(x)

    return run


def _load(scene: Scene) -> dict[str, Library]:
    return {name: library(scene) for name, library in LIBRARIES.items()}


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench peers", description="Speed and memory against grad-cam and torchcam."
    )
    parser.add_argument("--full", action="store_true", help="run every channel instead of extrapolating (minutes)")
    parser.add_argument("--channels", type=_positive, default=64, metavar="N", help="to extrapolate from (default: 64)")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="default: 9, with --full 1")
    parser.add_argument(
        "--model", metavar="NAME", default="resnet50", help="default: resnet50, for which the targets are"
    )
    parser.add_argument("--forwards", type=_positive, metavar="N", help="of the fast rule (default: measured, on:)")
    parser.add_argument(
        "--photos", type=Path, metavar="DIR", help="default: the 20 photos of ImageNet that the package foolbox carries"
    )
    parser.add_argument("--photo", type=Path, metavar="FILE", help="default: the lion that the package gradio carries")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
