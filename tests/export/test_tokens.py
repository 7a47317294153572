"""Tokens of transformers: which of them belong to places of the photo, and which layers can be explained."""

import re

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor, nn

from camcore.model.layer import Layer
from export.errors import ExportError
from export.layers import Cut
from export.tokens import locate_tokens
from export.traced import ClassifierGraph
from tests.conftest import untrained

WIDTH = 32
TOKENS = {"before": 2, "after": 3}


class Block(nn.Module):
    def __init__(self, width: int = WIDTH):
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, width), nn.GELU())
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        result: Tensor = x + self.mlp(x)
        return result


class Transformer(nn.Module):
    """Patches of 8 x 8 pixels, tokens without a place before and after them, two blocks, and a head."""

    def __init__(self, before: int = 1, after: int = 0, mean: bool = False):
        super().__init__()
        self.patches, self.blocks = nn.Conv2d(3, WIDTH, 8, 8), nn.Sequential(Block(), Block())
        self.before = nn.Parameter(torch.randn(1, before, WIDTH))
        self.after = nn.Parameter(torch.randn(1, after, WIDTH))
        self.norm, self.fc, self.mean = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4), mean

    def forward(self, x: Tensor) -> Tensor:
        photos = x.shape[0]
        grid = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.before.expand(photos, -1, -1), grid, self.after.expand(photos, -1, -1)], 1)
        tokens = self.norm(self.blocks(tokens))
        scores: Tensor = self.fc(tokens.mean(1) if self.mean else tokens[:, 0])
        return scores


def graph_of(size: tuple[int, int] = (48, 64), **options: int) -> ClassifierGraph:
    torch.manual_seed(0)
    return ClassifierGraph(Transformer(**options).eval(), size)


@pytest.mark.parametrize(("before", "after"), [(1, 0), (2, 3), (5, 0)])
def test_the_block_before_the_last_is_the_default_and_its_tokens_have_places(before: int, after: int) -> None:
    layer = graph_of(before=before, after=after).default.layer
    assert layer == Layer("blocks.0", WIDTH, (6, 8), False, axes="TC", first_token=before, other_tokens=before + after)


def test_where_the_mean_of_the_tokens_reaches_the_scores_the_last_layer_is_the_default() -> None:
    graph = graph_of(before=1, mean=True)
    assert graph.default.name == "norm"
    assert graph_of(before=1).default.name == "blocks.0"


def test_a_layer_after_which_only_the_class_token_counts_is_refused_with_a_remedy() -> None:
    graph = graph_of(before=1)
    with pytest.raises(ExportError) as caught:
        graph.find("blocks.1")
    message = str(caught.value)
    assert message.startswith("the layer 'blocks.1' reaches the scores only by tokens without a place, such as a class")
    for name in re.findall(r"choose (\S+) or (\S+)$", message)[0]:
        assert isinstance(graph.find(name), Cut)


def test_tokens_without_others_are_a_layer_and_their_mean_is_a_linear_head() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.fc = nn.Conv2d(3, 6, 8, 8), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.fc(self.patches(x).flatten(2).transpose(1, 2).mean(1))
            return scores

    graph = ClassifierGraph(Patches().eval(), (64, 64))
    assert [(cut.name, cut.layer.axes, cut.shape) for cut in graph.cuts] == [
        ("patches", "CHW", (6, 8, 8)),
        ("transpose", "TC", (6, 8, 8)),
    ], "channels first are no tokens"


def test_patches_by_reshaping_have_their_places_too() -> None:
    class Reshaped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.block, self.fc = nn.Linear(3 * 64, WIDTH), Block(), nn.Linear(WIDTH, 4)

        def forward(self, x: Tensor) -> Tensor:
            patches = x.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
            scores: Tensor = self.fc(self.block(self.embed(patches)).mean(1))
            return scores

    layer = ClassifierGraph(Reshaped().eval(), (32, 64)).default.layer
    assert (layer.name, layer.map_size, layer.other_tokens) == ("block", (4, 8), 0)


@pytest.mark.parametrize("order", ["columns first", "shuffled"])
def test_tokens_in_another_order_than_row_by_row_are_no_grid(order: str) -> None:
    shuffled = torch.randperm(48, generator=torch.Generator().manual_seed(0))
    columns = torch.arange(48).reshape(6, 8).T.reshape(-1)

    def outputs(x: Tensor) -> Tensor:
        tokens = nn.functional.avg_pool2d(x, 8).flatten(2).transpose(1, 2)
        return tokens[:, columns if order == "columns first" else shuffled]

    assert locate_tokens(48, (48, 64), outputs) is None
    assert locate_tokens(48, (48, 64), lambda x: nn.functional.avg_pool2d(x, 8).flatten(2).transpose(1, 2)) == (
        (6, 8),
        0,
    )


