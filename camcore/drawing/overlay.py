"""Overlays: a heatmap in colour over the model's view."""

from functools import cache
from typing import Literal

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camcore.types import Array

ColourMap = Literal["inferno", "viridis", "magma", "jet"]
COLOUR_MAPS: dict[ColourMap, str] = {
    "inferno": "Inferno (even steps, safe for colour-blind eyes)",
    "viridis": "Viridis (even steps, safe for colour-blind eyes)",
    "magma": "Magma (even steps, safe for colour-blind eyes)",
    "jet": "Jet (uneven; as in many papers)",
}
OPACITY = 0.8
_STEPS = 256  # colours of a colour map


def draw_heat(heatmap: Array) -> Image.Image:
    """Return a heatmap (H, W) as a grey picture with 255 for 1, which a browser can colour and lay over the view."""
    return Image.fromarray(np.rint(255 * heatmap).astype(np.uint8))


def colour_table(colour_map: ColourMap, steps: int = 33) -> list[tuple[float, float, float]]:
    """Return the RGB colours, in [0, 1], of `steps` evenly spaced heat values from 0 to 1."""
    colours = matplotlib.colormaps[colour_map](np.linspace(0, 1, steps))
    return [(float(red), float(green), float(blue)) for red, green, blue, _ in colours]


@cache
def _colours(colour_map: ColourMap) -> NDArray[np.float64]:
    """Return the colours of a map from cold to hot, (256, 3) in [0, 255]."""
    colours: NDArray[np.float64] = 255 * matplotlib.colormaps[colour_map](np.arange(_STEPS))[:, :3]
    return colours


def draw_overlay(
    view: Image.Image, heatmap: Array, opacity: float = OPACITY, colour_map: ColourMap = "inferno"
) -> NDArray[np.uint8]:
    """Draw a heatmap (H, W) in colour over an RGB view of the same size; return uint8 (H, W, 3).

    A pixel's opacity is `opacity` times its heat, so that the photo stays visible where the map is cold. The heat
    values are not rescaled.
    """
    pixels = np.asarray(view, dtype=np.float32)
    steps = np.minimum((heatmap * _STEPS).astype(np.intp), _STEPS - 1)
    colours = _colours(colour_map)[steps]
    alpha = (opacity * heatmap)[..., None]
    mixed: NDArray[np.uint8] = np.rint(pixels + alpha * (colours - pixels)).astype(np.uint8)
    return mixed
