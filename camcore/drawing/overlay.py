"""Heat over the model's view, as pixels."""

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


def draw_heat(heatmap: Array) -> Image.Image:
    """A heatmap (H, W) as a grey picture, 255 for 1: what a browser colours and lays over the view."""
    return Image.fromarray(np.rint(255 * heatmap).astype(np.uint8))


def colour_table(colour_map: ColourMap, steps: int = 33) -> list[tuple[float, float, float]]:
    """RGB, each in [0, 1], of `steps` values evenly spaced from 0 to 1."""
    colours = matplotlib.colormaps[colour_map](np.linspace(0, 1, steps))
    return [(float(red), float(green), float(blue)) for red, green, blue, _ in colours]


def draw_overlay(
    view: Image.Image, heatmap: Array, opacity: float = OPACITY, colour_map: ColourMap = "inferno"
) -> NDArray[np.uint8]:
    """The heatmap (H, W) in colour over an RGB view of the same size: uint8 (H, W, 3).

    A pixel's opacity is `opacity` times its heat, so that the photo stays visible where the map is cold. The values
    are coloured as they are: neither bent nor rescaled.
    """
    pixels = np.asarray(view, dtype=np.float32)
    colours = 255 * matplotlib.colormaps[colour_map](heatmap)[..., :3]
    alpha = (opacity * heatmap)[..., None]
    mixed: NDArray[np.uint8] = np.rint(pixels + alpha * (colours - pixels)).astype(np.uint8)
    return mixed
