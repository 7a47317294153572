"""Baselines: heatmaps that know nothing about the model, for comparison with those of the methods."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

import numpy as np

from camcore.methods.heatmap import to_heatmap
from camcore.methods.method_table import METHODS
from camcore.metrics.localisation import localise
from camcore.types import Array, Floats

BaselineName = Literal["centre", "random"]
BASELINES: dict[BaselineName, str] = {"centre": "Centre", "random": "Random"}
SEEDS = range(8)  # of `random`, for metrics that need no run of the model
_STEPS = 50  # of the search for a width


def column_titles(methods: Container[str] = METHODS) -> dict[str, str]:
    """Return the titles of methods, in the order of their table, and then of the baselines, by name.

    They are the columns of tables, and the lines of plots.
    """
    titles: dict[str, str] = {name: method.title for name, method in METHODS.items() if name in methods}
    return titles | dict(BASELINES.items())


@dataclass(frozen=True)
class Baseline:
    """A baseline for one photo. The first of its heatmaps (H, W) stands for all where the model must be run."""

    name: BaselineName
    heatmaps: tuple[Array, ...]

    def localise(self, coverage: Floats) -> dict[str, float] | None:
        """Return each field of `Localisation`, the mean over several heatmaps; None if the target is not in view."""
        measured = [localise(heatmap, coverage) for heatmap in self.heatmaps]
        values = [vars(localisation) for localisation in measured if localisation is not None]
        if len(values) <= 1:
            return values[0] if values else None
        return {key: float(np.mean([entry[key] for entry in values])) for key in values[0]}


def baselines(heatmap: Array, map_size: tuple[int, int]) -> tuple[Baseline, ...]:
    """Return the baselines of a photo, of which `heatmap` (H, W) is that of Grad-CAM, or else of another method.

    `centre` is a Gaussian in the centre of the view whose mean is that of the heatmap: as concentrated, and the same
    for every photo otherwise. `random` is uniform noise on the layer's grid of `map_size`, upsampled like a map. There
    is no `centre` for an empty heatmap.
    """
    size = heatmap.shape[0], heatmap.shape[1]
    noise = (np.random.default_rng(seed).random(map_size, np.float32) for seed in SEEDS)
    random = Baseline("random", tuple(to_heatmap(cam, size)[0] for cam in noise))
    mean = float(heatmap.mean(dtype=np.float64))
    return (Baseline("centre", (centred_gaussian(size, mean),)), random) if mean > 0 else (random,)


def centred_gaussian(size: tuple[int, int], mean: float) -> Array:
    """Return a centred Gaussian (H, W) with a peak of 1 and this mean, in (0, 1); its width is found by bisection."""
    rows, columns = (np.arange(side) + 0.5 - side / 2 for side in size)
    squares = rows[:, None] ** 2 + columns[None] ** 2
    low, high = 1e-3 * min(size), 1e3 * max(size)
    for _ in range(_STEPS):
        deviation = (low * high) ** 0.5
        gaussian = np.exp(-0.5 * (squares - squares.min()) / deviation**2)
        low, high = (deviation, high) if gaussian.mean() < mean else (low, deviation)
    result: Array = gaussian.astype(np.float32)
    return result
