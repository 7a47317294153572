"""One picture that sets the model's view and its explanations side by side."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from camcore.drawing.overlay import OPACITY, ColourMap, draw_overlay
from camcore.formatting import run_summary, seconds, subject
from camcore.methods.grad_cam import METHODS
from camcore.model.manifest import Manifest
from camcore.results import Explanation

_PANEL, _GAP, _MARGIN = 336, 16, 28
_TITLE, _TEXT, _LEADING = 19, 16, 25
_SCALE_WIDTH = 12
_PAPER, _INK, _QUIET = "#fbfaf7", "#1d1c1a", "#66635e"


def draw_comparison(
    view: Image.Image,
    explanations: Sequence[Explanation],
    source: str,
    *,
    opacity: float = OPACITY,
    colour_map: ColourMap = "inferno",
) -> Image.Image:
    """The model's view and an overlay for each explanation, with class, probability and time under each.

    `source` is a line that says which model and settings these are. The scale at the right runs from 0 to 1.
    """
    panels = 1 + len(explanations)
    width = 2 * _MARGIN + panels * _PANEL + (panels - 1) * _GAP + 4 * _SCALE_WIDTH
    height = 2 * _MARGIN + _PANEL + 5 * _LEADING
    picture = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    _draw_panel(picture, 0, view, ["What the model saw", f"{view.width} × {view.height} pixels"])
    for column, explanation in enumerate(explanations, start=1):
        pixels = draw_overlay(view, explanation.heatmap, opacity, colour_map)
        _draw_panel(picture, column, Image.fromarray(pixels), _caption(explanation))
    _draw_scale(picture, width - _MARGIN - 2 * _SCALE_WIDTH, colour_map)
    footer = _shortened(source, _font("DejaVuSans", _TEXT), width - 2 * _MARGIN)
    draw.text((_MARGIN, height - _MARGIN - _TEXT), footer, _QUIET, _font("DejaVuSans", _TEXT))
    return picture


def source_line(photo: str, manifest: Manifest, explanations: Sequence[Explanation]) -> str:
    """Which photo, model and settings a comparison is of."""
    parts = [photo, f"{manifest.model} {manifest.weights}, {manifest.target_layer}"]
    parts += [
        f"Score-CAM as in “{each.definition}”, {each.effort}, {each.precision}"
        for each in explanations
        if each.method == "score-cam"
    ]
    return "  ·  ".join(parts)


def _caption(explanation: Explanation) -> list[str]:
    taken = f"{seconds(explanation.seconds)}{run_summary(explanation)}"
    return [METHODS[explanation.method].title, subject(explanation), taken]


def _draw_panel(picture: Image.Image, column: int, image: Image.Image, lines: Sequence[str]) -> None:
    left = _MARGIN + column * (_PANEL + _GAP)
    picture.paste(image.resize((_PANEL, _PANEL), Image.Resampling.LANCZOS), (left, _MARGIN))
    draw = ImageDraw.Draw(picture)
    top = _MARGIN + _PANEL + 8
    for number, line in enumerate(lines):
        font = _font("DejaVuSans", _TEXT) if number else _font("DejaVuSans-Bold", _TITLE)
        draw.text((left, top + number * _LEADING), _shortened(line, font, _PANEL), _QUIET if number > 1 else _INK, font)


def _draw_scale(picture: Image.Image, left: int, colour_map: ColourMap) -> None:
    ramp = np.linspace(1, 0, _PANEL)[:, None].repeat(_SCALE_WIDTH, axis=1)
    colours = (255 * matplotlib.colormaps[colour_map](ramp)[..., :3]).astype(np.uint8)
    picture.paste(Image.fromarray(colours), (left, _MARGIN))
    draw, font = ImageDraw.Draw(picture), _font("DejaVuSans", 13)
    draw.text((left + _SCALE_WIDTH + 5, _MARGIN), "1", _QUIET, font, anchor="lt")
    draw.text((left + _SCALE_WIDTH + 5, _MARGIN + _PANEL), "0", _QUIET, font, anchor="lb")


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font that matplotlib carries; it covers Latin, Greek, Cyrillic and Arabic names."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    return ImageFont.truetype(str(path), size)
