"""The flags that say what the model's input is: they reach the manifest, are told in one line, or are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camcore import Explainer
from camcore.model.manifest import ONNX, Preprocessing, read_manifest
from camcore.model.onnx import Scorer
from export import export_model
from export.__main__ import _parser, main
from export.errors import ExportError
from export.models import IMAGENET_STEPS
from export.pipeline import ExportOptions
from export.preprocessing import PreprocessingOptions, describe

IMAGENET = Preprocessing(256, (224, 224), "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def chosen(*arguments: str) -> Preprocessing:
    """The preprocessing of a model of one's own under these flags of the command."""
    values = vars(_parser().parse_args([*arguments]))
    names = ("resize", "size", "interpolation", "mean", "std", "resize_mode", "view")
    return PreprocessingOptions(**{name: values[name] for name in names}).apply(IMAGENET_STEPS)


def test_without_flags_the_steps_are_those_of_the_model() -> None:
    assert chosen() == IMAGENET_STEPS == IMAGENET
    other = Preprocessing(40, (32, 48), "bicubic", (0.1,) * 3, (0.2,) * 3, "pad", "box")
    assert PreprocessingOptions().apply(other) == other


@pytest.mark.parametrize(
    ("flags", "changes"),
    [
        ("--mean 0.5", {"mean": (0.5, 0.5, 0.5)}),
        ("--mean 0.1,0.2,0.3", {"mean": (0.1, 0.2, 0.3)}),
        ("--mean 0.1 0.2 0.3", {"mean": (0.1, 0.2, 0.3)}),
        ("--mean 0.1, 0.2, 0.3", {"mean": (0.1, 0.2, 0.3)}),
        ("--mean 0 --std 1", {"mean": (0, 0, 0), "std": (1, 1, 1)}),
        ("--std 0.5,0.25,0.125", {"std": (0.5, 0.25, 0.125)}),
        ("--size 320x448", {"size": (320, 448), "resize": 320}),
        ("--size 448x320", {"size": (448, 320), "resize": 320}),
        ("--size 96", {"size": (96, 96)}),
        ("--crop 96", {"size": (96, 96)}),
        ("--crop 300", {"size": (300, 300), "resize": 300}),
        ("--size 96 --resize 128", {"size": (96, 96), "resize": 128}),
        ("--resize-mode pad", {"resize_mode": "pad"}),
        ("--resize-mode squash", {"resize_mode": "squash"}),
        ("--view box", {"view": "box"}),
        ("--interpolation lanczos", {"interpolation": "lanczos"}),
    ],
)
def test_each_flag_changes_its_step(flags: str, changes: dict[str, object]) -> None:
    assert chosen(*flags.split()) == replace(IMAGENET, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--resize 100", "--resize 100 is below the crop of 224 pixels: choose 224 or more"),
        ("--size 320x448 --resize 300", "--resize 300 is below the crop of 320 pixels: choose 320 or more"),
        ("--std 0", "--std 0.0 0.0 0.0 is not above 0: give a deviation for each channel"),
        ("--std 0.2 0.2 -1", "--std 0.2 0.2 -1.0 is not above 0"),
    ],
)
def test_contradictions_are_refused(flags: str, says: str) -> None:
    with pytest.raises(ExportError) as refusal:
        chosen(*flags.split())
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    "flags",
    [
        "--mean 0.1 0.2", "--mean red", "--mean", "--mean 0.5 inf 0.5", "--std 1 2 3 4", "--std nan", "--size 320x",
        "--size x320", "--size 3x3", "--size 9999", "--size 320x448x3", "--resize 20", "--resize-mode stretch",
        "--view crop", "--interpolation cubic", "--input-layout CHW",
    ],
)  # fmt: skip
def test_what_is_no_value_of_a_flag_is_wrong_usage(flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(flags.split())
    streams = capsys.readouterr()
    assert (stop.value.code, streams.out) == (2, "")
    assert flags.split(maxsplit=1)[0] in streams.err.splitlines()[-1]


def test_one_line_says_what_was_assumed() -> None:
    assert describe(IMAGENET, "torchvision's IMAGENET1K_V1", PreprocessingOptions()) == (
        "input: 224 × 224 pixels, the centre of the photo after its shorter side is resized to 256; bilinear; "
        "mean 0.485 0.456 0.406; standard deviation 0.229 0.224 0.225 (torchvision's IMAGENET1K_V1)"
    )
    options = PreprocessingOptions(size=(320, 448), resize_mode="pad", view="box", mean=(0.5,) * 3)
    assert describe(options.apply(IMAGENET), "assumed", options) == (
        "input: 320 × 448 pixels, the whole photo, padded; of the animal's box, if there is one; bilinear; "
        "mean 0.5 0.5 0.5; standard deviation 0.229 0.224 0.225 (assumed, except --size, --mean, --resize-mode, --view)"
    )


def test_every_flag_reaches_the_manifest(
    tiny: ExportOptions, animal_photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = "--size 64x96 --resize 70 --interpolation lanczos --mean 0.1,0.2,0.3 --std 0.5 --resize-mode pad --view box"
    arguments = ["--model", tiny.model, "--weights", str(tiny.weights), "--out", str(tiny.out), "--no-int8"]
    assert main([*arguments, *flags.split()]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == (
        "input: 64 × 96 pixels, the whole photo, padded; of the animal's box, if there is one; lanczos; "
        "mean 0.1 0.2 0.3; standard deviation 0.5 0.5 0.5 (assumed: what most models trained on ImageNet expect, "
        "except --resize, --size, --interpolation, --mean, --std, --resize-mode, --view)"
    )
    assert tiny.out
    manifest = read_manifest(tiny.out)
    expected = Preprocessing(70, (64, 96), "lanczos", (0.1, 0.2, 0.3), (0.5, 0.5, 0.5), "pad", "box")
    assert manifest.preprocessing == expected
    assert manifest.layer.map_size == (15, 23)


def test_a_model_of_channels_last_input_becomes_one_of_channels_first(tmp_path: Path) -> None:
    class TakesChannelsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 6, 5, stride=4), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x.permute(0, 3, 1, 2)).relu()
            scores: Tensor = self.fc(x.mean((2, 3)))
            return scores

    torch.manual_seed(0)
    model = TakesChannelsLast()
    steps = Preprocessing(40, (32, 48), "bilinear", (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(ExportError, match=r"the model fails on an input of 32 × 48 pixels .*--input-layout"):
        export_model(model, tmp_path / "out", preprocessing=steps, int8=False)
    out = export_model(model, tmp_path / "out", preprocessing=steps, input_layout="NHWC", int8=False)
    explainer = Explainer.load(out)
    assert explainer.manifest.input_layout == "NHWC"
    assert (explainer.manifest.layer.channels, explainer.manifest.layer.map_size) == (6, (7, 11))
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 48)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(x.transpose(0, 2, 3, 1).copy())).numpy()
    for logits, _ in (explainer._model.forward(x), Scorer(out / ONNX).forward(x)):
        np.testing.assert_allclose(logits, expected, atol=1e-5)
