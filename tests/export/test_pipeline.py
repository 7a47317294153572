"""From options to an artefact directory: its files, its manifest, and what is refused on the way."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from camcore import Explainer, open_photo
from camcore.model.manifest import MANIFEST, ONNX, TORCHSCRIPT, Preprocessing, read_manifest, verify
from camcore.model.onnx import Scorer
from camcore.model.torchscript import TracedModel
from export.errors import ExportError, LabelsError, WeightsError
from export.labels import imagenet_labels
from export.models import checkpoint_of, find_source
from export.pipeline import ExportOptions, export_artifact, export_model
from export.preprocessing import PreprocessingOptions
from tests.conftest import own_model, untrained

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("function", "weights", "directory"),
    [("build", None, "artifacts/build"), ("wide", "runs/7/best.birds.pth", "artifacts/best.birds")],
)
def test_where_an_artefact_goes(
    function: str, weights: str | None, directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = own_model(tmp_path, function, Path("unused"))
    monkeypatch.chdir(tmp_path)
    if weights:
        Path(weights).parent.mkdir(parents=True)
        shutil.copy(str(options.weights), weights)
    out = export_artifact(replace(options, weights=weights, out=None, int8=False))
    assert out == Path(directory)
    assert (out / MANIFEST).is_file()


@pytest.mark.parametrize(
    ("model", "weights", "folder"),
    [("resnet50", None, "resnet50"), ("resnet50", "IMAGENET1K_V1", "resnet50"), ("vit_b_16", None, "vit_b_16"),
     ("efficientnet_lite0", "package", "efficientnet_lite0"), ("net.py:birds", None, "birds")],
)  # fmt: skip
def test_a_model_names_the_folder_of_its_artefact(model: str, weights: str | None, folder: str) -> None:
    assert find_source(model, weights).folder == folder
    assert checkpoint_of(weights) is None


def test_a_file_called_like_pretrained_weights_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checkpoint_of("IMAGENET1K_V1") is None
    Path("IMAGENET1K_V1").touch()
    assert checkpoint_of("IMAGENET1K_V1") == Path("IMAGENET1K_V1")


def test_an_artefact_is_three_files_that_belong_together(tiny: ExportOptions) -> None:
    steps: list[str] = []
    directory = export_artifact(tiny, progress=steps.append)
    assert directory == tiny.out
    assert {path.name for path in directory.iterdir()} == {MANIFEST, ONNX, TORCHSCRIPT}
    manifest = read_manifest(directory)
    verify(directory, manifest)
    assert set(manifest.files) == {ONNX, TORCHSCRIPT}
    assert (manifest.model, manifest.weights, manifest.layer.name) == ("finches.py:build", "finches.pth", "relu")
    assert (manifest.layer.channels, manifest.layer.map_size, manifest.layer.linear_head) == (6, (7, 7), True)
    assert manifest.labels == ("class 0", "class 1", "class 2", "class 3")
    assert manifest.preprocessing == Preprocessing(40, (32, 32), "bilinear", (0.5,) * 3, (0.25,) * 3)
    assert manifest.versions["torch"] == torch.__version__.split("+")[0]
    assert steps[0] == "reading the weights of finches.py:build"
    assert steps[-1] == f"wrote {directory}"
    assert (manifest.format, manifest.head, manifest.input_layout) == (2, "softmax", "NCHW")
    assert not manifest.layer.signed


def test_labels_name_the_classes_of_a_checkpoint(tiny: ExportOptions, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("zebra finch\nchaffinch\nbullfinch\n")
    with pytest.raises(LabelsError, match="names 3 classes, but the model has 4"):
        export_artifact(replace(tiny, labels=names))
    names.write_text("zebra finch\nchaffinch\nbullfinch\nsiskin\n")
    manifest = read_manifest(export_artifact(replace(tiny, labels=names)))
    assert manifest.labels == ("zebra finch", "chaffinch", "bullfinch", "siskin")


def test_a_half_precision_checkpoint_becomes_a_float32_artefact(tiny: ExportOptions, tmp_path: Path) -> None:
    state = torch.load(str(tiny.weights), weights_only=True)
    torch.save({key: tensor.half() for key, tensor in state.items()}, tmp_path / "half.pth")
    directory = export_artifact(replace(tiny, weights=str(tmp_path / "half.pth")))
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    for logits, activations in (TracedModel(directory / TORCHSCRIPT).forward(x), Scorer(directory / ONNX).forward(x)):
        assert logits.dtype == activations.dtype == np.float32


def test_resnet18_at_layer2_explains_with_eager_gradients(resnet18_checkpoint: Path, tmp_path: Path) -> None:
    options = ExportOptions(
        model="resnet18",
        weights=str(resnet18_checkpoint),
        layers=("layer2",),
        out=tmp_path / "birds",
        preprocessing=PreprocessingOptions(size=(64, 64)),
    )
    manifest = read_manifest(export_artifact(options))
    assert (manifest.layer.name, manifest.layer.channels, manifest.layer.map_size) == ("layer2", 128, (8, 8))
    assert not manifest.layer.linear_head
    assert manifest.preprocessing == replace(find_source("resnet18").preprocessing, size=(64, 64))
    traced = TracedModel(tmp_path / "birds" / TORCHSCRIPT)
    eager = untrained("resnet18", num_classes=10)
    eager.load_state_dict(torch.load(resnet18_checkpoint, weights_only=True))
    seen: list[torch.Tensor] = []
    eager.get_submodule("layer2").register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    for call in range(4):
        x = torch.randn(1, 3, 64, 64)
        (expected,) = torch.autograd.grad(eager(x)[0, call], seen[-1])
        _, activations = traced.forward(x.numpy())
        np.testing.assert_allclose(activations, seen[-1].detach(), rtol=1e-4, atol=1e-5)
        actual = traced.gradients(activations[0], {call: 1})
        np.testing.assert_allclose(actual, expected[0], rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


def test_lite0_knows_lions_and_cheetahs(artifacts: Path, animal_photos: list[Path]) -> None:
    manifest = read_manifest(artifacts / "efficientnet_lite0")
    assert (manifest.weights, manifest.layer.name) == ("package", "_swish")
    assert (manifest.layer.channels, manifest.layer.map_size, manifest.layer.linear_head) == (1280, (7, 7), True)
    assert manifest.labels == imagenet_labels()
    assert manifest.parity["photos"] == 2
    explainer = Explainer.load(artifacts / "efficientnet_lite0")
    best = [explainer.predict(open_photo(photo))[0].name for photo in animal_photos]
    assert best == ["lion", "cheetah"]


def test_a_cached_file_with_other_classes_is_not_taken_for_imagenet(
    resnet18_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    cached = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    cached.parent.mkdir()
    cached.symlink_to(resnet18_checkpoint)
    with pytest.raises(WeightsError, match=r"other shapes for fc\.weight, fc\.bias\): delete that file") as refusal:
        export_artifact(ExportOptions(model="resnet18", out=tmp_path / "out"))
    assert str(cached) in str(refusal.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ExportOptions(model="resnet5"), "there is no model 'resnet5'"),
        (
            ExportOptions(preprocessing=PreprocessingOptions(resize=200)),
            "--resize 200 is below the crop of 224 pixels: choose 224 or more",
        ),
        (
            ExportOptions(preprocessing=PreprocessingOptions(resize=300, size=(320, 448))),
            "--resize 300 is below the crop of 320 pixels: choose 320 or more",
        ),
        (
            ExportOptions(preprocessing=PreprocessingOptions(std=(0.5, 0, 0.5))),
            "--std 0.5 0 0.5 is not above 0: give a deviation for each channel",
        ),
        (ExportOptions(photos=Path("no such folder")), "--photos no such folder is not a folder"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_any_work(
    options: ExportOptions, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError) as refusal:
        export_artifact(options)
    assert says in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_larger_crop_takes_a_larger_resize(tiny: ExportOptions) -> None:
    def steps_of(**changes: Any) -> Preprocessing:
        steps = replace(tiny.preprocessing, **changes)
        return read_manifest(export_artifact(replace(tiny, preprocessing=steps, int8=False))).preprocessing

    steps = steps_of(resize=None, size=(300, 320))
    assert (steps.resize, steps.size) == (300, (300, 320)), "256 is what is assumed of a user's own model"
    steps = steps_of(resize=60, size=(48, 48))
    assert (steps.resize, steps.size) == (60, (48, 48))


def test_export_model_takes_a_module(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    steps = Preprocessing(32, (32, 32), "bilinear", (0.5,) * 3, (0.5,) * 3)
    directory = export_model(
        model, tmp_path / "out", target_layer="0", preprocessing=steps, labels=["wren", "robin"], int8=False
    )
    assert not model.training
    manifest = read_manifest(directory)
    verify(directory, manifest)
    assert (manifest.model, manifest.weights, manifest.labels) == ("Sequential", "from Python", ("wren", "robin"))
    assert (manifest.layer.name, manifest.layer.signed, manifest.preprocessing) == ("0", True, steps)
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(x))
    np.testing.assert_allclose(Scorer(directory / ONNX).logits(x), expected, atol=1e-5)
