"""Classifiers in ONNX files are explained as the same network exported from torch is."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from PIL import Image
from torch import nn

from camcore import Explainer, Explanation
from camcore.images.photo import open_photo
from camcore.model.manifest import ONNX_INT8, TORCHSCRIPT
from camcore.model.torchscript import TracedModel
from export import export_model
from export.__main__ import main
from export.models import IMAGENET_STEPS
from export.pipeline import ExportOptions, export_artifact
from export.preprocessing import PreprocessingOptions
from tests.export.onnx_models.nets import (
    FLOAT,
    SIZE,
    FromChannelsLast,
    TokenNet,
    conv_net,
    model_of,
    node,
    run_file,
    small_model,
    small_nodes,
    to_file,
)

METHODS = ("grad-cam", "grad-cam++", "score-cam", "recipro-cam")
STEPS = IMAGENET_STEPS.__class__(
    SIZE, (SIZE, SIZE), "bilinear", mean=IMAGENET_STEPS.mean, std=IMAGENET_STEPS.std
)  # what the export assumes of a file of that size, but for `resize`
pytestmark = pytest.mark.usefixtures("one_thread")


class TwoResults(nn.Module):
    """Returns the feature map, the pooled features with a third axis, and the scores."""

    def __init__(self, net: nn.Sequential):
        super().__init__()
        self.features, self.head = net[:6], net[6:]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        activations = self.features(x)
        return activations, activations.flatten(2).mean(2, keepdim=True), self.head(activations)


@pytest.fixture
def photo(animal_photos: list[Path]) -> Image.Image:
    return open_photo(animal_photos[0])


def load_file(path: Path, *, out: str = "of file", **options: Any) -> Explainer:
    """Export an ONNX file without int8, and load the artefact."""
    steps = PreprocessingOptions(resize=SIZE, size=options.pop("size", None))
    chosen = ExportOptions(**{"int8": False, **options}, model=str(path), preprocessing=steps, out=path.parent / out)
    return Explainer.load(export_artifact(chosen))


def load_module(module: nn.Module, folder: Path, *layers: str) -> Explainer:
    """Export a torch module without int8, and load the artefact."""
    return Explainer.load(export_model(module, folder, preprocessing=STEPS, int8=False, target_layer=layers))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    """`conv_net` as exported from torch, at all its layers, the last first."""
    return load_module(conv_net(), tmp_path_factory.mktemp("torch") / "net", "5", "4", "3", "2")


@pytest.fixture(scope="module")
def expected_logit(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return load_module(conv_net(1), tmp_path_factory.mktemp("torch") / "net", "5")


@pytest.fixture(scope="module")
def expected_channels_last(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return load_module(ChannelsLastNet(), tmp_path_factory.mktemp("torch") / "net")


@pytest.fixture(scope="module")
def expected_tokens(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return load_module(TokenNet().eval(), tmp_path_factory.mktemp("torch") / "net", "blocks.0")


def maps(explainer: Explainer, photo: Image.Image, class_idx: int = 1) -> list[Explanation]:
    return explainer.explain(explainer.forward(photo), class_idx, METHODS, effort="exact")


def assert_equal_maps(actual: Explainer, expected: Explainer, photo: Image.Image) -> None:
    """Check the logits and the maps of all methods, for two classes."""
    passes = actual.forward(photo), expected.forward(photo)
    np.testing.assert_allclose(passes[0].logits, passes[1].logits, atol=1e-4)
    for class_idx in (0, 1):
        for ours, theirs in zip(*(maps(model, photo, class_idx) for model in (actual, expected)), strict=True):
            assert theirs.heatmap.max() == pytest.approx(1)
            np.testing.assert_allclose(ours.heatmap, theirs.heatmap, atol=1e-4, err_msg=ours.method)


def batch(explainer: Explainer, photo: Image.Image) -> np.ndarray:
    """Return three different inputs."""
    x = explainer.forward(photo).x
    return np.concatenate([x, x[..., ::-1], x / 2])


def assert_runs_as(explainer: Explainer, path: Path, photo: Image.Image, change: Callable[..., Any] = np.array) -> None:
    """Check the logits of a batch of three against ONNX Runtime's own of the file, which `change` makes logits of."""
    x = batch(explainer, photo)
    of_file = run_file(path, x.transpose(0, 2, 3, 1) if explainer.manifest.input_layout == "NHWC" else x)
    np.testing.assert_allclose(explainer._logits(x), change(of_file), atol=1e-4)


