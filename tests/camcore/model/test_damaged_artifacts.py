"""Artefacts that are damaged, or mixed from two: each is refused when it is loaded, in one sentence with a remedy."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image

from camcore import ArtifactError, Explainer
from camcore.model.external_data import has_external_data
from camcore.model.manifest import MANIFEST, ONNX, ONNX_INT8, TORCHSCRIPT, sha256
from export import export_model
from export.pipeline import ExportOptions, export_artifact
from tests.export.onnx_models.nets import TokenNet, conv_net, small_model, to_file
from tests.export.onnx_models.test_onnx_graph import STEPS

pytestmark = pytest.mark.usefixtures("one_thread")
NAN, INFINITY = float("nan"), float("inf")
NO_WHOLE_NUMBERS = (-1, True, "4", "", 4.5, NAN, INFINITY, -INFINITY, 10**30, None, [], {})
NO_NUMBERS = (True, "0.5", None, NAN, INFINITY, -INFINITY, 10**400, [], {})
NO_TEXTS = (3, None, True, [], {}, "", "a\0b", "\ud83e")
# The wrong values of each entry of a manifest; a shape that is possible, but not the model's, is among them.
FAULTS: dict[str, tuple[Any, ...]] = {
    "preprocessing.size": (0, "32", [], [32], [32, 32, 32], [0, 32], [32, -32], [True, 32], [32, 48], [4096, 32]),
    "preprocessing.size.1": (0, *NO_WHOLE_NUMBERS),
    "preprocessing.resize": (0, 31, *NO_WHOLE_NUMBERS),
    "preprocessing.mean": ([], [0.5, 0.5], [0.5] * 4, 0.5, "0.5", None),
    "preprocessing.mean.2": (1e7, *NO_NUMBERS),
    "preprocessing.std.0": (0, -0.2, 1e300, *NO_NUMBERS),
    "preprocessing.interpolation": ("cubic", 2, None, ["bilinear"], {}),
    "preprocessing.resize_mode": ("stretch", "", None, True),
    "preprocessing.to_srgb": (0, 1, "false", None),
    "preprocessing.gamma": (2.2,),
    "layers": ([], {}, None, "act", 7, [None], [[]], [7]),
    "layers.0.name": NO_TEXTS,
    "layers.0.channels": (0, 5, 7, *NO_WHOLE_NUMBERS),
    "layers.0.map_size": ([8, 4], [4, 16], [], [8], [8, 8, 1], 8, None),
    "layers.0.map_size.0": (0, 7, 9, *NO_WHOLE_NUMBERS),
    "layers.0.number": (1, 2, *NO_WHOLE_NUMBERS),
    "layers.0.linear_head": (1, "true", None),
    "layers.0.axes": ("HCW", "HWC", "TC", "", None),
    "layers.0.first_token": (1, *NO_WHOLE_NUMBERS),
    "layers.0.other_tokens": (1, *NO_WHOLE_NUMBERS),
    "labels": ([], ["a"], ["a", "b"], ["a"] * 4, [1, 2, 3], [["a"], ["b"], ["c"]], {"0": "a"}, "abc", None),
    "labels.1": NO_TEXTS,
    "model": NO_TEXTS,
    "weights": NO_TEXTS,
    "head": ("sigmoid", "", None, 1, "one logit"),
    "input_layout": ("NWHC", None),
    "classifier": ("", "weight", "segments.0.bias", 3, []),
    "parity": ([], None, {}, {"worst_share_of_range": "0"}, {"worst_share_of_range": NAN}),
    "versions": ([], {"torch": 2}),
    "files": ([], {}, None, {ONNX: 1}),
    "files.notes": ("abc",),
    "files.../../manifest": ("abc",),
    "int8": (True, [], {}, {"used": True}),
    "format": (True, 1.0, 2.0, 3, -1, NAN),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the artefact of an ONNX file of three classes, whose TorchScript has no `features`."""
    return _of_file(small_model(), tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the artefact of a torch module at two layers."""
    folder = tmp_path_factory.mktemp("layered") / "net"
    return export_model(conv_net(), folder, preprocessing=STEPS, int8=False, target_layer=("5", "2"))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the artefact of a vision transformer in an ONNX file."""
    folder = tmp_path_factory.mktemp("tokens")
    return _of_file(onnx.load(to_file(TokenNet(), folder / "vit.onnx", opset=17)), folder)


def _of_file(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "net.onnx")
    return export_artifact(ExportOptions(model=str(folder / "net.onnx"), out=folder / "artefact", int8=False))


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Return a function that copies an artefact, so that a test may damage it."""
    return lambda directory: Path(shutil.copytree(directory, tmp_path / "copy"))


def read(directory: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    return values


def put(values: Any, key: str, value: Any) -> None:
    """Set the entry at a path of keys and numbers, which points separate."""
    *way, last = key.split(".", 1) if key.startswith("files.") else key.split(".")
    for step in way:
        values = values[int(step) if step.isdigit() else step]
    values[int(last) if last.isdigit() else last] = value


def write(directory: Path, values: dict[str, Any]) -> None:
    (directory / MANIFEST).write_text(json.dumps(values), encoding="utf-8")


def list_again(directory: Path) -> None:
    """Write the hashes of the files as they are now, as whoever replaces one on purpose does."""
    values = read(directory)
    write(directory, {**values, "files": {name: sha256(directory / name) for name in values["files"]}})


def refusal(directory: Path) -> str:
    """Return the sentence with which an artefact is refused when it is loaded."""
    with pytest.raises(ArtifactError) as caught:
        Explainer.load(directory)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 600
    assert str(directory) in sentence
    assert "export it again with `python -m export" in sentence
    return sentence


def test_artefacts_that_are_not_damaged_are_loaded(small: Path, layered: Path, tokens: Path) -> None:
    for directory in (small, layered, tokens):
        explainer = Explainer.load(directory)
        for layer in explainer.manifest.layers:
            assert explainer.at_layer(layer.name).manifest.layer == layer


@pytest.mark.parametrize("key", FAULTS)
def test_a_wrong_value_in_the_manifest_is_refused(key: str, small: Path, copied: Callable[[Path], Path]) -> None:
    directory = copied(small)
    original = read(directory)
    for value in FAULTS[key]:
        values = json.loads(json.dumps(original))
        put(values, key, value)
        write(directory, values)
        refusal(directory)
    write(directory, original)
    Explainer.load(directory)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layers.1.number", 0), ("layers.1.number", 2), ("layers.1.name", "5"), ("layers.0.channels", 8),
        ("layers.0.map_size", [16, 16]), ("classifier", "segments.9.weight"), ("labels", ["a", "b"]),
    ],
)  # fmt: skip
def test_a_wrong_value_about_one_of_several_layers_is_refused(
    key: str, value: Any, layered: Path, copied: Callable[[Path], Path]
) -> None:
    directory = copied(layered)
    values = read(directory)
    put(values, key, value)
    write(directory, values)
    refusal(directory)


@pytest.mark.parametrize(("key", "value"), [("channels", 12), ("map_size", [8, 8])])
def test_a_wrong_value_about_a_further_layer_is_refused_when_it_is_used(
    key: str, value: Any, layered: Path, copied: Callable[[Path], Path]
) -> None:
    directory = copied(layered)
    values = read(directory)
    put(values, f"layers.1.{key}", value)
    write(directory, values)
    explainer = Explainer.load(directory)
    with pytest.raises(ArtifactError, match="export it again"):
        explainer.at_layer("2")


def test_a_layer_that_no_model_has_is_refused_when_it_is_used(
    layered: Path, small: Path, copied: Callable[[Path], Path], tmp_path: Path
) -> None:
    for number, original in enumerate((layered, small)):
        directory = Path(shutil.copytree(original, tmp_path / str(number)))
        values = read(directory)
        count = len(values["layers"])
        write(
            directory, {**values, "layers": [*values["layers"], {**values["layers"][0], "name": "x", "number": count}]}
        )
        with pytest.raises(
            ArtifactError, match="does not have all the layers that the manifest names: export it again"
        ):
            Explainer.load(directory).at_layer("x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("axes", "CHW"), ("axes", "HWC"), ("first_token", 2), ("other_tokens", 0), ("other_tokens", 2),
        ("map_size", [4, 5]), ("map_size", [16, 1]), ("channels", 17),
    ],
)  # fmt: skip
def test_a_wrong_value_about_tokens_is_refused(
    key: str, value: Any, tokens: Path, copied: Callable[[Path], Path]
) -> None:
    directory = copied(tokens)
    values = read(directory)
    put(values, f"layers.0.{key}", value)
    write(directory, values)
    if (key, value) == ("map_size", [16, 1]):  # as many tokens: only the one who exported knows how they lie
        Explainer.load(directory)
    else:
        refusal(directory)


def test_a_manifest_that_is_nested_too_deeply_is_refused(small: Path, copied: Callable[[Path], Path]) -> None:
    directory = copied(small)
    for depth in (500, 100_000):
        text = json.dumps({**read(small), "labels": 0}).replace('"labels": 0', f'"labels": {"[" * depth}{"]" * depth}')
        (directory / MANIFEST).write_text(text, encoding="utf-8")
        refusal(directory)


def test_a_manifest_that_is_too_large_is_refused(small: Path, copied: Callable[[Path], Path]) -> None:
    directory = copied(small)
    with (directory / MANIFEST).open("ab") as file:
        file.truncate(50_000_001)
    assert "is larger than 50 MB" in refusal(directory)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
@pytest.mark.parametrize("name", [MANIFEST, ONNX, TORCHSCRIPT])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_not_a_regular_file_is_refused_at_once(
    name: str, kind: str, small: Path, copied: Callable[[Path], Path]
) -> None:
    path = copied(small) / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert "is not a regular file" in refusal(path.parent)


@pytest.mark.parametrize("name", [ONNX, TORCHSCRIPT])
def test_the_model_of_another_artefact_is_refused_though_it_has_its_hash(
    name: str, small: Path, layered: Path, tokens: Path, copied: Callable[[Path], Path]
) -> None:
    directory = copied(small)
    for other in (layered, tokens):
        shutil.copy(other / name, directory / name)
        list_again(directory)
        refusal(directory)


def test_an_int8_model_of_other_classes_is_refused_when_it_is_used(
    small: Path, quick_artifacts: Path, copied: Callable[[Path], Path]
) -> None:
    directory, measured = copied(small), {"noise": 0.01, "fidelity_mean": 1, "fidelity_min": 1, "speed_up": 3}
    values = read(directory)
    values["int8"] = {"used": True, **measured, "photos": 2, "float_layers": 0}
    values["files"][ONNX_INT8] = ""
    for name, outcome in ((directory / ONNX, nullcontext()), (quick_artifacts / "finches" / ONNX, refused())):
        shutil.copy(name, directory / ONNX_INT8)
        values["files"][ONNX_INT8] = sha256(directory / ONNX_INT8)
        write(directory, values)
        explainer = Explainer.load(directory)
        with outcome:
            explainer.explain(Image.effect_noise((40, 40), 90).convert("RGB"), effort=4)


def refused() -> AbstractContextManager[Any]:
    return pytest.raises(ArtifactError, match="gives 1000 scores for 3 class names: export it again")


def with_other_weights(directory: Path, name: str) -> None:
    """Change one weight of the head in one of the two models."""
    if name == ONNX:
        model = onnx.load(directory / name)
        tensor = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [6, 3])
        values = numpy_helper.to_array(tensor).copy()
        values[0, 0] += 1
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        onnx.save(model, directory / name)
    else:
        module = torch.jit.load(str(directory / name))  # type: ignore[no-untyped-call]
        matrix = next(parameter for parameter in module.parameters() if parameter.ndim == 2)
        with torch.no_grad():
            matrix[0, 0] += 1
        torch.jit.save(module, str(directory / name))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", [ONNX, TORCHSCRIPT])
def test_a_model_of_the_same_shapes_and_one_other_weight_is_refused(
    name: str, small: Path, copied: Callable[[Path], Path]
) -> None:
    directory = copied(small)
    with_other_weights(directory, name)
    list_again(directory)
    assert f"{ONNX} and {TORCHSCRIPT} in {directory} give different scores" in refusal(directory)


@pytest.mark.parametrize("value", [NAN, INFINITY, 1e30])
def test_a_model_whose_scores_are_not_numbers_is_refused(
    value: float, small: Path, copied: Callable[[Path], Path]
) -> None:
    directory = copied(small)
    model = onnx.load(directory / ONNX)
    tensor = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [6, 3])
    tensor.CopyFrom(numpy_helper.from_array(np.full((6, 3), value, np.float32), tensor.name))
    onnx.save(model, directory / ONNX)
    list_again(directory)
    refusal(directory)


def test_weights_in_another_file_are_refused_before_they_are_read(small: Path, copied: Callable[[Path], Path]) -> None:
    directory = copied(small)
    model = onnx.load(directory / ONNX)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../../../../../dev/zero")
    (directory / ONNX).write_bytes(model.SerializeToString())
    list_again(directory)
    assert "has weights in other files, which are not read" in refusal(directory)


def tensors(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield the places in a model in which a tensor may lie, each with a new one."""
    yield "weight", model.graph.initializer.add()
    yield "sparse weight", model.graph.sparse_initializer.add().values
    yield "attribute", model.graph.node[0].attribute.add(name="t").t
    yield "list", model.graph.node[0].attribute.add(name="ts").tensors.add()
    yield "branch", model.graph.node[0].attribute.add(name="g").g.initializer.add()
    yield "function", model.functions.add().node.add().attribute.add(name="t").t


@pytest.mark.parametrize("number", range(6))
def test_weights_in_another_file_are_noticed_wherever_they_are_named(number: int, tmp_path: Path) -> None:
    model = small_model()
    *_, (_, tensor) = [entry for _, entry in zip(range(number + 1), tensors(model), strict=False)]
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    assert not has_external_data(path)
    tensor.external_data.add(key="location", value="weights.bin")
    path.write_bytes(model.SerializeToString())
    assert has_external_data(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x3a", b"\x3a\xff", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 20, b"\x3f", b"abc"]
)
def test_an_onnx_file_that_is_cut_off_is_refused(content: bytes, small: Path, copied: Callable[[Path], Path]) -> None:
    directory = copied(small)
    (directory / ONNX).write_bytes(content)
    list_again(directory)
    assert "is not a model that ONNX Runtime can run" in refusal(directory)