@pytest.mark.parametrize(
    "layer",
    [
        Layer("", 5, (3, 4), False),
        Layer("", 5, (3, 4), False, axes="HWC"),
        Layer("", 5, (3, 4), False, axes="TC"),
        Layer("", 5, (3, 4), False, axes="TC", first_token=1, other_tokens=1),
        Layer("", 5, (3, 4), False, axes="TC", first_token=2, other_tokens=5),
    ],
)
def test_activations_and_output_are_inverse(layer: Layer) -> None:
    output = np.random.default_rng(0).normal(size=layer.output_shape).astype(np.float32)
    activations, others = layer.to_activations(output)
    assert activations.shape == (5, 3, 4)
    assert activations.flags.c_contiguous
    assert_allclose(layer.to_output(activations, others), output, rtol=0)
    assert (0 if others is None else len(others)) == layer.other_tokens


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tokens"), [("vit_b_32", (49, 1)), ("swin_t", (49, 0))])
def test_transformers_of_torchvision(name: str, tokens: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = ClassifierGraph(untrained(name), (224, 224)).default.layer
    assert (layer.map_size[0] * layer.map_size[1], layer.other_tokens) == tokens
    assert layer.name == ("encoder.layers.encoder_layer_10" if name == "vit_b_32" else "permute")


TIMM = {
    "vit_tiny_patch16_224": ({"depth": 3}, "blocks.1", (14, 14), 1),
    "vit_tiny_patch16_224 mean": ({"depth": 2, "global_pool": "avg"}, "getitem_1", (14, 14), 0),
    "deit_tiny_distilled_patch16_224": ({"depth": 2}, "blocks.0", (14, 14), 2),
    "vit_small_patch14_reg4_dinov2": ({"depth": 2, "img_size": 224}, "blocks.0", (16, 16), 5),
    "cait_xxs24_224": ({"depth": 2}, "blocks", (14, 14), 0),
    "xcit_nano_12_p16_224": ({"depth": 2}, "cls_attn_blocks.0", (14, 14), 1),
    "mixer_s32_224": ({}, "norm", (7, 7), 0),
    "pvt_v2_b0": ({}, "stages", (7, 7), 0),
    "volo_d1_224": ({}, "norm", (14, 14), 1),
}


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", TIMM)
def test_transformers_of_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    options, place, map_size, others = TIMM[name]
    model = timm.create_model(name.removesuffix(" mean"), num_classes=10, **options).eval()
    layer = ClassifierGraph(model, (224, 224)).default.layer
    assert (layer.name, layer.map_size, layer.first_token, layer.other_tokens) == (place, map_size, others, others)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_model_of_two_branches_is_refused() -> None:
    timm = pytest.importorskip("timm")
    graph = ClassifierGraph(timm.create_model("crossvit_tiny_240", num_classes=10).eval(), (240, 240))
    with pytest.raises(ExportError, match="choose a model without connections that pass all its feature maps"):
        graph.default  # noqa: B018


def test_tokens_after_convolutions_of_stride_two_have_their_places() -> None:
    """What a token sees is then centred on the upper left corner of its cell."""
    torch.manual_seed(0)
    stem = nn.Sequential(*(nn.Conv2d(3 if index == 0 else 16, 16, 3, 2, 1) for index in range(4)))
    with torch.no_grad():
        assert locate_tokens(48, (96, 128), lambda x: stem(x).flatten(2).transpose(1, 2)) == ((6, 8), 0)


def test_a_few_of_the_tokens_are_no_grid() -> None:
    def outputs(x: Tensor) -> Tensor:
        corners = nn.functional.adaptive_avg_pool2d(x, 2).flatten(2).transpose(1, 2)
        return torch.cat([torch.zeros(len(x), 12, 3), corners], 1)

    assert locate_tokens(16, (64, 64), outputs) is None


def test_tokens_and_heads_of_an_attention_are_no_map() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.fc = nn.Conv2d(3, 128, 16, 16), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            heads = self.patches(x).flatten(2).transpose(1, 2).unflatten(2, (16, 8))
            scores: Tensor = self.fc(heads.mean((1, 2)))
            return scores

    graph = ClassifierGraph(Heads().eval(), (64, 64))
    assert [(cut.name, cut.shape) for cut in graph.cuts] == [("patches", (128, 4, 4)), ("transpose", (128, 4, 4))]