FILES = {
    "old exporter, one photo": {"photos": 1},
    "old exporter, any number": {},
    "new exporter, opset 18": {"dynamo": True, "opset": 18},
    "new exporter, newest opset, one photo": {"dynamo": True, "opset": 25, "photos": 1},
}


@pytest.mark.parametrize("options", FILES.values(), ids=FILES.keys())
def test_a_file_is_explained_as_its_module_and_not_changed(
    options: dict[str, Any], expected: Explainer, photo: Image.Image, tmp_path: Path
) -> None:
    path = to_file(conv_net(), tmp_path / "trap.onnx", **options)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    explainer = load_file(path)
    assert_equal_maps(explainer, expected, photo)
    assert_runs_as(explainer, path, photo)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    manifest = explainer.manifest
    assert (manifest.model, manifest.weights, manifest.head) == ("trap", "trap.onnx", "softmax")
    assert manifest.preprocessing.size == (SIZE, SIZE)
    assert (manifest.layer.channels, manifest.layer.map_size, manifest.layer.linear_head) == (12, (8, 8), True)
    assert not TracedModel(path.parent / "of file" / TORCHSCRIPT).has_features


def test_a_module_that_takes_channels_last_is_explained_as_the_one_inside(
    expected: Explainer, photo: Image.Image, tmp_path: Path
) -> None:
    path = to_file(FromChannelsLast(conv_net()), tmp_path / "keras.onnx", shape=(SIZE, SIZE, 3), photos=1)
    explainer = load_file(path, input_layout="NHWC")
    assert explainer.manifest.input_layout == "NHWC"
    assert_equal_maps(explainer, expected, photo)
    assert_runs_as(explainer, path, photo)


def channels_last_model(shape: Sequence[int | str | None]) -> onnx.ModelProto:
    """Return a network as tf2onnx converts one of Keras: transposed before and after each convolution."""
    _, weights = small_nodes()
    weights["b"] = np.linspace(-1, 1, 6, dtype=np.float32)
    nodes = [
        node("Transpose", "x", "t0", perm=[0, 3, 1, 2]), node("Conv", "t0 w", "t1", strides=[4, 4]),
        node("Transpose", "t1", "map", perm=[0, 2, 3, 1]), node("Add", "map b", "biased"),
        node("Relu", "biased", "act"), node("ReduceMean", "act", "flat", axes=[1, 2], keepdims=0),
        node("MatMul", "flat m", "y0"), node("Softmax", "y0", "y", axis=-1),
    ]  # fmt: skip
    return model_of(nodes, weights, shape=shape)


