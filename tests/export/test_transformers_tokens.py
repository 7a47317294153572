"""Small seeded models of transformers, from their folder to three maps: layers, tokens, and batches of any size."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camcore import Explainer, open_photo
from camcore.methods.method_table import DEFAULT_METHODS
from camcore.model.manifest import ONNX, TORCHSCRIPT
from camcore.model.onnx import Scorer
from export.__main__ import main
from export.models import find_source
from export.trace import to_torchscript
from export.traced import ClassifierGraph

transformers = pytest.importorskip("transformers")

BATCHES = (1, 2, 3, 8)
BLOCKS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
WINDOWS = {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [2, 1], "num_heads": [1, 2], "window_size": 4}
STAGES = {"hidden_sizes": [4, 8], "depths": [1, 1]}


@dataclass(frozen=True)
class Kind:
    """A kind of model, and its default layer with the tokens that have no place, all of them before the grid."""

    config: str
    options: dict[str, Any]
    layer: str
    map_size: tuple[int, int]
    others: int = 0
    architecture: str = ""  # where a configuration has several classes


# Where the scores need only class tokens, the default is the block before the last; the scores of Dinov2 and of BEiT
# also take the mean of the grid, and those of Swin nothing else: there it is what this mean is taken of.
TOKENS = {
    "vit": Kind("ViTConfig", {**BLOCKS, "intermediate_size": 32}, "vit.layers.0", (4, 4), 1),
    "deit": Kind("DeiTConfig", {**BLOCKS, "intermediate_size": 32}, "deit.layers.0", (4, 4), 2,
                 "DeiTForImageClassification"),
    "distilled": Kind("DeiTConfig", {**BLOCKS, "intermediate_size": 32}, "deit.layers.0", (4, 4), 2,
                      "DeiTForImageClassificationWithTeacher"),
    "dinov2": Kind("Dinov2Config", {**BLOCKS, "mlp_ratio": 2}, "dinov2", (4, 4), 1),
    "registers": Kind("Dinov2WithRegistersConfig", {**BLOCKS, "mlp_ratio": 2, "num_register_tokens": 4},
                      "dinov2_with_registers", (4, 4), 5),
    "beit": Kind("BeitConfig", {**BLOCKS, "intermediate_size": 32, "use_relative_position_bias": True},
                 "beit.layers.1", (4, 4), 1),
    "swin": Kind("SwinConfig", WINDOWS, "swin.layernorm", (8, 8)),
    "swinv2": Kind("Swinv2Config", WINDOWS, "swinv2.layernorm", (8, 8)),
}  # fmt: skip
MAPS = {
    "resnet": Kind("ResNetConfig", {**STAGES, "embedding_size": 4}, "resnet.encoder", (4, 4)),
    "convnext": Kind("ConvNextConfig", {**STAGES, "num_stages": 2}, "convnext.encoder", (4, 4)),
    "mobilevit": Kind(
        "MobileViTConfig", {"hidden_sizes": [8, 8, 8], "neck_hidden_sizes": [8] * 6 + [16], "num_attention_heads": 2,
                            "image_size": 64}, "mobilevit.conv_1x1_exp", (2, 2)),
    "efficientnet": Kind(
        "EfficientNetConfig", {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128, "image_size": 32,
                               "in_channels": [32, 16], "out_channels": [16, 24], "kernel_sizes": [3, 3],
                               "strides": [1, 2], "num_block_repeats": [1, 1], "expand_ratios": [1, 6],
                               "depthwise_padding": []}, "efficientnet.encoder", (8, 8)),
}  # fmt: skip


def save(folder: Path, kind: Kind) -> tuple[nn.Module, int]:
    """Save a seeded classifier of three classes whose logits lie apart; return it with the side of its input."""
    torch.manual_seed(0)
    config = getattr(transformers, kind.config)(id2label=dict(enumerate("abc")), architectures=[], **kind.options)
    auto = transformers.AutoModelForImageClassification
    build = getattr(transformers, kind.architecture)._from_config if kind.architecture else auto.from_config
    model: nn.Module = build(config, attn_implementation="eager").eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="linear")
        elif name.endswith("weight"):
            nn.init.ones_(parameter)
    model.save_pretrained(folder)  # type: ignore[operator]
    return model, kind.options.get("image_size", 32)


def load_traced(path: Path) -> Any:
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        return torch.jit.load(str(path))  # type: ignore[no-untyped-call]


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4 * float(expected.max() - expected.min()))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", TOKENS)
def test_the_default_layer_and_torchscript_for_batches_of_any_size(name: str, tmp_path: Path) -> None:
    kind = TOKENS[name]
    model, side = save(tmp_path, kind)
    graph = ClassifierGraph(find_source(str(tmp_path)).load().module, (side, side))
    layer = graph.default.layer
    assert (layer.name, layer.axes, layer.map_size) == (kind.layer, "TC", kind.map_size)
    assert (layer.first_token, layer.other_tokens) == (kind.others, kind.others)
    split = graph.split([graph.default])
    to_torchscript(split, (side, side), tmp_path / "traced.pt")
    traced = load_traced(tmp_path / "traced.pt")
    x = torch.randn(max(BATCHES), 3, side, side)
    with torch.no_grad():
        logits, outputs = model(x).logits, split.features(x)
        assert logits.std() > 1e-3
        for count in BATCHES:
            assert_same(traced(x[:count])[0], logits[:count])
            assert_same(traced.features(x[:count]), outputs[:count])
            assert_same(traced.head(outputs[:count]), logits[:count])


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", [*TOKENS, *MAPS])
def test_a_folder_is_exported_by_the_command_and_explained(
    name: str, tmp_path: Path, animal_photos: list[Path]
) -> None:
    """The export itself compares both files with the eager model."""
    kind = {**TOKENS, **MAPS}[name]
    model, side = save(tmp_path / "model", kind)
    out = tmp_path / "out"
    assert main(["--model", str(tmp_path / "model"), "--out", str(out), "--size", str(side), "--no-int8"]) == 0
    explainer = Explainer.load(out)
    layer = explainer.manifest.layer
    assert (layer.name, layer.map_size, layer.other_tokens) == (kind.layer, kind.map_size, kind.others)
    assert explainer.manifest.parity["worst_share_of_range"] <= 1e-4
    forward_pass = explainer.forward(open_photo(animal_photos[0]))
    with torch.no_grad():
        assert_same(torch.from_numpy(forward_pass.logits), model(torch.from_numpy(forward_pass.x)).logits[0])
    explanations = {explanation.method: explanation for explanation in explainer.explain(forward_pass, 1)}
    assert set(explanations) == set(DEFAULT_METHODS)
    for explanation in explanations.values():
        assert explanation.heatmap.shape == (side, side)
        assert np.isfinite(explanation.heatmap).all()
    scorer, x = Scorer(out / ONNX), np.random.default_rng(0).normal(size=(8, 3, side, side)).astype(np.float32)
    traced = load_traced(out / TORCHSCRIPT)
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).logits
        for count in BATCHES:
            logits, outputs = scorer.forward(x[:count])
            assert_same(torch.from_numpy(logits), expected[:count])
            assert_same(traced.head(torch.from_numpy(outputs)), expected[:count])
