"""A transformer whose scores depend on the tokens of one colour only, by construction.

One head of attention, with fixed weights, lets the class token look at the red tokens for the first class, and another
at the blue ones for the second class.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from camcore import Explainer
from camcore.model.manifest import Preprocessing
from export import export_model

CELL = 8  # pixels
RED, BLUE, GREY = (230, 30, 30), (30, 30, 230), (128, 128, 128)
_RED, _BLUE, _IS_CLASS, _OF_REGISTERS, _SEEN_RED, _SEEN_BLUE = range(6)  # channels of a token
_WIDTH = 6
_SHARPNESS = 6.0  # of the attention: a token of the colour weighs e^6 times as much as one without


class ColourAttention(nn.Module):
    """Attention of the class token, with fixed keys and values: one head finds red tokens, the other blue ones."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.values = nn.Linear(_WIDTH, 2, bias=False), nn.Linear(_WIDTH, 2, bias=False)
        self.out = nn.Linear(2, _WIDTH, bias=False)
        for layer in (self.keys, self.values):
            layer.weight.data = torch.eye(_WIDTH)[[_RED, _BLUE]]
        self.out.weight.data = torch.eye(_WIDTH)[:, [_SEEN_RED, _SEEN_BLUE]]

    def forward(self, tokens: Tensor) -> Tensor:
        weights = (_SHARPNESS * self.keys(tokens)).softmax(dim=1)  # over the tokens, for each head
        collected = (weights * self.values(tokens)).sum(dim=1, keepdim=True)
        result: Tensor = tokens + tokens[..., _IS_CLASS : _IS_CLASS + 1] * self.out(collected)
        return result


class PlantedTransformer(nn.Module):
    """Class "red" depends on the red tokens, and class "blue" on the blue ones: no weight reads anything else.

    The class token comes first, then registers with a large value in a channel of their own.
    """

    def __init__(self, registers: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, _WIDTH, CELL, CELL)
        weight = torch.zeros(_WIDTH, 3, CELL, CELL)
        weight[_RED, 0], weight[_RED, 2] = 1 / CELL**2, -1 / CELL**2
        weight[_BLUE] = -weight[_RED]
        self.patches.weight.data, self.patches.bias.data = weight, torch.zeros(_WIDTH)
        self.others = nn.Parameter(torch.zeros(1, 1 + registers, _WIDTH))
        self.others.data[0, 0, _IS_CLASS], self.others.data[0, 1:, _OF_REGISTERS] = 1, 9
        self.blocks = nn.Sequential(nn.ReLU(), ColourAttention())
        self.head = nn.Linear(_WIDTH, 2, bias=False)
        self.head.weight.data = 4 * torch.eye(_WIDTH)[[_SEEN_RED, _SEEN_BLUE]]

    def forward(self, x: Tensor) -> Tensor:
        grid = self.patches(x).flatten(2).transpose(1, 2)
        tokens = self.blocks(torch.cat([self.others.expand(x.shape[0], -1, -1), grid], dim=1))
        scores: Tensor = self.head(tokens[:, 0])
        return scores


def token_explainer(folder: Path, size: tuple[int, int], registers: int = 0) -> Explainer:
    """Export a network for photos of `size` (H, W) into `folder`, and load it."""
    steps = Preprocessing(min(size), size, "bilinear", mean=(0.5,) * 3, std=(0.5,) * 3, resize_mode="squash")
    out = export_model(
        PlantedTransformer(registers).eval(), folder / "tokens", preprocessing=steps, labels=["red", "blue"], int8=False
    )
    return Explainer.load(out)