class ChannelsLastNet(nn.Module):
    """The network of `channels_last_model` in torch, channels first and without softmax."""

    def __init__(self) -> None:
        super().__init__()
        _, weights = small_nodes()
        self.convolution, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 3)
        values = weights["w"], np.linspace(-1, 1, 6, dtype=np.float32), weights["m"].T, np.zeros(3, np.float32)
        for parameter, value in zip(self.parameters(), values, strict=True):
            parameter.data = torch.from_numpy(value.copy())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.convolution(x).relu().mean((2, 3)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("shape", [(1, SIZE, SIZE, 3), ("n", "h", "w", 3), (None, None, None, None)])
def test_a_network_of_channels_last_is_explained(
    shape: tuple[int | str | None, ...], expected_channels_last: Explainer, photo: Image.Image, tmp_path: Path
) -> None:
    onnx.save(channels_last_model(shape), tmp_path / "keras.onnx")
    layout = {"input_layout": "NHWC"} if shape[3] is None else {}
    explainer = load_file(tmp_path / "keras.onnx", size=(SIZE, SIZE), **layout)
    assert (explainer.manifest.layer.map_size, explainer.manifest.layer.channels) == ((8, 8), 6)
    assert explainer.manifest.input_layout == "NHWC"
    assert_equal_maps(explainer, expected_channels_last, photo)


@pytest.mark.parametrize("name", ["/4/Conv_output_0", "/4/Conv"])
def test_a_layer_has_the_name_of_its_tensor_or_node(
    name: str, expected: Explainer, photo: Image.Image, tmp_path: Path
) -> None:
    explainer = load_file(to_file(conv_net(), tmp_path / "trap.onnx"), layers=(name,))
    assert explainer.manifest.layer.name == "/4/Conv_output_0"
    assert explainer.manifest.layer.signed
    assert_equal_maps(explainer, expected.at_layer("4"), photo)


def test_several_layers_are_explained_alone_and_in_common_batches(
    expected: Explainer, photo: Image.Image, tmp_path: Path
) -> None:
    layers = ("/5/Relu_output_0", "/2/Relu_output_0", "/3/MaxPool")
    explainer = load_file(to_file(conv_net(), tmp_path / "trap.onnx", photos=1), layers=layers)
    for number, target in enumerate("523"):
        other = explainer.at_layer(explainer.manifest.layers[number].name)
        assert_equal_maps(other, expected.at_layer(target), photo)
        with other.sharing_batches() as sharing:
            assert_equal_maps(sharing, expected.at_layer(target), photo)
            np.testing.assert_allclose(sharing._logits(batch(other, photo)), other._logits(batch(other, photo)))


def test_the_layers_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = to_file(conv_net(), tmp_path / "trap.onnx")
    assert main(["--model", str(path), "--list-layers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "/0/Conv_output_0", "/2/Relu_output_0", "/3/MaxPool_output_0", "/4/Conv_output_0", "/5/Relu_output_0",
    ]  # fmt: skip
    assert [line.endswith("default") for line in lines] == [False] * 4 + [True]
    assert "12 channels of   8 ×   8" in lines[-1]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", [(), (nn.Sigmoid(),)], ids=["logit", "sigmoid"])
def test_one_logit_becomes_two_classes(
    ending: tuple[nn.Module, ...], expected_logit: Explainer, photo: Image.Image, tmp_path: Path
) -> None:
    path = to_file(conv_net(1, *ending), tmp_path / "trap.onnx")
    explainer = load_file(path)
    assert (explainer.manifest.head, len(explainer.manifest.labels)) == ("one logit", 2)
    plain = to_file(conv_net(1), tmp_path / "plain.onnx")
    assert_runs_as(explainer, plain, photo, lambda z: np.concatenate([-z / 2, z / 2], axis=1))
    assert_equal_maps(explainer, expected_logit, photo)


ENDINGS = {
    "softmax": ((nn.Softmax(1),), "softmax"),
    "sigmoid": ((nn.Sigmoid(),), "multi-label"),
    "log softmax": ((nn.LogSoftmax(1),), "softmax"),
    "softmax, flatten": ((nn.Softmax(1), nn.Flatten()), "softmax"),
    "scores (N, K, 1, 1)": ((nn.Unflatten(1, (3, 1, 1)),), "softmax"),
    "softmax of (N, K, 1, 1)": ((nn.Unflatten(1, (3, 1, 1)), nn.Softmax(1)), "softmax"),
    "softmax of (N, K, 1, 1), flatten": ((nn.Unflatten(1, (3, 1, 1)), nn.Softmax(1), nn.Flatten()), "softmax"),
}


@pytest.mark.parametrize(("ending", "head"), ENDINGS.values(), ids=ENDINGS.keys())
def test_what_follows_the_logits_is_removed(
    ending: tuple[nn.Module, ...], head: str, photo: Image.Image, tmp_path: Path
) -> None:
    explainer = load_file(to_file(conv_net(3, *ending), tmp_path / "trap.onnx"))
    assert explainer.manifest.head == head
    plain = to_file(conv_net(), tmp_path / "plain.onnx")
    assert_runs_as(explainer, plain, photo)
    (cam, *_) = maps(explainer, photo)
    assert cam.heatmap.max() == pytest.approx(1)


def test_a_squeeze_after_the_softmax_is_removed_too(photo: Image.Image, tmp_path: Path) -> None:
    nodes, weights = small_nodes("logits")
    nodes[3:4] = [node("Conv", "pooled k", "logits")]
    weights["k"] = weights.pop("m").T[..., None, None].copy()
    nodes[4:] = [node("Softmax", "logits", "soft", axis=1), node("Squeeze", "soft axes", "y")]
    onnx.save(model_of(nodes, {**weights, "axes": np.array([2, 3])}), tmp_path / "trap.onnx")
    onnx.save(small_model(), tmp_path / "plain.onnx")
    assert_runs_as(load_file(tmp_path / "trap.onnx"), tmp_path / "plain.onnx", photo)


@pytest.mark.slow
def test_a_file_has_an_int8_model(photo: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.quantize.MIN_SPEED_UP", 0.0)
    monkeypatch.setattr("export.quantize.MAX_NOISE", 1.0)
    for photos in (None, 1):
        path = to_file(conv_net(), tmp_path / "trap.onnx", photos=photos)
        explainer = load_file(path, int8=True)
        assert (tmp_path / "of file" / ONNX_INT8).is_file()
        assert explainer.manifest.int8 is not None
        exact = maps(explainer, photo)[2]
        fast = explainer.explain(explainer.forward(photo), 1, ("score-cam",), effort="fast")[0]
        assert np.corrcoef(exact.heatmap.ravel(), fast.heatmap.ravel())[0, 1] > 0.9


def test_the_classifier_can_be_randomised(expected: Explainer, photo: Image.Image, tmp_path: Path) -> None:
    explainer = load_file(to_file(conv_net(), tmp_path / "trap.onnx"))
    assert explainer.manifest.classifier is not None
    results = [model.sanity(model.forward(photo)) for model in (explainer, expected)]
    assert results[0].keys() == results[1].keys()
    for method, similarity in results[0].items():
        assert similarity is None or -1 <= similarity < 0.999, method
        assert (similarity is None) == (results[1][method] is None)


@pytest.mark.slow
@pytest.mark.parametrize("photos", [1, None])
def test_a_vision_transformer_is_explained_as_its_module(
    photos: int | None, expected_tokens: Explainer, photo: Image.Image, tmp_path: Path
) -> None:
    path = to_file(TokenNet(), tmp_path / "vit.onnx", photos=photos, opset=17)
    explainer = load_file(path)
    layer = explainer.manifest.layer
    assert (layer.axes, layer.map_size, layer.other_tokens, layer.first_token) == ("TC", (4, 4), 1, 1)
    assert_equal_maps(explainer, expected_tokens, photo)
    assert_runs_as(explainer, path, photo)


def test_of_several_outputs_the_scores_are_explained(expected: Explainer, photo: Image.Image, tmp_path: Path) -> None:
    module, path = TwoResults(conv_net()).eval(), tmp_path / "trap.onnx"
    to_file(module, path, photos=1)
    model = onnx.load(path)  # with the best class, which is no score
    model.graph.node.append(node("ArgMax", model.graph.output[2].name, "best", axis=1))
    model.graph.output.append(helper.make_tensor_value_info("best", onnx.TensorProto.INT64, [1, 1]))
    onnx.save(model, path)
    explainer = load_file(path)
    assert_equal_maps(explainer, expected, photo)


def test_weights_may_be_listed_as_inputs(photo: Image.Image, tmp_path: Path) -> None:
    model = small_model(ir_version=3, opset=9)
    onnx.save(small_model(), tmp_path / "plain.onnx")
    values = [(tensor.name, list(tensor.dims)) for tensor in model.graph.initializer]
    model.graph.input.extend(helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in values)
    onnx.save(model, tmp_path / "trap.onnx")
    assert_runs_as(load_file(tmp_path / "trap.onnx"), tmp_path / "plain.onnx", photo)


def test_local_functions_are_inlined(photo: Image.Image, tmp_path: Path) -> None:
    nodes, weights = small_nodes()
    onnx.save(model_of(nodes, weights), tmp_path / "plain.onnx")
    body = [node("Relu", "a", "b"), node("GlobalAveragePool", "b", "c")]
    function = helper.make_function("own", "Pool", ["a"], ["c"], body, [helper.make_opsetid("", 17)])
    nodes[1:3] = [helper.make_node("Pool", ["map"], ["pooled"], "POOL", domain="own")]
    domains = [helper.make_opsetid("own", 1)]
    onnx.save(model_of(nodes, weights, domains=domains, functions=[function]), tmp_path / "trap.onnx")
    explainer = load_file(tmp_path / "trap.onnx")
    assert_equal_maps(explainer, load_file(tmp_path / "plain.onnx", out="plain", layers=("act",)), photo)


class Photos(CalibrationDataReader):  # type: ignore[misc]
    """Yields four random photos."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._photos = iter(random.normal(size=(4, 1, 3, SIZE, SIZE)).astype(np.float32))

    def get_next(self) -> dict[str, Any] | None:
        photo = next(self._photos, None)
        return None if photo is None else {"x": photo}


def test_a_quantised_file_whose_head_is_float_is_explained(photo: Image.Image, tmp_path: Path) -> None:
    onnx.save(small_model(), tmp_path / "plain.onnx")
    quantize_static(
        str(tmp_path / "plain.onnx"), str(tmp_path / "trap.onnx"), Photos(), quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
    )  # fmt: skip
    explainer = load_file(tmp_path / "trap.onnx")
    assert_runs_as(explainer, tmp_path / "trap.onnx", photo)
    for explanation in maps(explainer, photo):
        assert explanation.heatmap.max() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["If", "Loop"])
def test_branches_and_loops_in_the_features_may_use_outer_names(kind: str, photo: Image.Image, tmp_path: Path) -> None:
    nodes, weights = small_nodes()
    onnx.save(model_of(nodes, weights), tmp_path / "plain.onnx")
    captured = [helper.make_node("Relu", ["map"], ["inner"])]
    tensor = helper.make_tensor_value_info("inner", FLOAT, None)
    if kind == "If":
        branches = {name: helper.make_graph(captured, name, [], [tensor]) for name in ("then_branch", "else_branch")}
        nodes[1:2] = [
            node("ReduceSum", "map", "total", keepdims=0), node("Greater", "total zero", "positive"),
            node("If", "positive", "act", **branches),
        ]  # fmt: skip
        more = {"zero": np.array(0, np.float32)}
    else:
        truth = helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, [])
        inputs = [helper.make_tensor_value_info("i", onnx.TensorProto.INT64, []), truth]
        before, after = (helper.make_tensor_value_info(name, FLOAT, None) for name in ("before", "after"))
        body = helper.make_graph(
            [*captured, node("Add", "before inner", "after"), node("Identity", "go", "stays")], "body",
            [*inputs, before], [helper.make_tensor_value_info("stays", onnx.TensorProto.BOOL, []), after],
        )  # fmt: skip
        nodes[1:2] = [node("Sub", "map map", "start"), node("Loop", "count  start", "act", body=body)]
        nodes[2].input[:] = ["count", "", "start"]
        more = {"count": np.array(1)}
    onnx.save(model_of(nodes, {**weights, **more}), tmp_path / "trap.onnx")
    explainer = load_file(tmp_path / "trap.onnx")
    assert explainer.manifest.layer.name == "act"
    assert_equal_maps(explainer, load_file(tmp_path / "plain.onnx", out="plain"), photo)


def test_an_operator_that_torch_lacks_is_named_and_a_later_layer_works(
    photo: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes, weights = small_nodes()
    nodes[1:2] = [node("Hardmax", "map", "hard", axis=1), node("Add", "hard map", "sum"), node("Relu", "sum", "act")]
    nodes[0].output[0] = "map"
    onnx.save(model_of([node("Identity", "x", "same"), *nodes], weights), tmp_path / "trap.onnx")
    command = ["--model", str(tmp_path / "trap.onnx"), "--no-int8", "--out", str(tmp_path / "out")]
    assert main([*command, "--layer", "map"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: operators after the layer cannot be computed in torch: Hardmax (node 'HARD'): ")
    assert "choose a later layer with --layer" in error
    assert not (tmp_path / "out").exists()
    assert main([*command, "--layer", "act"]) == 0
    explainer = Explainer.load(tmp_path / "out")
    assert_runs_as(explainer, tmp_path / "trap.onnx", photo)


def test_the_size_that_a_file_leaves_open_is_that_of_the_option(photo: Image.Image, tmp_path: Path) -> None:
    onnx.save(small_model(shape=("n", 3, "h", "w")), tmp_path / "trap.onnx")
    explainer = load_file(tmp_path / "trap.onnx", size=(SIZE, 48))
    assert (explainer.manifest.preprocessing.size, explainer.manifest.layer.map_size) == ((SIZE, 48), (8, 12))
    assert_runs_as(explainer, tmp_path / "trap.onnx", photo)


def test_constants_may_be_nodes(photo: Image.Image, tmp_path: Path) -> None:
    nodes, weights = small_nodes()
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
        for name, value in weights.items()
    ]
    onnx.save(model_of([*constants, *nodes]), tmp_path / "trap.onnx")
    onnx.save(small_model(), tmp_path / "plain.onnx")
    plain = load_file(tmp_path / "plain.onnx", out="plain")
    explainer = load_file(tmp_path / "trap.onnx")
    assert explainer.manifest.layer == plain.manifest.layer
    assert_equal_maps(explainer, plain, photo)
