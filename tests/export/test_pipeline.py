"""From options to an artefact directory: its files, its manifest, and what is refused on the way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from camcore import Explainer, open_photo
from camcore.model.manifest import MANIFEST, ONNX, TORCHSCRIPT, read_manifest, verify
from camcore.model.onnx import Scorer
from camcore.model.torchscript import TracedModel
from export.errors import ExportError, LabelsError, WeightsError
from export.labels import imagenet_labels
from export.models import ARCHITECTURES
from export.pipeline import ExportOptions, export_model


@pytest.mark.parametrize(
    ("options", "directory"),
    [
        (ExportOptions(), "artifacts/resnet50"),
        (ExportOptions(weights="IMAGENET1K_V1"), "artifacts/resnet50"),
        (ExportOptions(model="efficientnet_lite0", weights="package"), "artifacts/efficientnet_lite0"),
        (ExportOptions(model="resnet18", weights="runs/7/best.birds.pth"), "artifacts/best.birds"),
        (ExportOptions(weights="birds.pth", out=Path("here")), "here"),
    ],
)
def test_where_an_artefact_goes(options: ExportOptions, directory: str) -> None:
    assert options.directory == Path(directory)


def test_a_file_called_like_pretrained_weights_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ExportOptions(weights="IMAGENET1K_V1").checkpoint is None
    Path("IMAGENET1K_V1").touch()
    assert ExportOptions(weights="IMAGENET1K_V1").checkpoint == Path("IMAGENET1K_V1")


def test_an_artefact_is_three_files_that_belong_together(tiny: ExportOptions) -> None:
    steps: list[str] = []
    directory = export_model(tiny, progress=steps.append)
    assert directory == tiny.out
    assert {path.name for path in directory.iterdir()} == {MANIFEST, ONNX, TORCHSCRIPT}
    manifest = read_manifest(directory)
    verify(directory, manifest)
    assert set(manifest.files) == {ONNX, TORCHSCRIPT}
    assert (manifest.model, manifest.weights, manifest.layer.name) == ("tiny", "finches.pth", "relu")
    assert (manifest.layer.channels, manifest.layer.map_size, manifest.layer.linear_head) == (6, (7, 7), True)
    assert manifest.labels == ("class 0", "class 1", "class 2", "class 3")
    assert manifest.preprocessing == ARCHITECTURES["tiny"].preprocessing(None)
    assert manifest.versions["torch"] == torch.__version__.split("+")[0]
    assert steps[0] == "reading the weights of tiny"
    assert steps[-1] == f"wrote {directory}"


def test_labels_name_the_classes_of_a_checkpoint(tiny: ExportOptions, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("zebra finch\nchaffinch\nbullfinch\n")
    with pytest.raises(LabelsError, match="names 3 classes, but the model has 4"):
        export_model(replace(tiny, labels=names))
    names.write_text("zebra finch\nchaffinch\nbullfinch\nsiskin\n")
    manifest = read_manifest(export_model(replace(tiny, labels=names)))
    assert manifest.labels == ("zebra finch", "chaffinch", "bullfinch", "siskin")


def test_a_half_precision_checkpoint_becomes_a_float32_artefact(tiny: ExportOptions, tmp_path: Path) -> None:
    state = torch.load(str(tiny.weights), weights_only=True)
    torch.save({key: tensor.half() for key, tensor in state.items()}, tmp_path / "half.pth")
    directory = export_model(replace(tiny, weights=str(tmp_path / "half.pth")))
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    for logits, activations in (TracedModel(directory / TORCHSCRIPT).forward(x), Scorer(directory / ONNX).forward(x)):
        assert logits.dtype == activations.dtype == np.float32


@pytest.mark.slow
def test_resnet18_at_layer2_explains_with_eager_gradients(resnet18_checkpoint: Path, tmp_path: Path) -> None:
    options = ExportOptions(
        model="resnet18", weights=str(resnet18_checkpoint), layer="layer2", crop=64, out=tmp_path / "birds"
    )
    manifest = read_manifest(export_model(options))
    assert (manifest.layer.name, manifest.layer.channels, manifest.layer.map_size) == ("layer2", 128, (8, 8))
    assert not manifest.layer.linear_head
    assert manifest.preprocessing == replace(ARCHITECTURES["resnet18"].preprocessing(None), crop=64)
    traced = TracedModel(tmp_path / "birds" / TORCHSCRIPT)
    eager = ARCHITECTURES["resnet18"].build(10)
    eager.load_state_dict(torch.load(resnet18_checkpoint, weights_only=True))
    seen: list[torch.Tensor] = []
    eager.get_submodule("layer2").register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    for call in range(4):
        x = torch.randn(1, 3, 64, 64)
        (expected,) = torch.autograd.grad(eager(x)[0, call], seen[-1])
        _, activations = traced.forward(x.numpy())
        np.testing.assert_allclose(activations, seen[-1].detach(), rtol=1e-4, atol=1e-5)
        actual = traced.gradients(activations[0], call)
        np.testing.assert_allclose(actual, expected[0], rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


def test_lite0_knows_lions_and_cheetahs(artifacts: Path, animal_photos: list[Path]) -> None:
    manifest = read_manifest(artifacts / "efficientnet_lite0")
    assert (manifest.weights, manifest.layer.name) == ("package", "features")
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
        export_model(ExportOptions(model="resnet18", out=tmp_path / "out"))
    assert str(cached) in str(refusal.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ExportOptions(layer="layer5"), "resnet50 has no layer 'layer5': choose layer1, layer2, layer3, layer4"),
        (ExportOptions(model="efficientnet_lite0", layer="layer4"), "has no layer 'layer4': choose features"),
        (ExportOptions(model="efficientnet_lite0", crop=256), "takes 224 pixels only: leave out --crop"),
        (ExportOptions(resize=200), "--resize 200 is below the crop of 224 pixels"),
        (ExportOptions(photos=Path("no such folder")), "--photos no such folder is not a folder"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_any_work(
    options: ExportOptions, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError) as refusal:
        export_model(options)
    assert says in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_larger_crop_takes_a_larger_resize(tiny: ExportOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.pipeline.RESNETS", ("tiny",))
    steps = read_manifest(export_model(replace(tiny, crop=48))).preprocessing
    assert (steps.resize, steps.crop) == (48, 48)
    steps = read_manifest(export_model(replace(tiny, crop=48, resize=60))).preprocessing
    assert (steps.resize, steps.crop) == (60, 48)
