"""The comparison: one picture of the model's view and its explanations side by side."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from camcore.drawing.overlay import OPACITY, ColourMap, draw_overlay
from camcore.formatting import run_summary, seconds, subject
from camcore.methods.method_table import METHODS
from camcore.model.manifest import Manifest
from camcore.results import Explanation

_PANEL, _GAP, _MARGIN, _SCALE_WIDTH = 336, 16, 28, 12  # side of a panel, spaces, and width of the scale, in pixels
_TITLE, _TEXT, _LINE_HEIGHT, _VERDICT_LINE = 19, 16, 25, 28  # font sizes and line heights in pixels
_COLUMNS = 5  # panels of a row, at most
_MIN_BOX = 8  # least side of an outlined box in pixels
_BACKGROUND, _FOREGROUND, _SECONDARY = "#fbfaf7", "#1d1c1a", "#66635e"


def draw_comparison(
    view: Image.Image,
    explanations: Sequence[Explanation],
    source: str,
    *,
    opacity: float = OPACITY,
    colour_map: ColourMap = "inferno",
    overlays: Sequence[NDArray[np.uint8]] | None = None,
    boxes: Sequence[tuple[float, float, float, float]] = (),
    verdict: str = "",
) -> Image.Image:
    """Draw the model's RGB view beside an overlay per explanation, with class, probability and time below.

    More than four explanations take several rows. `source` is the text at the bottom, which names photo, model and
    settings. The scale at the right runs from 0 to 1.

    Args:
        opacity: opacity of the hottest pixel, in [0, 1].
        overlays: the overlays, uint8 (H, W, 3), if they are already drawn with that opacity and colour map.
        boxes: boxes to outline in every panel: left, top, right and bottom as fractions of the view.
        verdict: the verdict, which is written below the panels.
    """
    if overlays is None:
        overlays = [draw_overlay(view, explanation.heatmap, opacity, colour_map) for explanation in explanations]
    rows = -(-(1 + len(explanations)) // _COLUMNS)
    columns, panel_height = -(-(1 + len(explanations)) // rows), round(_PANEL * view.height / view.width)
    row_height = _MARGIN + panel_height + 3 * _LINE_HEIGHT - 8
    width = 2 * _MARGIN + columns * _PANEL + (columns - 1) * _GAP + 4 * _SCALE_WIDTH
    verdict_lines = _wrapped(verdict, _font("DejaVuSans", _TITLE), width - 2 * _MARGIN)
    verdict_top = _MARGIN + rows * row_height
    height = verdict_top + 8 + len(verdict_lines) * _VERDICT_LINE + 2 * _LINE_HEIGHT
    picture = Image.new("RGB", (width, height), _BACKGROUND)
    _draw_panel(picture, (0, 0), view, boxes, ["What the model saw", f"{view.width} × {view.height} pixels"])
    for number, (explanation, overlay) in enumerate(zip(explanations, overlays, strict=True), start=1):
        duration = f"{seconds(explanation.seconds)}{run_summary(explanation)}"
        caption = [METHODS[explanation.method].title, subject(explanation), duration]
        place = (number % columns * (_PANEL + _GAP), number // columns * row_height)
        _draw_panel(picture, place, Image.fromarray(overlay), boxes, caption)
    _draw_scale(picture, width - _MARGIN - 2 * _SCALE_WIDTH, panel_height, colour_map)
    for number, line in enumerate(verdict_lines):
        top = verdict_top + number * _VERDICT_LINE
        ImageDraw.Draw(picture).text((_MARGIN, top), line, _FOREGROUND, _font("DejaVuSans", _TITLE))
    font = _font("DejaVuSans", _TEXT)
    footer = _shortened(source, font, width - 2 * _MARGIN)
    ImageDraw.Draw(picture).text((_MARGIN, height - _MARGIN - _TEXT), footer, _SECONDARY, font)
    return picture


def stack_comparisons(pictures: Sequence[Image.Image]) -> Image.Image:
    """Return comparisons of one photo below each other, one per layer."""
    width, height = max(picture.width for picture in pictures), sum(picture.height for picture in pictures)
    stacked = Image.new("RGB", (width, height), _BACKGROUND)
    top = 0
    for picture in pictures:
        stacked.paste(picture, (0, top))
        top += picture.height
    return stacked


def source_line(photo: str, manifest: Manifest, explanations: Sequence[Explanation]) -> str:
    """Return the text that names the photo, model and settings of a comparison."""
    parts = [photo, f"{manifest.model} {manifest.weights}, {manifest.layer.name}"]
    for explanation in explanations:
        if explanation.definition:
            definition = f"{METHODS[explanation.method].title} as in “{explanation.definition}”"
            parts.append(f"{definition}, {explanation.effort}, {explanation.precision}")
    return "  ·  ".join(parts)


def _draw_panel(
    picture: Image.Image,
    place: tuple[int, int],
    image: Image.Image,
    boxes: Sequence[tuple[float, float, float, float]],
    lines: Sequence[str],
) -> None:
    left, top = _MARGIN + place[0], _MARGIN + place[1]
    panel = image.resize((_PANEL, round(_PANEL * image.height / image.width)), Image.Resampling.LANCZOS)
    for box in boxes:
        _draw_box(panel, box)
    picture.paste(panel, (left, top))
    draw = ImageDraw.Draw(picture)
    top += panel.height + 8
    for number, line in enumerate(lines):
        font = _font("DejaVuSans", _TEXT) if number else _font("DejaVuSans-Bold", _TITLE)
        colour = _SECONDARY if number > 1 else _FOREGROUND
        draw.text((left, top + number * _LINE_HEIGHT), _shortened(line, font, _PANEL), colour, font)


def _draw_box(panel: Image.Image, box: tuple[float, float, float, float]) -> None:
    """Outline a box in white between two dark lines, which can be seen on any colour; one of no width is widened."""
    width, height = panel.size
    left, top = min(round(box[0] * width), width - _MIN_BOX), min(round(box[1] * height), height - _MIN_BOX)
    right, bottom = max(round(box[2] * width), left + _MIN_BOX), max(round(box[3] * height), top + _MIN_BOX)
    draw = ImageDraw.Draw(panel)
    draw.rectangle((left, top, right - 1, bottom - 1), outline="#1d1c1a", width=4)
    draw.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline="white", width=2)


def _draw_scale(picture: Image.Image, left: int, height: int, colour_map: ColourMap) -> None:
    ramp = np.linspace(1, 0, height)[:, None].repeat(_SCALE_WIDTH, axis=1)
    colours = (255 * matplotlib.colormaps[colour_map](ramp)[..., :3]).astype(np.uint8)
    picture.paste(Image.fromarray(colours), (left, _MARGIN))
    draw, font = ImageDraw.Draw(picture), _font("DejaVuSans", 13)
    draw.text((left + _SCALE_WIDTH + 5, _MARGIN), "1", _SECONDARY, font, anchor="lt")
    draw.text((left + _SCALE_WIDTH + 5, _MARGIN + height), "0", _SECONDARY, font, anchor="lb")


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Return the lines of a text that is broken between words, or within a word that is wider than a line."""
    lines: list[str] = []
    for word in text.split():
        start = f"{lines.pop()} " if lines and font.getlength(f"{lines[-1]} {word}") <= width else ""
        line = start + word
        while font.getlength(line) > width:
            fitting = next(end for end in range(len(line) - 1, 0, -1) if font.getlength(line[:end]) <= width)
            lines.append(line[:fitting])
            line = line[fitting:]
        lines.append(line)
    return lines


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    shortened, end = text, ""
    while shortened and font.getlength(shortened + end) > width:
        shortened, end = shortened[:-1], "…"
    return shortened + end


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font of matplotlib, which covers Latin, Greek, Cyrillic and Arabic names."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    return ImageFont.truetype(str(path), size)
