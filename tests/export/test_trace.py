"""Both traces compute what the eager model does, however often, at any batch size, and with its gradients."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from camcore.model.onnx import Scorer
from camcore.model.torchscript import TracedModel
from export.errors import ExportError
from export.trace import SplitClassifier, to_onnx, to_torchscript
from tests.conftest import split_at, untrained

pytestmark = pytest.mark.slow

SIZE = 64


def _split(name: str, layer: str) -> SplitClassifier:
    torch.manual_seed(2)
    return split_at(untrained(name, num_classes=10), layer, size=SIZE)


@pytest.fixture(scope="module", params=[("resnet18", "layer2"), ("resnext50_32x4d", "layer4")], ids="-".join)
def split(request: pytest.FixtureRequest) -> SplitClassifier:
    return _split(*request.param)


@pytest.fixture(scope="module")
def torchscript(split: SplitClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traced") / "model.ts.pt"
    to_torchscript(split, (SIZE, SIZE), path)
    return path


@pytest.fixture(scope="module")
def onnx_file(split: SplitClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    to_onnx(split, (SIZE, SIZE), path)
    return path


def test_torchscript_has_three_methods_that_equal_the_eager_model(split: SplitClassifier, torchscript: Path) -> None:
    with pytest.warns(FutureWarning, match="torch.jit"):
        loaded = torch.jit.load(str(torchscript))  # type: ignore[no-untyped-call]
    for batch in (1, 3):
        x = torch.randn(batch, 3, SIZE, SIZE)
        with torch.no_grad():
            logits, activations = split(x)
            traced_logits, traced_activations = loaded(x)
            for actual, expected in (
                (traced_logits, logits),
                (traced_activations, activations),
                (loaded.features(x), activations),
                (loaded.head(activations), logits),
            ):
                torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    assert not loaded.training


def test_gradients_equal_eager_autograd_at_every_call(split: SplitClassifier, torchscript: Path) -> None:
    traced = TracedModel(torchscript)
    for call in range(4):
        x = torch.randn(1, 3, SIZE, SIZE)
        class_idx = call % 3
        logits, activations = traced.forward(x.numpy())
        actual = traced.gradients(activations[0], {class_idx: 1})
        expected = _eager_gradients(split, x, class_idx)
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max(), err_msg=f"{call}")
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(logits, split(x)[0].detach(), rtol=1e-4, atol=1e-4)


def test_gradients_of_one_input_never_change(torchscript: Path) -> None:
    traced = TracedModel(torchscript)
    _, activations = traced.forward(torch.ones(1, 3, SIZE, SIZE).numpy())
    first, *others = (traced.gradients(activations[0], {4: 1}) for _ in range(4))
    for gradients in others:
        np.testing.assert_allclose(gradients, first, rtol=1e-5, atol=1e-8)


def test_onnx_is_one_checked_float32_file(onnx_file: Path) -> None:
    assert [path.name for path in onnx_file.parent.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(str(onnx_file), full_check=True)
    graph = onnx.load(onnx_file, load_external_data=False).graph
    assert not any(tensor.external_data for tensor in graph.initializer)
    floats = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE}
    assert not floats & {tensor.data_type for tensor in graph.initializer}


def test_onnx_takes_any_batch_and_gives_logits_and_activations(split: SplitClassifier, onnx_file: Path) -> None:
    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("input", "tensor(float)", [3, SIZE, SIZE])
    assert isinstance(entry.shape[0], str)
    assert [output.name for output in session.get_outputs()] == ["logits", "activations"]
    assert [output.type for output in session.get_outputs()] == ["tensor(float)"] * 2
    scorer = Scorer(onnx_file)
    for batch in (1, 5):
        x = torch.randn(batch, 3, SIZE, SIZE)
        with torch.no_grad():
            expected = split(x)
        for actual, reference in zip(scorer.forward(x.numpy()), expected, strict=True):
            np.testing.assert_allclose(actual, reference, rtol=1e-4, atol=1e-4 * float(reference.abs().max()))


def test_a_model_that_onnx_cannot_express_is_one_error(tmp_path: Path) -> None:
    class Undecided(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(ExportError, match="cannot be exported to ONNX"):
        to_onnx(SplitClassifier([Undecided(), nn.Flatten()]).eval(), (8, 8), tmp_path / "model.onnx")


def test_a_file_that_the_checker_refuses_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = onnx.helper.make_graph([onnx.helper.make_node("NoSuchOperator", ["x"], ["y"])], "broken", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "model.onnx")
    monkeypatch.setattr(torch.onnx, "export", lambda *_arguments, **_options: None)
    with pytest.raises(ExportError, match=r"cannot be exported to ONNX \(ValidationError: .*\): install the versions"):
        to_onnx(SplitClassifier([nn.Identity(), nn.Flatten()]).eval(), (8, 8), tmp_path / "model.onnx")


def _eager_gradients(split: SplitClassifier, x: Tensor, class_idx: int) -> np.ndarray:
    activations = split.features(x)
    (gradients,) = torch.autograd.grad(split.head(activations)[0, class_idx], activations)
    return gradients[0].numpy()
