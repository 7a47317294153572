"""`python -m tests.bench models`: the export and the three maps of one model of each family, of seeded weights."""

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from camcore import CamError, Explainer, open_photo
from tests.bench.machine import describe_machine, describe_versions, peak_memory
from tests.bench.scene import bundled_photo
from tests.bench.seeded_models import ONNX, SIZES, TRANSFORMERS, build, options_for, write

if TYPE_CHECKING:
    from export.preprocessing import PreprocessingOptions

TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large", "regnet_y_800mf", "resnet50", "resnext50_32x4d",
    "shufflenet_v2_x1_0", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg16_bn", "vit_b_16", "wide_resnet50_2",
)  # fmt: skip
TIMM = (
    "timm/convnext_tiny", "timm/convnextv2_nano", "timm/efficientnetv2_rw_t", "timm/mobilenetv4_conv_small",
    "timm/regnety_016", "timm/resnet50d", "timm/repvgg_a2", "timm/swin_tiny_patch4_window7_224",
    "timm/tf_efficientnet_lite2", "timm/xception41", "timm/deit_small_patch16_224",
    "timm/vit_small_patch14_reg4_dinov2",
)  # fmt: skip
_LIMIT = 900.0  # seconds for one model
_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What one model's export and explanation took, or the sentence with which it was refused."""

    model: str
    refusal: str = ""
    layer: str = ""
    shape: str = ""
    export_seconds: float = 0
    parity: float = 0
    int8: str = ""
    explain_seconds: float = 0
    forwards: int = 0
    precision: str = ""
    peak: float = 0


def main(arguments: list[str]) -> int:
    """Measure each model in a process of its own and print the table; with `--alone`, one model, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench models", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: one of each family")
    parser.add_argument("--size", type=int, help="side of the input, in pixels (default: that of the model)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.alone:
        print(json.dumps(asdict(_measure(options.models[0], options.size))))
        return 0
    print(f"{describe_machine()}; {describe_versions()}.\n\n{_HEAD}", flush=True)
    for model in options.models or (*TORCHVISION, *TIMM, *TRANSFORMERS, *ONNX):
        print(_row(_run_alone(model, options.size)), flush=True)
    return 0


_HEAD = (
    "| model | target layer | activations | export | parity | int8 | three maps | forwards | peak memory |\n"
    "| --- | --- | --- | ---: | ---: | --- | ---: | ---: | ---: |"
)


def _row(outcome: Outcome) -> str:
    if outcome.refusal:
        return f"| {outcome.model} | {outcome.refusal} |  |  |  |  |  |  |  |"
    return (
        f"| {outcome.model} | {outcome.layer} | {outcome.shape} | {outcome.export_seconds:.0f} s "
        f"| {outcome.parity:.0e} | {outcome.int8} | {outcome.explain_seconds:.2f} s "
        f"| {outcome.forwards} {outcome.precision} | {outcome.peak:.1f} GB |"
    )


def _run_alone(model: str, size: int | None) -> Outcome:
    command = [sys.executable, "-m", "tests.bench", "models", "--alone", model]
    command += [] if size is None else ["--size", str(size)]
    try:
        run = subprocess.run(command, cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True, timeout=_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(model, refusal=f"took longer than {_LIMIT:.0f} s")
    if run.returncode:
        return Outcome(model, refusal=f"failed with status {run.returncode}")
    return Outcome(**json.loads(run.stdout.splitlines()[-1]))


def _measure(model: str, size: int | None) -> Outcome:
    from export.preprocessing import PreprocessingOptions

    preprocessing = PreprocessingOptions(size=(size, size) if size else SIZES.get(model))
    try:
        with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
            if model in (*TRANSFORMERS, *ONNX):
                process = multiprocessing.get_context("spawn").Process(target=write, args=(model, Path(folder)))
                process.start()
                process.join()
            start = time.perf_counter()
            artifact = _export(model, Path(folder), preprocessing)
            exported = time.perf_counter() - start
            return _explain(model, Explainer.load(artifact), exported)
    except CamError as error:
        return Outcome(model, refusal=str(error).partition(":")[0])


def _export(model: str, folder: Path, preprocessing: "PreprocessingOptions") -> Path:
    from export.models import find_source
    from export.pipeline import export_artifact, export_model

    if model in (*TRANSFORMERS, *ONNX):
        return export_artifact(replace(options_for(model, folder), preprocessing=preprocessing))
    steps = preprocessing.apply(find_source(model).preprocessing)
    return export_model(build(model), folder / "artifact", preprocessing=steps, name=model)


def _explain(model: str, explainer: Explainer, exported: float) -> Outcome:
    photo, manifest = open_photo(bundled_photo()), explainer.manifest
    explainer.explain(photo)  # a run that is not timed: the runtimes set up at the first
    start = time.perf_counter()
    *_, score_cam = explainer.explain(photo)
    seconds, int8 = time.perf_counter() - start, manifest.int8
    height, width = manifest.layer.map_size
    return Outcome(
        model, "", manifest.layer.name, f"{manifest.layer.channels:,} × {height} × {width}", exported,
        manifest.parity["worst_share_of_range"],
        "" if int8 is None else f"{'kept' if int8.used else 'left out'}, {int8.speed_up:.1f} ×",
        seconds, score_cam.forwards or 0, score_cam.precision or "", peak_memory(),
    )  # fmt: skip
