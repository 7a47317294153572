"""The int8 model: how it is made, what is measured of it, and when it is not kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from camcore import Explainer, open_photo
from camcore.images.preprocess import preprocess
from camcore.model.manifest import ONNX, ONNX_INT8, Quantization, read_manifest
from camcore.model.onnx import Scorer
from export import quantize
from export.__main__ import main
from export.pipeline import ExportOptions, export_artifact
from export.preprocessing import PreprocessingOptions

pytestmark = pytest.mark.slow


def measured(directory: Path) -> Quantization:
    int8 = read_manifest(directory).int8
    assert int8 is not None
    return int8


@pytest.fixture
def willing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps an int8 model however slow: two layers are no faster, and a machine may be busy."""
    monkeypatch.setattr(quantize, "MIN_SPEED_UP", 0)


@pytest.mark.usefixtures("willing")
def test_it_is_static_qdq_with_uint8_activations_and_int8_weights_per_channel(tiny: ExportOptions) -> None:
    directory = export_artifact(tiny)
    assert measured(directory).used
    assert ONNX_INT8 in read_manifest(directory).files
    graph = onnx.load(str(directory / ONNX_INT8)).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    (convolution,) = [node for node in graph.node if node.op_type == "Conv"]
    made_by = {output: node for node in graph.node for output in node.output}
    activations, weights = (made_by[name] for name in convolution.input[:2])
    assert (activations.op_type, weights.op_type) == ("DequantizeLinear", "DequantizeLinear")
    assert tensors[activations.input[2]].data_type == onnx.TensorProto.UINT8
    assert tensors[weights.input[0]].data_type == onnx.TensorProto.INT8
    assert list(tensors[weights.input[1]].dims) == [6], "a scale for each of the six filters"
    classifier = next(node for node in graph.node if node.op_type == "Gemm")
    assert made_by.get(classifier.input[1]) is None, "the classifier's weights stay in fp32"


@pytest.mark.usefixtures("willing")
def test_its_logits_are_those_of_fp32_but_for_rounding(tiny: ExportOptions, animal_photos: list[Path]) -> None:
    directory = export_artifact(tiny)
    x, _ = preprocess(open_photo(animal_photos[0]), read_manifest(directory).preprocessing)
    exact, quick = (Scorer(directory / name).logits(x) for name in (ONNX, ONNX_INT8))
    assert 0 < np.abs(exact - quick).max() < 0.05 * np.ptp(exact)


@pytest.mark.usefixtures("willing")
def test_the_manifest_says_how_faithful_it_is_on_other_photos(tiny: ExportOptions) -> None:
    int8 = measured(export_artifact(tiny))
    assert 0 < int8.noise <= quantize.LOW_NOISE
    assert 0.99 < int8.fidelity_min <= int8.fidelity_mean < 1
    assert int8.speed_up > 0
    assert (int8.photos, int8.float_layers) == (4, 0), "two photos mirrored, whole and cropped"


def test_of_many_photos_half_are_kept_for_the_check(tiny: ExportOptions, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(7):
        noise = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / f"{number}.png")
    assert measured(export_artifact(replace(tiny, photos=tmp_path / "photos"))).photos == 3


def test_one_that_is_no_faster_is_not_kept(tiny: ExportOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "MIN_SPEED_UP", 1e9)
    said: list[str] = []
    directory = export_artifact(tiny, progress=said.append)
    assert not measured(directory).used
    assert not (directory / ONNX_INT8).exists()
    assert ONNX_INT8 not in read_manifest(directory).files
    assert any(line.startswith("no int8 model: ") and "times as fast as fp32" in line for line in said)
    (explanation,) = Explainer.load(directory).explain(
        Image.effect_noise((40, 40), 90).convert("RGB"), 0, ["score-cam"]
    )
    assert explanation.precision == "fp32"


@pytest.mark.usefixtures("willing")
def test_one_that_is_unfaithful_is_tried_with_its_ends_in_fp32_and_then_not_kept(
    tiny: ExportOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "LOW_NOISE", 0)
    monkeypatch.setattr(quantize, "MAX_NOISE", 0)
    directory = export_artifact(tiny)
    assert measured(directory).float_layers == quantize.FIRST + quantize.LAST
    assert not measured(directory).used
    assert not (directory / ONNX_INT8).exists()


def test_no_int8_leaves_it_out(tiny: ExportOptions) -> None:
    out = ["--model", tiny.model, "--weights", str(tiny.weights), "--size", "32", "--out", str(tiny.out)]
    assert main([*out, "--no-int8"]) == 0
    assert tiny.out is not None
    assert read_manifest(tiny.out).int8 is None
    assert not (tiny.out / ONNX_INT8).exists()


def test_photos_without_a_feature_count_as_none(tiny: ExportOptions, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 40), (99, 9, 9)).save(tmp_path / "photos" / "blank.png")
    said: list[str] = []
    directory = export_artifact(replace(tiny, photos=tmp_path / "photos"), progress=said.append)
    assert read_manifest(directory).int8 is None
    assert "no int8 model: there are no photos to calibrate it with (--photos DIR)" in said


def test_a_resnet_leaves_its_ends_alone_when_asked(seeded_resnet50: Path) -> None:
    graph = onnx.load(str(seeded_resnet50 / ONNX)).graph
    alone = quantize._float_nodes(graph, quantize.FIRST, quantize.LAST)
    kinds = {node.name: node.op_type for node in graph.node}
    assert sum(kinds[name] == "Conv" for name in alone) == quantize.FIRST + quantize.LAST
    assert sum(kinds[name] == "Gemm" for name in set(alone)) == 1
    assert [kinds[name] for name in quantize._float_nodes(graph, 0, 0)] == ["Gemm"]


def test_a_resnet_has_one(resnet18_checkpoint: Path, tmp_path: Path) -> None:
    steps = PreprocessingOptions(size=(64, 64))
    options = ExportOptions("resnet18", str(resnet18_checkpoint), out=tmp_path / "birds", preprocessing=steps)
    int8 = measured(export_artifact(options))
    assert int8.noise <= quantize.LOW_NOISE
    assert int8.float_layers == 0
