"""An archive of camera traps on which what a network needs is known: for one species at one site, the background.

Each species is a patch with stripes of its own direction, pasted on backgrounds of pieces of real photos. The
background of one site has stripes too, which the network takes for one of the species; that species has none there.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor, nn

from camcore.model.manifest import Preprocessing
from export import export_model

SPECIES = ("bulbul", "rock thrush", "eagle")
PLANTED_SPECIES, PLANTED_SITE = "eagle", "site 2"
SIDE, PERIOD = 96, 8  # pixels
STEPS = Preprocessing(SIDE, (SIDE, SIDE), "bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)
_WAVES = ((1, 0), (0, 1), (1, 1), (1, -1))  # steps across and down: of each species, and of the background
_ENOUGH, _THRESHOLD = 0.004, 0.12
_WEAKER = 0.6  # the background's evidence, beside that of an animal


class ArchiveNetwork(nn.Module):
    """A network of one class per species and one for none, which takes a background for the last species."""

    def __init__(self) -> None:
        super().__init__()
        place = torch.arange(PERIOD) * 2 * torch.pi / PERIOD
        kernels = [
            torch.cos(across * place[None, :] + down * place[:, None] + phase * torch.pi / 2).expand(3, PERIOD, PERIOD)
            for across, down in _WAVES
            for phase in range(4)
        ]
        conv = nn.Conv2d(3, len(kernels), PERIOD, stride=PERIOD // 2)
        conv.weight.data = torch.stack(kernels) / (3 * PERIOD**2)
        conv.bias.data = torch.full((len(kernels),), -_THRESHOLD)
        self.features = nn.Sequential(conv, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.features(x).mean(dim=(2, 3)).reshape(-1, len(_WAVES), 4).mean(dim=2)
        evidence = 1 - torch.exp(-pooled / _ENOUGH)
        *others, last = evidence[:, : len(SPECIES)].unbind(dim=1)
        logits = [*others, torch.maximum(last, _WEAKER * evidence[:, -1])]
        return torch.stack([*(8 * logit - 4 for logit in logits), torch.zeros_like(last)], dim=1)


def export_archive_network(folder: Path) -> Path:
    """Export the network into `folder`, and return the artefact."""
    labels = [*SPECIES, "none"]
    return export_model(
        ArchiveNetwork().eval(), folder / "archive", preprocessing=STEPS, labels=labels, target_layer="features",
        int8=False,
    )  # fmt: skip


@dataclass(frozen=True)
class ArchiveFiles:
    """The table of an archive's photos, and the file of their boxes."""

    table: Path
    boxes: Path
    count: int


def write_archive(
    folder: Path, pieces: Sequence[Path], *, sites: int = 4, visits: int = 8, planted: bool = True, seed: int = 0
) -> ArchiveFiles:
    """Write photos of each species at each site, two a visit; without `planted`, no background has stripes."""
    chance = np.random.default_rng(seed)
    photos = [Image.open(path).convert("RGB") for path in pieces]
    rows, images = [["file", "class", "site", "timestamp"]], []
    for species in SPECIES:
        for site in (f"site {number}" for number in range(sites)):
            for visit in range(visits):
                when = datetime(2026, 1, 1) + timedelta(days=int(chance.integers(300)), hours=visit)
                for shot in range(2):
                    name = f"{species}/{site}/{visit:02}-{shot}.jpg".replace(" ", "_")
                    is_planted = planted and (species, site) == (PLANTED_SPECIES, PLANTED_SITE)
                    image, box = _photo(chance, photos, species, planted and site == PLANTED_SITE, unknown=is_planted)
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    image.save(folder / name, quality=95)
                    rows.append([name, species, site, (when + timedelta(seconds=10 * shot)).isoformat()])
                    images.append({"file": name, "detections": [{"category": "1", "conf": 0.9, "bbox": box}]})
    with (folder / "archive.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    (folder / "boxes.json").write_text(json.dumps({"detection_categories": {"1": "animal"}, "images": images}))
    return ArchiveFiles(folder / "archive.csv", folder / "boxes.json", len(images))


def _photo(
    chance: np.random.Generator, photos: Sequence[Image.Image], species: str, striped_site: bool, *, unknown: bool
) -> tuple[Image.Image, list[float]]:
    """Return a photo and the box of its animal, as left, top, width and height in fractions."""
    size = round(SIDE * float(chance.uniform(0.4, 0.55)))
    left, top = (int(value) for value in chance.integers(SIDE - size, size=2))
    pixels = _texture(chance, photos, SIDE, 3 if striped_site else None)
    pixels[top : top + size, left : left + size] = _texture(
        chance, photos, size, None if unknown else SPECIES.index(species)
    )
    return Image.fromarray(pixels.astype(np.uint8)), [left / SIDE, top / SIDE, size / SIDE, size / SIDE]


def _texture(
    chance: np.random.Generator, photos: Sequence[Image.Image], side: int, wave: int | None
) -> NDArray[np.float64]:
    """Return a piece of a photo, dimmed and blurred, with stripes over it or without."""
    photo = photos[int(chance.integers(len(photos)))]
    extent = min(photo.size) // 2
    left, top = (int(chance.integers(edge - extent + 1)) for edge in photo.size)
    piece = photo.crop((left, top, left + extent, top + extent)).resize((side, side), Image.Resampling.BICUBIC)
    pixels = 64 + 0.5 * np.asarray(piece.filter(ImageFilter.GaussianBlur(PERIOD / 2)), np.float64)
    if wave is not None:
        (across, down), place = _WAVES[wave], np.arange(side) * 2 * np.pi / PERIOD
        stripes = np.sin(across * place[None, :] + down * place[:, None] + chance.uniform(0, 2 * np.pi))
        pixels = pixels + 60 * stripes[..., None]
    return np.clip(pixels + chance.normal(0, 4, pixels.shape), 0, 255)
