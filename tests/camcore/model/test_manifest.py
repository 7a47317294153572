"""Artefact directories: what is read, what is refused, and which one is chosen."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from camcore import ArtifactError, Explainer, find_artifact
from camcore.model.artifact_folders import list_artifacts
from camcore.model.manifest import (
    MANIFEST,
    ONNX,
    ONNX_INT8,
    TORCHSCRIPT,
    Layer,
    Manifest,
    Preprocessing,
    Quantization,
    read_manifest,
    sha256,
    verify,
)

# SHA-256 of b"abc", from FIPS 180-2.
OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
WRITTEN = Manifest(
    model="resnet50",
    weights="IMAGENET1K_V2",
    layers=(Layer("layer4", 2048, (7, 9), linear_head=True), Layer("layer2.relu", 512, (28, 36), False, True, 1)),
    labels=("tench", "grand-père “x”", "羊"),
    preprocessing=Preprocessing(
        232, (224, 288), "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), resize_mode="pad", view="box"
    ),
    parity={"photos": 2, "worst_share_of_range": 2e-6, "onnx": {"logits": 1e-5}},
    versions={"torch": "2.15.0"},
    files={TORCHSCRIPT: OF_ABC, ONNX: OF_ABC},
    head="multi-label",
    input_layout="NHWC",
    classifier="segments.2.fc.weight",
)
# What `python -m export` wrote before layers, heads and sizes had fields of their own.
FORMAT_1 = """{
 "model": "resnet18", "weights": "birds.pth", "target_layer": "layer3", "channels": 256, "map_size": [14, 14],
 "linear_head": false, "labels": ["wren", "robin"],
 "preprocessing": {
  "resize": 256, "crop": 224, "interpolation": "bicubic", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]
 },
 "parity": {"photos": 2, "worst_share_of_range": 2e-6}, "versions": {"torch": "2.15.0"},
 "files": {"model.ts.pt": "12ab", "model.onnx": "34cd"},
 "int8": {
  "used": true, "noise": 0.005, "fidelity_mean": 0.999, "fidelity_min": 0.99, "speed_up": 2.9, "photos": 4,
  "float_layers": 0
 },
 "format": 1
}"""


def write(directory: Path, model: str = "resnet50") -> Path:
    """Create a directory that looks like an artefact; the content of its model files is `abc`."""
    directory.mkdir(parents=True)
    for name in (TORCHSCRIPT, ONNX):
        (directory / name).write_bytes(b"abc")
    (directory / MANIFEST).write_text(replace(WRITTEN, model=model).to_json(), encoding="utf-8")
    return directory


def edit(directory: Path, **values: Any) -> None:
    path = directory / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def refusal(directory: Path) -> str:
    """Return the one-line message with which both the check and the loader refuse an artefact."""
    with pytest.raises(ArtifactError) as caught:
        verify(directory, read_manifest(directory))
    with pytest.raises(ArtifactError) as loading:
        Explainer.load(directory)
    assert str(loading.value) == str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(directory) in str(caught.value)
    return str(caught.value)


def flip_one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def exported(artifacts: Path, tmp_path: Path) -> Path:
    """Return a copy of a real artefact, which tests may damage."""
    return Path(shutil.copytree(artifacts / "efficientnet_lite0", tmp_path / "exported"))


def test_a_manifest_survives_the_round_trip() -> None:
    read = Manifest.from_json(WRITTEN.to_json())
    assert read == WRITTEN
    assert hash(read.preprocessing) == hash(WRITTEN.preprocessing)
    assert isinstance(read.labels, tuple)
    assert isinstance(read.preprocessing.size, tuple)
    assert all(isinstance(layer.map_size, tuple) for layer in read.layers)
    assert json.loads(WRITTEN.to_json())["format"] == 2
    assert read.to_json() == WRITTEN.to_json()


def test_a_manifest_is_legible() -> None:
    assert "羊" in WRITTEN.to_json()
    assert WRITTEN.to_json().endswith("}\n")


def test_the_manifest_of_an_export_describes_the_model(artifacts: Path) -> None:
    directory = artifacts / "efficientnet_lite0"
    manifest = read_manifest(directory)
    assert (manifest.model, manifest.weights, manifest.layer.linear_head) == ("efficientnet_lite0", "package", True)
    assert (manifest.layer.channels, manifest.layer.map_size, len(manifest.labels)) == (1280, (7, 7), 1000)
    assert manifest.int8 is not None
    names = (TORCHSCRIPT, ONNX, ONNX_INT8) if manifest.int8.used else (TORCHSCRIPT, ONNX)
    assert manifest.files == {name: sha256(directory / name) for name in names}
    verify(directory, manifest)


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == OF_ABC


def test_the_colour_of_zero_is_the_mean() -> None:
    assert WRITTEN.preprocessing.zero_colour == (124, 116, 104)


def test_a_missing_directory(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert refusal(missing) == f"there is no model directory {missing}: run `python -m export --out {missing}`"


def test_a_file_instead_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "python -m export" in refusal(tmp_path / "file")


def test_a_foreign_directory(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    sentence = refusal(tmp_path)
    assert "is not an exported model" in sentence
    assert "name a directory that `python -m export` wrote" in sentence


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"text"', WRITTEN.to_json()[:-20], "\udcff{}"])
def test_a_broken_manifest(tmp_path: Path, text: str) -> None:
    directory = write(tmp_path / "broken")
    (directory / MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    sentence = refusal(directory)
    assert "cannot be read" in sentence
    assert f"export it again with `python -m export --out {directory}`" in sentence


@pytest.mark.parametrize("other", [0, 3, 2.5, "1", "2", None, [2]])
def test_a_manifest_of_another_format(tmp_path: Path, other: object) -> None:
    directory = write(tmp_path / "newer")
    edit(directory, format=other)
    assert f"its format is {other}, not 1 or 2" in refusal(directory)


def test_a_manifest_of_format_1_is_read_with_all_its_fields() -> None:
    assert Manifest.from_json(FORMAT_1) == Manifest(
        model="resnet18",
        weights="birds.pth",
        layers=(Layer("layer3", 256, (14, 14), linear_head=False, signed=False, number=0),),
        labels=("wren", "robin"),
        preprocessing=Preprocessing(
            256, (224, 224), "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), resize_mode="crop", view="photo"
        ),
        parity={"photos": 2, "worst_share_of_range": 2e-6},
        versions={"torch": "2.15.0"},
        files={TORCHSCRIPT: "12ab", ONNX: "34cd"},
        int8=Quantization(True, 0.005, 0.999, 0.99, 2.9, 4, 0),
        head="softmax",
        input_layout="NCHW",
        classifier=None,
        format=2,
    )


@pytest.mark.parametrize("name", ["target_layer", "channels", "map_size", "linear_head", "preprocessing", "labels"])
def test_a_manifest_of_format_1_that_lacks_a_field(tmp_path: Path, name: str) -> None:
    directory = write(tmp_path / "lacking")
    values = json.loads(FORMAT_1)
    del values[name]
    (directory / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    assert f"cannot be read (it has no '{name}')" in refusal(directory)


@pytest.mark.parametrize("layers", [[], {}, "layer4", None, [{}], [7], [{"name": "layer4", "map_size": [7, 7]}]])
def test_a_manifest_with_invalid_layers_is_refused(tmp_path: Path, layers: object) -> None:
    directory = write(tmp_path / "other")
    edit(directory, layers=layers)
    assert "export it again" in refusal(directory)


def test_at_layer_puts_another_layer_first_and_keeps_the_rest() -> None:
    assert WRITTEN.at_layer("layer4") == WRITTEN
    other = WRITTEN.at_layer("layer2.relu")
    assert [layer.name for layer in other.layers] == ["layer2.relu", "layer4"]
    assert (other.layer.number, other.layer.channels) == (1, 512), "its methods are features_1 and head_1"
    assert replace(other, layers=WRITTEN.layers) == WRITTEN
    with pytest.raises(ArtifactError, match=r"resnet50 was exported without the layer 'layer1': choose layer4, layer2"):
        WRITTEN.at_layer("layer1")


@pytest.mark.parametrize("name", sorted({*json.loads(WRITTEN.to_json())} - {"int8"}))
def test_a_manifest_that_lacks_a_field(tmp_path: Path, name: str) -> None:
    directory = write(tmp_path / "lacking")
    values = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    del values[name]
    (directory / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    assert "export it again" in refusal(directory)


def test_a_manifest_from_before_int8_is_read(tmp_path: Path) -> None:
    directory = write(tmp_path / "older")
    values = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    del values["int8"]
    (directory / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    assert read_manifest(directory).int8 is None


def test_the_measurements_of_int8_survive_the_round_trip(tmp_path: Path) -> None:
    int8 = Quantization(True, 0.005, 0.999, 0.99, 2.9, 4, 0)
    (tmp_path / MANIFEST).write_text(replace(WRITTEN, int8=int8).to_json(), encoding="utf-8")
    assert read_manifest(tmp_path).int8 == int8


@pytest.mark.parametrize("preprocessing", [{}, [], None, {"resize": 1}, {"mean": [0, 0, 0], "std": 1}, {"size": 224}])
def test_a_manifest_with_invalid_preprocessing_is_refused(tmp_path: Path, preprocessing: object) -> None:
    directory = write(tmp_path / "other")
    edit(directory, preprocessing=preprocessing)
    assert "export it again" in refusal(directory)


@pytest.mark.parametrize("name", [TORCHSCRIPT, ONNX])
def test_a_model_file_that_the_manifest_does_not_list(tmp_path: Path, name: str) -> None:
    directory = write(tmp_path / "unlisted")
    edit(directory, files={key: value for key, value in WRITTEN.files.items() if key != name})
    sentence = refusal(directory)
    assert f"does not list {name}" in sentence
    assert "export it again" in sentence


@pytest.mark.parametrize("name", [TORCHSCRIPT, ONNX])
def test_a_missing_model_file(exported: Path, name: str) -> None:
    (exported / name).unlink()
    sentence = refusal(exported)
    assert f"{exported / name} is missing" in sentence
    assert "export it again" in sentence


@pytest.mark.parametrize("name", [TORCHSCRIPT, ONNX])
def test_one_flipped_byte(exported: Path, name: str) -> None:
    flip_one_byte(exported / name)
    sentence = refusal(exported)
    assert f"{exported / name} is damaged or from another export" in sentence
    assert f"export it again with `python -m export --out {exported}`" in sentence


@pytest.mark.parametrize("name", [TORCHSCRIPT, ONNX, MANIFEST])
def test_files_of_two_exports(exported: Path, quick_artifacts: Path, name: str) -> None:
    shutil.copy(quick_artifacts / "finches" / name, exported / name)
    assert "from another export" in refusal(exported)


@pytest.mark.parametrize("name", [TORCHSCRIPT, ONNX])
def test_a_listed_file_that_is_no_model(exported: Path, name: str) -> None:
    (exported / name).write_bytes(b"abc")
    edit(exported, files={**read_manifest(exported).files, name: OF_ABC})
    with pytest.raises(ArtifactError, match="export it again") as caught:
        Explainer.load(exported).explain(Image.effect_noise((40, 40), 90).convert("RGB"), effort="exact")
    assert str(exported / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_artefact_is_found_by_its_own_directory(tmp_path: Path) -> None:
    directory = write(tmp_path / "mine")
    assert find_artifact(directory) == find_artifact(str(directory)) == directory
    assert find_artifact(directory, "resnet50") == directory, "by the model's name"
    assert find_artifact(directory, "mine") == directory, "and by the directory's"


def test_one_artefact_is_not_another_model(tmp_path: Path) -> None:
    directory = write(tmp_path / "mine")
    with pytest.raises(ArtifactError, match="holds resnet50, not 'vgg': leave out the model, or name another"):
        find_artifact(directory, "vgg")


def test_resnet50_comes_first_then_lite0_then_the_first_by_name(tmp_path: Path) -> None:
    for name in ("zebra", "birds"):
        write(tmp_path / name)
    assert find_artifact(tmp_path) == tmp_path / "birds"
    write(tmp_path / "efficientnet_lite0")
    assert find_artifact(tmp_path) == tmp_path / "efficientnet_lite0"
    write(tmp_path / "resnet50")
    assert find_artifact(tmp_path) == tmp_path / "resnet50"
    assert find_artifact(tmp_path, "zebra") == tmp_path / "zebra"


def test_the_model_is_the_subfolders_name(tmp_path: Path) -> None:
    write(tmp_path / "birds", model="resnet18")
    assert find_artifact(tmp_path, "birds") == tmp_path / "birds"
    with pytest.raises(ArtifactError, match=r"has no model 'resnet18' \(it holds birds\): run `python -m export"):
        find_artifact(tmp_path, "resnet18")


def test_a_folder_without_artefacts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for root in (tmp_path, tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(ArtifactError, match="holds no exported model: run `python -m export`"):
            find_artifact(root)
        with pytest.raises(
            ArtifactError, match=r"no model 'resnet50' \(it holds none\): run `python -m export --model"
        ):
            find_artifact(root, "resnet50")


def test_the_variable_names_a_folder_or_one_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    birds = write(tmp_path / "models" / "birds")
    other = write(tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    for value in (tmp_path / "models", birds):
        monkeypatch.setenv("CAMCORE_ARTIFACTS", str(value))
        assert find_artifact() == birds
        assert find_artifact(other) == other, "what is named outright comes before the variable"


@pytest.mark.parametrize("variable", [None, ""])
def test_without_either_it_is_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    write(tmp_path / "artifacts" / "birds")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAMCORE_ARTIFACTS", raising=False)
    if variable is not None:
        monkeypatch.setenv("CAMCORE_ARTIFACTS", variable)
    assert find_artifact() == Path("artifacts/birds")


def test_an_unfinished_export_and_other_folders_are_not_listed(tmp_path: Path) -> None:
    write(tmp_path / "zebra")
    write(tmp_path / "birds")
    write(tmp_path / ".zebra.123.abc.partial")
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("x")
    assert list_artifacts(tmp_path) == ["birds", "zebra"]
    assert list_artifacts(tmp_path / "missing") == []
