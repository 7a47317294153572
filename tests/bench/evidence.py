"""`python -m tests.bench evidence`: time of the faithfulness figures, and how far int8 moves their curves."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from camcore import Explainer, Explanation, ForwardPass, open_photo
from camcore.metrics.faithfulness import STEPS, faithfulness
from camcore.model.manifest import ONNX, ONNX_INT8
from camcore.model.onnx import Scorer
from camcore.types import Forward
from export.pipeline import ExportOptions, export_artifact
from export.quantize import quantize
from tests.bench.machine import cores, describe_machine, describe_versions
from tests.bench.scene import Scene, bundled_photo, imagenet_photos, prepare_scene
from tests.bench.timing import Sample, in_turns

_LIMIT = 2.0  # seconds
_BATCH = 32  # of the plain loop
_CALIBRATION = 3  # photos


@dataclass(frozen=True)
class Shift:
    """How far int8 moves what fp32 measured, each (...): probabilities, areas, and what areas of methods lie apart."""

    photos: int
    probabilities: NDArray[np.float64]
    areas: NDArray[np.float64]
    apart: NDArray[np.float64]


def main(arguments: list[str]) -> int:
    """Measure, and print two Markdown tables. Returns 0 whatever the figures are."""
    options = _parse(arguments)
    photos = sorted(options.photos.iterdir()) if options.photos else imagenet_photos()
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        print(f"exporting a {options.model} of seeded weights", file=sys.stderr, flush=True)
        scene = prepare_scene(Path(folder), options.model, bundled_photo())
        explainer = Explainer.load(scene.artifact)
        forward_pass = explainer.forward(open_photo(scene.photo))
        explanations = explainer.explain(forward_pass, effort=options.forwards)
        print(f"{describe_machine()}; {describe_versions()}.")
        print(
            f"{options.model} of seeded weights, three methods together; medians of {options.rounds} rounds in turns."
        )
        _print_times(in_turns(_works(scene, explainer, forward_pass, explanations), options.rounds))
        print("exporting EfficientNet-Lite0 in int8", file=sys.stderr, flush=True)
        _print_shift(_shift(*_lite0(Path(folder)), photos[_CALIBRATION:]))
    return 0


def _works(
    scene: Scene, explainer: Explainer, forward_pass: ForwardPass, explanations: Sequence[Explanation]
) -> dict[str, Callable[[], object]]:
    heatmaps = [explanation.heatmap for explanation in explanations]
    class_idx, eager = explanations[0].class_idx, _eager(scene)
    works: dict[str, Callable[[], object]] = {
        "int8": lambda: explainer.faithfulness(forward_pass, explanations),
        "fp32": lambda: explainer.faithfulness(forward_pass, explanations, exact=True),
        "torch": lambda: [faithfulness(forward_pass.x, [each], class_idx, eager, chunk=_BATCH) for each in heatmaps],
    }
    if explainer.manifest.int8 is None or not explainer.manifest.int8.used:
        del works["int8"]
    return works


def _eager(scene: Scene) -> Forward:
    """torchvision's eager model, as a plain script would run it."""
    from torchvision.models import get_model

    model = get_model(scene.model, weights=None)
    model.load_state_dict(torch.load(scene.weights))
    model.eval()

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(batch)).numpy())

    return forward


def _print_times(samples: dict[str, list[Sample]]) -> None:
    names = {
        "int8": "camcore, curves in int8",
        "fp32": "camcore, all in fp32",
        "torch": f"torch eager in batches of {_BATCH}, a method at a time",
    }
    print(
        f"\n| drop, increase, gain, two curves of 32 steps | seconds | against the first | cores busy, of {cores()} |"
    )
    print("| --- | ---: | ---: | ---: |")
    first = next(iter(samples.values()))
    for name, each in samples.items():
        ratio = median(one.seconds / other.seconds for one, other in zip(each, first, strict=True))
        seconds, busy = (median(getattr(sample, what) for sample in each) for what in ("seconds", "cores"))
        met = f" (at most {_LIMIT} asked: {'met' if seconds <= _LIMIT else 'missed'})" if name == "int8" else ""
        print(f"| {names[name]} | {seconds:.2f}{met} | {ratio:.2f} × | {busy:.2f} |")


def _lite0(folder: Path) -> tuple[Explainer, Scorer, Scorer]:
    """EfficientNet-Lite0 with its real weights, and it in fp32 and in int8, which an export finds too slow to keep."""
    directory = export_artifact(ExportOptions(model="efficientnet_lite0", out=folder / "lite0", int8=False))
    explainer = Explainer.load(directory)
    quantize(
        directory,
        explainer.manifest.preprocessing,
        explainer.manifest.layer,
        imagenet_photos()[:_CALIBRATION],
        always=True,
    )
    return explainer, Scorer(directory / ONNX), Scorer(directory / ONNX_INT8)


def _shift(explainer: Explainer, exact: Scorer, int8: Scorer, photos: Sequence[Path]) -> Shift:
    """Of photos on which every method shows a place."""
    curves: list[NDArray[np.float64]] = []
    for photo in photos:
        forward_pass = explainer.forward(open_photo(photo))
        explanations = explainer.explain(forward_pass)
        heatmaps, class_idx = [each.heatmap for each in explanations], explanations[0].class_idx
        both = [
            faithfulness(forward_pass.x, heatmaps, class_idx, exact.logits, int8=int8) for int8 in (None, int8.logits)
        ]
        if None not in both[0]:
            curves.append(np.array([[(each.deletion, each.insertion) for each in one if each] for one in both]))
    found = np.array(curves)  # photo, precision, method, curve, step
    areas = np.trapezoid(found, dx=1 / STEPS)
    apart = areas - np.roll(areas, 1, axis=2)
    return Shift(len(found), *(np.abs(each[:, 1] - each[:, 0]) for each in (found, areas, apart)))


def _print_shift(shift: Shift) -> None:
    print(f"\nEfficientNet-Lite0, {shift.photos} photos it was not calibrated on, three methods; int8 against fp32.\n")
    print("| absolute difference | mean | largest |\n| --- | ---: | ---: |")
    rows = (
        ("probability at a step of a curve", shift.probabilities),
        ("area under a curve", shift.areas),
        ("what the areas of two methods lie apart", shift.apart),
    )
    for label, values in rows:
        print(f"| {label} | {values.mean():.4f} | {values.max():.3f} |")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench evidence", description="Time and precision of the faithfulness figures."
    )
    parser.add_argument("--model", metavar="NAME", default="resnet50", help="default: resnet50, for which the limit is")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--forwards", type=int, default=64, metavar="N", help="of the Score-CAM (default: 64)")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="default: 20 of ImageNet that foolbox carries")
    return parser.parse_args(arguments)
