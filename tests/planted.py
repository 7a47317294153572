"""Networks that answer to the animal, to the background, to either or to both, and photos on which that is known.

An animal is a patch with vertical stripes, a background has horizontal ones; both are laid over pieces of real photos,
and a foreign animal or background has none. What a network needs is then known by construction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from camcore import Box, Explainer
from camcore.metrics.counterfactuals import Finding
from camcore.model.manifest import Preprocessing
from export import export_model

Evidence = Literal["animal", "background", "either", "both"]
TRUTH: dict[Evidence, Finding] = {
    "animal": "needs the target",
    "background": "relies on the background",
    "either": "either suffices",
    "both": "needs both",
}
SIDE, PERIOD = 96, 8  # pixels
STEPS = Preprocessing(SIDE, (SIDE, SIDE), "bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)
SIZES = (0.3, 0.6)  # of the animal, as a share of the side: 9% to 36% of the view
_ENOUGH = 0.004  # mean response that makes a feature nearly certain
_THRESHOLD = 0.12  # of a response: edges of a filling stay below


class PlantedNetwork(nn.Module):
    """A network of two classes, of which the first is probable where the evidence is there."""

    def __init__(self, evidence: Evidence):
        super().__init__()
        self.evidence = evidence
        wave = torch.arange(PERIOD) * 2 * torch.pi / PERIOD
        waves = torch.stack([torch.cos(wave + phase * torch.pi / 2) for phase in range(4)])
        vertical = waves[:, None, None, :].expand(4, 3, PERIOD, PERIOD)
        conv = nn.Conv2d(3, 8, PERIOD, stride=PERIOD // 2)
        conv.weight.data = torch.cat([vertical, vertical.transpose(2, 3)]) / (3 * PERIOD**2)
        conv.bias.data = torch.full((8,), -_THRESHOLD)
        self.features = nn.Sequential(conv, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.features(x).mean(dim=(2, 3))
        animal, background = (1 - torch.exp(-pooled[:, part].mean(dim=1) / _ENOUGH) for part in (slice(4), slice(4, 8)))
        shown = {
            "animal": animal,
            "background": background,
            "either": animal + background - animal * background,
            "both": animal * background,
        }[self.evidence]
        return torch.stack([8 * shown - 4, torch.zeros_like(shown)], dim=1)


def planted_explainer(evidence: Evidence, folder: Path) -> Explainer:
    """Export a network into `folder`, and load it."""
    labels = ["bird", "other"]
    out = export_model(
        PlantedNetwork(evidence).eval(), folder / evidence, preprocessing=STEPS, labels=labels,
        target_layer="features", int8=False,
    )  # fmt: skip
    return Explainer.load(out)


@dataclass(frozen=True)
class PlantedPhoto:
    """A photo, the box of its animal, and whether that is in the centre."""

    image: Image.Image
    box: Box
    is_centred: bool


def planted_photos(evidence: Evidence, count: int, pieces: Sequence[Path], seed: int = 0) -> Iterator[PlantedPhoto]:
    """Yield photos on which a network answers to its evidence; what it does not answer to is foreign in half of them.

    Every other animal is in the centre of its photo.
    """
    chance = np.random.default_rng(seed)
    photos = [Image.open(path).convert("RGB") for path in pieces]
    for number in range(count):
        foreign = bool(chance.integers(2))
        striped_animal = evidence != "background" or not foreign
        striped_background = evidence != "animal" or not foreign
        size = round(SIDE * float(chance.uniform(*SIZES)))
        is_centred = number % 2 == 0
        corner = ((SIDE - size) // 2,) * 2 if is_centred else tuple(chance.integers(SIDE - size, size=2).tolist())
        pixels = _texture(chance, photos, SIDE, striped_background).transpose(1, 0, 2).copy()
        left, top = corner
        pixels[top : top + size, left : left + size] = _texture(chance, photos, size, striped_animal)
        box = Box(left / SIDE, top / SIDE, (left + size) / SIDE, (top + size) / SIDE)
        yield PlantedPhoto(Image.fromarray(pixels.astype(np.uint8)), box, is_centred)


def _texture(
    chance: np.random.Generator, photos: Sequence[Image.Image], side: int, striped: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return a piece of a photo, dimmed and blurred, with vertical stripes over it or without."""
    photo = photos[int(chance.integers(len(photos)))]
    extent = min(photo.size) // 2
    left, top = (int(chance.integers(edge - extent + 1)) for edge in photo.size)
    piece = photo.crop((left, top, left + extent, top + extent)).resize((side, side), Image.Resampling.BICUBIC)
    piece = piece.filter(ImageFilter.GaussianBlur(PERIOD / 2))  # which has no stripes of its own
    pixels = 64 + 0.5 * np.asarray(piece, np.float64)
    if striped:
        wave = np.sin(2 * np.pi * (np.arange(side) / PERIOD + chance.uniform()))
        pixels = pixels + 60 * wave[None, :, None]
    return np.clip(pixels + chance.normal(0, 4, pixels.shape), 0, 255)
