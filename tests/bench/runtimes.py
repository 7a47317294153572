"""`python -m tests.bench runtimes`: the fast comparison with fewer forwards, and its forwards in OpenVINO."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from camcore import Explainer, open_photo
from camcore.model.manifest import ONNX, ONNX_INT8
from camcore.model.onnx import Scorer
from camcore.types import Array
from tests.bench.machine import cores, describe_machine, describe_versions
from tests.bench.scene import Scene, bundled_photo, prepare_scene
from tests.bench.timing import Sample, in_turns

_FORMER = 72  # median forwards of the fast rule before the head's score was used; see README.md
_CHUNK = 8


def main(arguments: list[str]) -> int:
    """Measure, and print two Markdown tables. Returns 0 whatever the figures are."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        print(f"exporting a {options.model} of seeded weights", file=sys.stderr, flush=True)
        scene = prepare_scene(Path(folder), options.model, bundled_photo())
        explainer, photo = Explainer.load(scene.artifact), open_photo(scene.photo)
        print(f"{describe_machine()}; {describe_versions()}.\n{options.model} of seeded weights, in turns.\n")
        comparisons = {
            f"three methods, {count} forwards": lambda count=count: explainer.explain(photo, effort=count)
            for count in dict.fromkeys((_FORMER, options.forwards))
        }
        _print(in_turns(comparisons, options.rounds), 1)
        x = np.repeat(explainer.forward(photo).x, _CHUNK, axis=0)
        forwards = {name: lambda run=run: run(x) for name, run in _runs(scene).items()}
        print()
        _print(in_turns(forwards, options.rounds), _CHUNK)
    return 0


def _runs(scene: Scene) -> dict[str, Callable[[Array], object]]:
    """Return one call per runtime and precision, each of which runs a batch of inputs."""
    files = {"fp32": scene.artifact / ONNX, "int8": scene.artifact / ONNX_INT8}
    files = {precision: path for precision, path in files.items() if path.exists()}
    runs: dict[str, Callable[[Array], object]] = {
        f"ONNX Runtime, {precision}": Scorer(path).logits for precision, path in files.items()
    }
    if find_spec("openvino") is None:
        print("openvino is not installed, so only ONNX Runtime is timed", file=sys.stderr)
        return runs
    for precision, path, hint in (("fp32", files["fp32"], "f32"), ("bf16", files["fp32"], "bf16")):
        runs[f"OpenVINO, {precision}"] = _compile(path, hint)
    if "int8" in files:
        runs["OpenVINO, int8"] = _compile(files["int8"], "f32")
    return runs


def _compile(path: Path, precision: str) -> Callable[[Array], object]:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": cores(), "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(path), "CPU", settings).create_infer_request()
    return lambda x: request.infer({0: x})


def _print(samples: dict[str, list[Sample]], count: int) -> None:
    first = next(iter(samples.values()))
    print("|  | ms | of the first's time |\n| --- | ---: | ---: |")
    for name, values in samples.items():
        share = median(value.seconds / base.seconds for value, base in zip(values, first, strict=True))
        print(f"| {name} | {1000 * median(value.seconds for value in values) / count:.1f} | {share:.2f} |")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench runtimes", description="The fast comparison with fewer forwards, and in OpenVINO."
    )
    parser.add_argument("--model", default="resnet50", help="a model of torchvision (default: resnet50)")
    parser.add_argument("--forwards", type=int, default=48, metavar="N", help="the rule's median (default: 48)")
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds, after one to warm up (default: 9)")
    return parser.parse_args(arguments)
