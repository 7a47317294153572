"""Checkpoints: every usual form is taken, nothing in one is run, and what does not fit is named."""

import os
import pickle
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.errors import WeightsError
from export.models import classifier_weight
from export.weights import Weights, load_weights, number_of_classes, read_checkpoint
from tests.conftest import untrained

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state(resnet18_checkpoint: Path) -> State:
    content: State = torch.load(resnet18_checkpoint, weights_only=True)
    return content


def _saved(content: object, folder: Path) -> Path:
    path = folder / "birds.pth"
    torch.save(content, path)
    return path


def _loaded(weights: Weights, name: str = "resnet18") -> nn.Module:
    classes = number_of_classes(weights, classifier_weight(untrained(name)), name)
    model = untrained(name, num_classes=classes)
    load_weights(model, weights, name)
    return model


FORMS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
    "module.": lambda state: {f"module.{key}": tensor for key, tensor in state.items()},
    "state_dict module.": lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    "torchvision's training script": lambda state: {"model": state, "args": Namespace(lr=0.1, data_path="birds")},
    "no counters": lambda state: {key: value for key, value in state.items() if not key.endswith("_tracked")},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_form_of_a_checkpoint_is_taken(form: str, state: State, tmp_path: Path) -> None:
    weights = read_checkpoint(_saved(FORMS[form](state), tmp_path))
    assert weights.name == "birds.pth"
    assert number_of_classes(weights, "fc.weight", "resnet18") == 10
    loaded = _loaded(weights).state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in state.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype: torch.dtype, state: State, tmp_path: Path) -> None:
    other = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    model = _loaded(read_checkpoint(_saved(other, tmp_path)))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(model.get_parameter("conv1.weight"), state["conv1.weight"].to(dtype).float())


def test_a_checkpoint_that_calls_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "it ran"

    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return os.system, (f"touch '{witness}'",)

    content = {"conv1.weight": torch.zeros(1), "payload": Bomb()}
    raw = tmp_path / "raw.pth"
    raw.write_bytes(pickle.dumps(content))
    legacy = tmp_path / "legacy.pth"
    torch.save(content, legacy, _use_new_zipfile_serialization=False)
    for path in (_saved(content, tmp_path), raw, legacy):
        with pytest.raises(WeightsError, match="not a checkpoint of plain tensors") as refusal:
            read_checkpoint(path)
        assert str(path) in str(refusal.value)
    assert not witness.exists()


def test_a_whole_pickled_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"save one with `torch\.save\(model\.state_dict"):
        read_checkpoint(_saved(nn.Linear(2, 2), tmp_path))


@pytest.mark.parametrize(
    "content",
    [{}, [1, 2], torch.zeros(3), {"epoch": 3}, {"state_dict": {}}, {"model": {"lr": 0.1}}, {0: torch.zeros(1)}],
    ids=str,
)
def test_a_file_without_a_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_checkpoint(_saved(content, tmp_path))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(WeightsError, match="there is no checkpoint") as refusal:
            read_checkpoint(path)
        assert str(path) in str(refusal.value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), legacy=st.booleans())
def test_damage_of_any_kind_is_one_error(data: st.DataObject, legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "damaged.pth"
    torch.save({"fc.weight": torch.ones(2, 3)}, path, _use_new_zipfile_serialization=not legacy)
    content = bytearray(path.read_bytes())
    cut = data.draw(st.integers(0, len(content)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[:cut] if data.draw(st.booleans()) else content)
    with suppress(WeightsError):  # a flipped bit among the numbers goes unnoticed
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"not weights at all\n", b"PK\x03\x04", b"<html>Log in</html>"])
def test_a_file_that_torch_did_not_save_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "page.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="it is damaged"):
        read_checkpoint(path)


def test_a_checkpoint_of_another_resnet_says_which_keys_differ(state: State, resnet50_checkpoint: Path) -> None:
    deeper = read_checkpoint(resnet50_checkpoint)
    with pytest.raises(WeightsError, match="is not a checkpoint of resnet18") as refusal:
        _loaded(deeper)
    message = str(refusal.value)
    assert "unknown layer1.0.conv3.weight, layer1.0.bn3.weight" in message
    assert "other shapes for layer1.0.conv1.weight" in message
    assert "--model" in message
    shallower = Weights("birds.pth", state, source="birds.pth", remedy="name its model with --model")
    with pytest.raises(WeightsError, match=r"it lacks layer1\.0\.conv3\.weight.* and \d+ more"):
        _loaded(shallower, "resnet50")


def test_a_checkpoint_without_a_linear_layer_says_what_it_has() -> None:
    lite0 = Weights("lite0.pth", {"_fc.weight": torch.zeros(5, 9)}, source="lite0.pth", remedy="use --model")
    with pytest.raises(WeightsError, match=r"no linear layer fc\.weight, but _fc\.weight\): use --model"):
        number_of_classes(lite0, "fc.weight", "resnet18")
    assert number_of_classes(lite0, "_fc.weight", "efficientnet_lite0") == 5
    flat = Weights("flat.pth", {"fc.weight": torch.zeros(5)}, source="flat.pth", remedy="use --model")
    with pytest.raises(WeightsError, match="no linear layer"):
        number_of_classes(flat, "fc.weight", "resnet18")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused(value: float, state: State, tmp_path: Path) -> None:
    broken = {**state, "layer2.0.conv1.weight": torch.full_like(state["layer2.0.conv1.weight"], value)}
    with pytest.raises(WeightsError, match=r"not finite numbers \(in layer2\.0\.conv1\.weight\)"):
        _loaded(read_checkpoint(_saved(broken, tmp_path)))


def test_values_beyond_float32_are_refused(state: State, tmp_path: Path) -> None:
    wide = {**state, "fc.bias": torch.full((10,), 1e300, dtype=torch.float64)}
    with pytest.raises(WeightsError, match=r"not finite numbers \(in fc\.bias\)"):
        _loaded(read_checkpoint(_saved(wide, tmp_path)))
