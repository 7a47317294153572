"""Checkpoints: every usual form is taken, nothing in one is run, and what does not fit is named."""

import os
import pickle
import re
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.checkpoint_files import read_checkpoint
from export.checkpoints import Checkpoint, select_weights
from export.errors import WeightsError
from export.models import classifier_weight
from export.weights import Weights, load_weights, number_of_classes
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


def _loaded(checkpoint: Checkpoint, name: str = "resnet18") -> nn.Module:
    weights = select_weights(checkpoint, untrained(name))
    classes = number_of_classes(weights, classifier_weight(untrained(name)), name)
    model = untrained(name, num_classes=classes)
    load_weights(model, weights, name)
    return model


def _numbered(key: str) -> str:
    """Return a name of ResNet-18 as `nn.Sequential(*resnet18().children())` spells it."""
    children = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    first, _, rest = key.partition(".")
    return f"{children.index(first)}.{rest}"


FORMS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
    "module.": lambda state: {f"module.{key}": tensor for key, tensor in state.items()},
    "state_dict module.": lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    "torchvision's training script": lambda state: {"model": state, "args": Namespace(lr=0.1, data_path="birds")},
    "compiled": lambda state: {"state_dict": {f"model._orig_mod.{key}": value for key, value in state.items()}},
    "CV4Ecology": lambda state: {
        "model_state": {
            f"classifier.{key[3:]}" if key.startswith("fc.") else f"feature_extractor.{key}": value
            for key, value in state.items()
        }
    },
    "PyTorch-Wildlife": lambda state: {
        "state_dict": {
            **{f"net.feature.{key}": value for key, value in state.items() if not key.startswith("fc.")},
            "net.feature.fc.weight": torch.ones(1000, 512),
            "net.feature.fc.bias": torch.ones(1000),
            "net.classifier.weight": state["fc.weight"],
            "net.classifier.bias": state["fc.bias"],
        }
    },
    "Lightning": lambda state: {
        "state_dict": {**{f"backbone.{key}": value for key, value in state.items()}, "loss.weight": torch.ones(10)},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9), "dirpath": PosixPath("runs")}},
    },
    "dropout before the last layer": lambda state: {key.replace("fc.", "fc.1."): value for key, value in state.items()},
    "LogSoftmax": lambda state: {"net": {key.replace("fc.", "fc.0."): value for key, value in state.items()}},
    "Sequential of the children": lambda state: {
        **{f"features.{_numbered(key)}": value for key, value in state.items() if not key.startswith("fc.")},
        "classifier.weight": state["fc.weight"],
        "classifier.bias": state["fc.bias"],
    },
    "thop": lambda state: {**state, "layer1.0.total_ops": torch.zeros(1), "total_params": torch.zeros(1)},
    "AveragedModel": lambda state: {
        "n_averaged": torch.tensor(7),
        **{f"module.{key}": value for key, value in state.items()},
    },
    "nested": lambda state: {"epoch": 1, "checkpoint": {"weights": {"model_state_dict": state}}},
    "averaged beside raw": lambda state: {
        "state_dict": {key: value + 1 for key, value in state.items()},
        "state_dict_ema": state,
    },
    "averaged in one dict": lambda state: {
        **{f"model.{key}": value + 1 for key, value in state.items()},
        **{f"ema_model.{key}": value for key, value in state.items()},
    },
    "values beside the weights": lambda state: {
        "model": state,
        "best": np.float64(0.5),
        "history": defaultdict(list, loss=[1.0]),
        "confusion": np.eye(2),
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "folder": PosixPath("birds"),
        "args": SimpleNamespace(lr=0.1),
    },
    "no counters": lambda state: {key: value for key, value in state.items() if not key.endswith("_tracked")},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_form_of_a_checkpoint_is_taken(form: str, state: State, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(_saved(FORMS[form](state), tmp_path))
    assert checkpoint.name == "birds.pth"
    loaded = _loaded(checkpoint).state_dict()
    assert len(loaded["fc.weight"]) == 10
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
        with pytest.raises(WeightsError, match=r"holds more than tensors|not a checkpoint of plain tensors") as refusal:
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
    shallower = Checkpoint("birds.pth", "birds.pth", {"": state})
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


def test_what_was_taken_and_left_out_is_said(state: State, tmp_path: Path) -> None:
    def note(content: object) -> str:
        return select_weights(read_checkpoint(_saved(content, tmp_path)), untrained("resnet18")).note

    assert note(state) == ""
    raw = {key: value + 1 for key, value in state.items()}
    assert note({"state_dict": raw, "state_dict_ema": state}) == (
        "averaged weights taken from state_dict_ema, not from state_dict"
    )
    wildlife = FORMS["PyTorch-Wildlife"](state)
    assert note(wildlife) == (
        "weights taken from state_dict.net.feature; left out: net.feature.fc.weight, net.feature.fc.bias"
    )
    assert "left out: counters such as layer1.0.total_ops" in note(FORMS["thop"](state))
    assert "left out: loss.weight" in note(FORMS["Lightning"](state))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda state: {
                **{key: value for key, value in state.items() if not key.startswith("fc.")},
                "fc.0.weight": torch.ones(64, 512),
                "fc.3.weight": torch.ones(10, 64),
            },
            "it has unknown fc.3.weight",
        ),
        (lambda state: {**state, "fc.running_mean": torch.ones(512)}, "it has unknown fc.running_mean"),
        (lambda state: {**state, "attention.weight": torch.ones(3, 3)}, "it has unknown attention.weight"),
        (
            lambda state: {
                **{key: value for key, value in state.items() if not key.startswith("fc.")},
                "species.weight": torch.ones(10, 512),
                "genus.weight": torch.ones(4, 512),
            },
            "it has no linear layer fc.weight",
        ),
    ],
    ids=["two linear layers", "a layer before the last", "another layer", "two heads"],
)
def test_what_would_change_the_model_is_refused_with_a_way_that_works(
    change: Callable[[State], State], says: str, state: State, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=re.escape(says)) as refusal:
        _loaded(read_checkpoint(_saved(change(state), tmp_path)))
    assert "--model FILE.py:FUNCTION" in str(refusal.value)


