"""An ONNX file that cannot be explained is refused in one sentence that says why, and nothing is written."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from camcore.model.manifest import read_manifest
from export.__main__ import main
from export.errors import ExportError
from export.onnx_models import onnx_reading
from export.onnx_models.onnx_file import start_session
from tests.export.onnx_models.nets import FLOAT, SIZE, model_of, node, small_model, small_nodes

Report = tuple[int, list[str]]
Export = Callable[..., Report]

NODES, WEIGHTS = small_nodes()
UNSCALED = small_nodes("y0")[0]  # whose scores are not the output yet


@pytest.fixture
def export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Export:
    """Return a function that exports a model, or a file, with options: the exit status, and the lines on stderr."""

    def run(model: onnx.ModelProto | Path, *options: str) -> Report:
        if not isinstance(model, Path):
            onnx.save(model, tmp_path / "trap.onnx")
        path = model if isinstance(model, Path) else tmp_path / "trap.onnx"
        status = main(["--model", str(path), "--no-int8", "--out", str(tmp_path / "out"), *options])
        return status, capsys.readouterr().err.splitlines()

    return run


def assert_refused(report: Report, *parts: str) -> None:
    """Check that an export ended in one sentence with these parts."""
    status, lines = report
    assert status == 1
    assert lines[-1].startswith("error: ")
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert len(lines[-1]) < 500
    for part in parts:
        assert part in lines[-1]


def with_extra_input() -> onnx.ModelProto:
    model = model_of([*UNSCALED, node("Mul", "y0 scale", "y")], WEIGHTS)
    model.graph.input.append(helper.make_tensor_value_info("scale", FLOAT, [1]))
    return model


def of_versions(opset: int = 17, ir_version: int = 8) -> onnx.ModelProto:
    model = small_model()
    model.opset_import[0].version, model.ir_version = opset, ir_version
    return model


def of_type(kind: str) -> onnx.ModelProto:
    nodes = [node("Cast", "x", "float", to=FLOAT), node("Conv", "float w", "map", strides=[4, 4]), *NODES[1:]]
    return model_of(nodes, WEIGHTS, kind=getattr(onnx.TensorProto, kind))


def of_channels(count: int) -> onnx.ModelProto:
    return model_of(NODES, {**WEIGHTS, "w": np.ones((6, count, 4, 4), np.float32)}, shape=(1, count, SIZE, SIZE))


def with_weights(**weights: NDArray[np.float32]) -> onnx.ModelProto:
    return model_of(NODES, {**WEIGHTS, **weights})


def of_two_rows() -> onnx.ModelProto:
    return model_of([*NODES, node("Softmax", "y", "z")], WEIGHTS, outputs={"y": (1, 3), "z": (1, 3)})


def with_noise(scale: float) -> onnx.ModelProto:
    noise = [node("RandomNormalLike", "map", "noise", scale=scale), node("Add", "map noise", "sum")]
    return model_of([NODES[0], *noise, node("Relu", "sum", "act"), *NODES[2:]], WEIGHTS)


def perceptron() -> onnx.ModelProto:
    weights = {"a": np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, 6)).astype(np.float32), "m": WEIGHTS["m"]}
    return model_of([node("Flatten", "x", "f"), node("MatMul", "f a", "h"), node("MatMul", "h m", "y")], weights)


def of_own_operator(domain: str) -> onnx.ModelProto:
    own = helper.make_node("Magic", ["map"], ["act"], "MAGIC", domain=domain)
    domains = [helper.make_opsetid(domain, 1)] if domain else []
    return model_of([NODES[0], own, *NODES[2:]], WEIGHTS, domains=domains)


def with_missing_head() -> onnx.ModelProto:
    nodes = [*NODES[:4], node("Hardmax", "flat", "hard"), node("MatMul", "hard m", "y")]
    return model_of(nodes, WEIGHTS)


def without_output() -> onnx.ModelProto:
    model = small_model()
    del model.graph.output[:]
    return model


def without_shape() -> onnx.ModelProto:
    model = small_model()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return model


def of_shape(*shape: int | str | None) -> onnx.ModelProto:
    return small_model(shape=shape)


REFUSED: dict[str, tuple[onnx.ModelProto, Sequence[str], Sequence[str]]] = {
    "two inputs": (with_extra_input(), (), ["has 2 inputs (x, scale)", "with the photo as its only input"]),
    "two rows": (of_two_rows(), (), ["returns y (1, 3), z (1, 3) for one photo", "one row of scores"]),
    "a map": (
        model_of(NODES[:2], {"w": WEIGHTS["w"]}, outputs={"act": (1, 6, 8, 8)}), (),
        ["returns act (1, 6, 8, 8)", "one row of scores"],
    ),
    "open size": (of_shape("n", 3, "h", "w"), (), ["takes photos of several sizes", "--size"]),
    "open width": (of_shape("n", 3, SIZE, "w"), (), ["takes photos of several sizes", "--size"]),
    "no shape": (without_shape(), (), ["takes photos of several sizes", "--size"]),
    "another size": (small_model(), ("--size", "48"), ["takes photos of 32 × 32 pixels, not 48 × 48", "--size"]),
    "another height": (
        of_shape(1, 3, SIZE, "w"), ("--size", "64"), ["takes photos of 32 × any pixels, not 64 × 64", "--size"],
    ),
    "a size that does not fit": (
        model_of(
            [*NODES[:2], node("Flatten", "act", "flat"), node("MatMul", "flat m", "y")],
            {**WEIGHTS, "m": np.ones((384, 3), np.float32)}, shape=("n", 3, "h", "w"),
        ),
        ("--size", "48"), ["cannot run an input of 1 × 3 × 48 × 48 (", "MatMul", "--size"],
    ),
    "a missing operator": (with_missing_head(), (), ["Hardmax (node 'HARD')", "--layer", "Python code"]),
    "weights": (small_model(), ("--weights", "birds.pth"), ["has its own weights: leave out --weights"]),
    "layout": (small_model(), ("--input-layout", "NHWC"), ["(N, 3, H, W)", "leave out --input-layout"]),
    "float16": (of_type("FLOAT16"), (), ["numbers of type float16", "in float32"]),
    "uint8": (of_type("UINT8"), (), ["numbers of type uint8", "in float32"]),
    "one channel": (of_channels(1), (), ["an input of 1 × 1 × 32 × 32, not photos of 3 channels"]),
    "four channels": (of_channels(4), (), ["an input of 1 × 4 × 32 × 32, not photos of 3 channels"]),
    "two axes": (
        model_of([node("MatMul", "x m", "y")], {"m": WEIGHTS["m"]}, shape=(1, 6)), (),
        ["an input of 1 × 6, not photos of 3 channels"],
    ),
    "three axes": (of_shape(3, SIZE, SIZE), (), ["an input of 3 × 32 × 32, not photos of 3 channels"]),
    "eight photos": (of_shape(8, 3, SIZE, SIZE), (), ["exactly 8 photos at once", "for one photo or any number"]),
    "no photos": (of_shape(0, 3, SIZE, SIZE), (), ["cannot run an input of 1 × 3 × 32 × 32 (", "export the model"]),
    "a newer opset": (of_versions(opset=99), (), ["operators of opset 99, and ONNX Runtime runs 7 to", "opset 17"]),
    "an older opset": (of_versions(opset=6), (), ["operators of opset 6, and ONNX Runtime runs 7 to", "opset 17"]),
    "a newer IR version": (of_versions(ir_version=99), (), ["IR version 99", "an older version of the onnx package"]),
    "a domain of its own": (of_own_operator("my.ops"), (), ["cannot run the model (", "my.ops:Magic", "own operators"]),
    "an operator of its own": (of_own_operator(""), (), ["cannot run the model (", "Magic", "own operators"]),
    "no operations": (model_of([], outputs={"x": (1, 3, SIZE, SIZE)}), (), ["has no operations"]),
    "no output": (without_output(), (), ["has no operations"]),
    "an undefined output": (model_of(NODES, WEIGHTS, outputs={"z": (1, 3)}), (), ["Graph output (z) does not exist"]),
    "a constant": (
        model_of([node("Identity", "c", "y")], {"c": np.ones((1, 3), np.float32)}), (), ["do not depend on the photo"],
    ),
    "another part": (
        model_of([*UNSCALED, node("Identity", "c", "y")], {**WEIGHTS, "c": np.ones((1, 3), np.float32)}), (),
        ["do not depend on the photo"],
    ),
    "scores that are not numbers": (with_weights(m=np.full((6, 3), np.nan, np.float32)), (), ["not finite"]),
    "activations that are not numbers": (with_weights(w=np.full((6, 3, 4, 4), np.nan, np.float32)), (), ["not finite"]),
    "infinite scores": (with_weights(m=np.full((6, 3), 3e38, np.float32)), (), ["not finite"]),
    "a softmax of one": (
        model_of([*UNSCALED, node("Softmax", "y0", "y")], {**WEIGHTS, "m": WEIGHTS["m"][:, :1]}), (),
        ["a softmax over one output, which is always 1"],
    ),
    "no map": (perceptron(), (), ["no feature map of more than one place"]),
    "noise": (with_noise(1.0), (), ["other scores each time it is run on the same photo", "without random operators"]),
    "little noise": (with_noise(1e-3), (), ["other scores each time it is run", "without random operators"]),
    "no such layer": (small_model(), ("--layer", "nope"), ["no layer 'nope'", "--list-layers", "map, act"]),
    "a vector as layer": (small_model(), ("--layer", "flat"), ["'flat' is no feature map", "choose map or act"]),
}  # fmt: skip


@pytest.mark.parametrize(("model", "options", "parts"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_explained_is_refused(
    model: onnx.ModelProto, options: Sequence[str], parts: Sequence[str], export: Export, tmp_path: Path
) -> None:
    assert_refused(export(model, *options), *parts)
    assert list(tmp_path.iterdir()) == [tmp_path / "trap.onnx"]


CONTENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "has no content"),
    "text": (b"This is a text about birds.\n" * 9, "is no ONNX model, or is damaged"),
    "a page": (b"<!DOCTYPE html><html></html>", "is no ONNX model, or is damaged"),
    "zeros": (b"\0" * 999, "is no ONNX model, or is damaged"),
    "cut": (small_model().SerializeToString()[:900], "is no ONNX model, or is damaged"),
}


@pytest.mark.parametrize(("content", "part"), CONTENTS.values(), ids=CONTENTS.keys())
def test_what_is_no_model_is_refused(content: bytes, part: str, export: Export, tmp_path: Path) -> None:
    path = tmp_path / "trap.onnx"
    path.write_bytes(content)
    assert_refused(export(path), part, "copy it again")
    assert list(tmp_path.iterdir()) == [path]


def test_no_damage_ends_in_a_traceback(export: Export, tmp_path: Path) -> None:
    content, path, random = small_model().SerializeToString(), tmp_path / "trap.onnx", np.random.default_rng(0)
    weights = numpy_helper.from_array(WEIGHTS["w"]).raw_data
    places = [*range(content.index(weights)), *range(len(content) - 90, len(content))]  # where the structure is
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for place in random.choice(places, size=3):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        status, lines = export(path, "--list-layers", "--size", "32")
        refused += status
        assert status == 0 or lines[-1].startswith("error: ")
    assert refused > 40


def test_a_folder_a_missing_and_an_unreadable_file_are_refused(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.onnx").mkdir()
    assert_refused(export(tmp_path / "folder.onnx"), "is a folder: name the ONNX file inside it")
    assert_refused(export(tmp_path / "none.onnx"), "there is no file", "none.onnx")
    onnx.save(small_model(), tmp_path / "trap.onnx")
    (tmp_path / "trap.onnx").chmod(0)
    if os.geteuid() == 0:  # who may read every file

        def denied(*_arguments: object, **_options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(onnx, "load", denied)
    assert_refused(export(tmp_path / "trap.onnx"), "cannot be read (Permission denied): make it readable")
    assert not (tmp_path / "out").exists()


def test_more_than_two_gigabytes_are_refused(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_reading, "_MAX_BYTES", 100)
    assert_refused(export(small_model()), "more than 2 GB", "use a smaller model")


def with_data_in(folder: Path, location: str | None = None) -> Path:
    """Write a file with its weights in `trap.data`, or in another place by what the file says."""
    folder.mkdir()
    path = folder / "trap.onnx"
    onnx.save(small_model(), path, save_as_external_data=True, location="trap.data", size_threshold=0)
    if location is not None:
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            next(entry for entry in tensor.external_data if entry.key == "location").value = location
        onnx.save(model, path)
    return path


def test_weights_in_a_second_file_are_read(export: Export, tmp_path: Path) -> None:
    path = with_data_in(tmp_path / "model")
    assert export(path)[0] == 0
    inner = with_data_in(tmp_path / "second", "data/trap.data")
    (inner.parent / "data").mkdir()
    shutil.move(inner.with_suffix(".data"), inner.parent / "data" / "trap.data")
    assert export(inner)[0] == 0


def test_weights_that_are_missing_damaged_or_elsewhere_are_refused(export: Export, tmp_path: Path) -> None:
    path = with_data_in(tmp_path / "model")
    data = path.with_suffix(".data")
    content = data.read_bytes()
    for damaged in (content[:100], b""):
        data.write_bytes(damaged)
        assert_refused(export(path), "the weights of", "in trap.data cannot be read", "copy all its files again")
    data.unlink()
    assert_refused(export(path), f"there is no file {data}: put it there")
    (tmp_path / "real.data").write_bytes(content)
    data.symlink_to(tmp_path / "real.data")
    assert_refused(export(path), "a symbolic link: put the file itself in its place")
    data.unlink()
    data.write_bytes(content)
    assert export(path)[0] == 0  # as the last two sentences say
    for number, location in enumerate(["../real.data", str(tmp_path / "real.data"), "a/../../real.data"]):
        other = with_data_in(tmp_path / f"model {number}", location)
        assert_refused(export(other), f"in {location}, outside of its own folder", "with all in one folder")


ACCEPTED: dict[str, tuple[onnx.ModelProto, Sequence[str]]] = {
    "open size": (of_shape("n", 3, "h", "w"), ("--size", "48")),
    "open width": (of_shape("n", 3, SIZE, "w"), ("--size", "32x64")),
    "open channels": (of_shape(None, None, SIZE, SIZE), ()),
    "no shape": (without_shape(), ("--size", "32")),
    "the size of the file": (small_model(), ("--size", "32", "--input-layout", "NCHW")),
    "one class": (with_weights(m=WEIGHTS["m"][:, :1]), ()),
    "the oldest opset": (of_versions(opset=7), ()),
}


@pytest.mark.parametrize(("model", "options"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_a_file_leaves_open_is_no_fault(model: onnx.ModelProto, options: Sequence[str], export: Export) -> None:
    status, lines = export(model, *options)
    assert (status, [line for line in lines if "error" in line]) == (0, [])


def test_the_suffix_may_be_in_capitals(export: Export, tmp_path: Path) -> None:
    onnx.save(small_model(), tmp_path / "TRAP.ONNX", format="protobuf")
    status, lines = export(tmp_path / "TRAP.ONNX")
    assert status == 0
    assert (read_manifest(tmp_path / "out").model, read_manifest(tmp_path / "out").weights) == ("TRAP", "TRAP.ONNX")
    assert [line.split(":")[0] for line in lines] == [
        "reading the weights of TRAP", "input", "finding the layers in the graph", "tracing into TorchScript",
        "exporting to ONNX", "comparing both with the original model, on random input and 2 photos",
        f"wrote {tmp_path / 'out'}",
    ]  # fmt: skip


def labels_of(out: Path) -> list[str]:
    return list(read_manifest(out).labels)


NAMED = ["eagle", "thrush", "bulbul"]
QUOTED = ["Bonelli's eagle", 'the "other"', "none"]
METADATA: dict[str, tuple[dict[str, str], Sequence[str] | None, str]] = {
    "a dict of Python": ({"names": str(dict(enumerate(NAMED)))}, NAMED, ""),
    "a list of JSON": ({"labels": json.dumps(NAMED)}, NAMED, ""),
    "an object of JSON": ({"id2label": json.dumps(dict(enumerate(NAMED)))}, NAMED, ""),
    "a number, then names": ({"names": "3", "classes": json.dumps(NAMED)}, NAMED, ""),
    "quotes": ({"names": str(QUOTED)}, QUOTED, ""),
    "too few": ({"names": str(NAMED[:2])}, None, "do not fit its scores, and are not used"),
    "an empty name": ({"names": str(["a", "", "c"])}, None, "do not fit its scores, and are not used"),
    "damaged": ({"names": "{0: 'eagle', 1:"}, None, "('names') cannot be read, and are not used"),
    "code": ({"names": "__import__('sys').exit(7)"}, None, "('names') cannot be read, and are not used"),
    "too deep": ({"classes": "[" * 100_000}, None, "('classes') cannot be read, and are not used"),
    "other keys": ({"author": "nobody"}, None, ""),
}  # fmt: skip


@pytest.mark.parametrize(("metadata", "names", "note"), METADATA.values(), ids=METADATA.keys())
def test_class_names_are_those_of_the_metadata_if_they_fit(
    metadata: dict[str, str], names: Sequence[str] | None, note: str, export: Export, tmp_path: Path
) -> None:
    model = small_model()
    helper.set_model_props(model, metadata)
    status, lines = export(model)
    assert status == 0
    assert labels_of(tmp_path / "out") == list(names or ["class 0", "class 1", "class 2"])
    notes = [line for line in lines if line.startswith("trap.onnx: ")]
    assert len(notes) == bool(note)
    assert all(note in line for line in notes)


def test_a_labels_file_comes_before_the_metadata(export: Export, tmp_path: Path) -> None:
    model = small_model()
    helper.set_model_props(model, {"names": str(NAMED)})
    (tmp_path / "birds.txt").write_text("one\ntwo\nthree\n")
    assert export(model, "--labels", str(tmp_path / "birds.txt"))[0] == 0
    assert labels_of(tmp_path / "out") == ["one", "two", "three"]
    (tmp_path / "birds.txt").write_text("one\ntwo\n")
    assert_refused(export(model, "--labels", str(tmp_path / "birds.txt")), "birds.txt names 2 classes")
    assert labels_of(tmp_path / "out") == ["one", "two", "three"]


def test_one_name_of_one_score_is_that_of_its_presence(export: Export, tmp_path: Path) -> None:
    model = with_weights(m=WEIGHTS["m"][:, :1])
    helper.set_model_props(model, {"names": "['eagle']"})
    assert export(model)[0] == 0
    assert labels_of(tmp_path / "out") == ["not eagle", "eagle"]


def test_an_error_of_onnx_runtime_has_no_place_in_its_source() -> None:
    with pytest.raises(ExportError, match=r"ONNX Runtime cannot run the model \(Unsupported model IR version: 99"):
        start_session(of_versions(ir_version=99))