def test_a_last_layer_without_a_bias_has_one_of_zeros(state: State, tmp_path: Path) -> None:
    content = {key: value for key, value in state.items() if key != "fc.bias"}
    assert not _loaded(read_checkpoint(_saved(content, tmp_path))).get_parameter("fc.bias").any()


def test_safetensors_are_read(state: State, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({f"model.{key}": value for key, value in state.items()}, tmp_path / "birds.safetensors")
    loaded = _loaded(read_checkpoint(tmp_path / "birds.safetensors")).state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in state.items())
    (tmp_path / "damaged.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    with pytest.raises(WeightsError, match="it is damaged"):
        read_checkpoint(tmp_path / "damaged.safetensors")


@pytest.mark.parametrize(("name", "kind"), [("birds.h5", "a file of Keras"), ("birds.onnx", "an ONNX model")])
def test_weights_of_other_libraries_are_named(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(WeightsError, match=f"is {kind}, not weights of torch: write a function"):
        read_checkpoint(tmp_path / name)


def test_whole_models_are_refused_by_their_class_and_torchscript_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"holds more than tensors \(torch\.nn\.modules\.linear\.Linear\)"
    ) as refusal:
        read_checkpoint(_saved(nn.Linear(2, 2), tmp_path))
    assert "--model FILE.py:FUNCTION" in str(refusal.value)
    script = tmp_path / "script.pt"
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), script)
    with pytest.raises(WeightsError, match="is a TorchScript model") as refusal:
        read_checkpoint(script)
    assert "--model FILE.py:FUNCTION" in str(refusal.value)


NAMES = st.sampled_from(
    ["fc.weight", "fc.bias", "fc.0.weight", "conv1.weight", "bn1.weight", "module.conv1.weight", "ema.conv1.weight",
     "state_dict", "model", "total_ops", "loss.weight", "classifier.weight", ""]
)  # fmt: skip
SHAPES = st.sampled_from([(), (1,), (64,), (10, 512), (1000, 512), (64, 3, 7, 7), (0, 512), (512, 512)])
CONTENTS = st.recursive(
    SHAPES.map(torch.zeros) | st.none() | st.integers(),
    lambda inner: st.dictionaries(NAMES, inner, max_size=5) | st.lists(inner, max_size=2),
    max_leaves=10,
)


@settings(max_examples=60)
@given(content=CONTENTS)
def test_any_structure_gives_weights_or_one_sentence(
    content: object, small_resnet: nn.Module, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.pth"
    torch.save(content, path)

    def load() -> None:
        weights = select_weights(read_checkpoint(path), small_resnet)
        number_of_classes(weights, "fc.weight", "resnet18")
        load_weights(small_resnet, weights, "resnet18")

    with pytest.raises(WeightsError) as refusal:  # no such file has all of a model
        load()
    assert "\n" not in str(refusal.value)


@pytest.fixture(scope="module")
def small_resnet() -> nn.Module:
    return untrained("resnet18", num_classes=10)
