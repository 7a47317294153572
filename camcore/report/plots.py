"""Small plots as SVG, with colours from the style sheet of the page and a description in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log2
from statistics import fmean

from markupsafe import Markup

from camcore.drawing.overlay import OPACITY, ColourMap, colour_table
from camcore.methods.method_table import DEFAULT_METHODS, MORE_METHODS
from camcore.metrics.baselines import BASELINES, column_titles

WIDTH = 320  # of a plot, in about pixels
_LEFT, _RIGHT = 42, WIDTH - 6
_STRIP = 44  # height of one row of dots
_LEAST, _MOST = -3, 4  # powers of two; lifts outside are drawn at the edge
_LINES = (*DEFAULT_METHODS, *BASELINES, *MORE_METHODS)  # the style of each, whichever others are drawn
_FRACTIONS = {-3: "⅛", -2: "¼", -1: "½"}


@dataclass(frozen=True)
class Strip:
    """A row of dots: its title, and the name and value of each dot."""

    title: str
    dots: Sequence[tuple[str, float]]

    @property
    def mean(self) -> float:
        """Return the mean of the dots, of which there must be at least one."""
        return fmean(value for _, value in self.dots)


def lift_strips(method: str, strips: Sequence[Strip]) -> Markup:
    """Plot one dot per photo on an axis of lift with ticks at powers of two; return "" if there are no dots.

    Strips without dots are left out.
    """
    strips = [strip for strip in strips if strip.dots]
    if not strips:
        return Markup()
    values = [value for strip in strips for _, value in strip.dots]
    low = min(-1, max(_LEAST, _power(min(values), up=False)))
    high = max(2, min(_MOST, _power(max(values), up=True)))
    bottom = _STRIP * len(strips) + 4
    parts = [_lift_axis(low, high, bottom)]
    parts += [_strip(strip, _STRIP * row, low, high) for row, strip in enumerate(strips)]
    label = f"Lift of each photo’s {column_titles()[method]} map; 1 is expected by chance."
    means = "; ".join(f"{strip.title} {strip.mean:.1f}" for strip in strips)
    below = f"{sum(value < 1 for value in values)} of {len(values)} are below 1."
    return draw_svg(bottom + 34, f"{label} Means: {means}. {below}", parts)


def mean_curves(title: str, axis: str, curves: Mapping[str, Sequence[float]], value: str = "probability") -> Markup:
    """Plot one line per method or baseline from 0 to 100% of the pixels; return "" if there is none.

    `value` names the y axis.
    """
    if not curves:
        return Markup()
    high = next(top for top in (0.25, 0.5, 0.75, 1) if top >= max(map(max, curves.values())) or top == 1)
    parts, legend = [_curve_axes(axis, high)], 236
    for row, (method, curve) in enumerate(curves.items()):
        style = f"line line-{_LINES.index(method)}"
        points = " ".join(
            f"{_LEFT + (_RIGHT - _LEFT) * index / (len(curve) - 1):.1f},{_y(value, high):.1f}"
            for index, value in enumerate(curve)
        )
        y = legend + 18 * row
        parts.append(f'<polyline class="{style}" points="{points}"/>')
        parts.append(f'<line class="{style}" x1="{_LEFT}" x2="{_LEFT + 36}" y1="{y - 4}" y2="{y - 4}"/>')
        parts.append(text_at(_LEFT + 44, y, column_titles()[method]))
    values = "; ".join(
        f"{column_titles()[method]} from {curve[0]:.2f} over {curve[len(curve) // 2]:.2f} halfway to {curve[-1]:.2f}"
        for method, curve in curves.items()
    )
    label = f"{title}: {value} of the explained class by {axis}. {values}."
    return draw_svg(legend + 18 * len(curves) - 8, label, parts)


def colour_scale(colour_map: ColourMap = "inferno", steps: int = 24) -> Markup:
    """Draw the colours of the maps from cold to hot, as they appear over grey."""
    cells = [
        f'<rect x="{index * 10}" width="10.5" height="10" fill="#8c8a85"/>'
        f'<rect x="{index * 10}" width="10.5" height="10" fill="rgb({100 * red:.1f}% {100 * green:.1f}% '
        f'{100 * blue:.1f}%)" fill-opacity="{OPACITY * index / (steps - 1):.3f}"/>'
        for index, (red, green, blue) in enumerate(colour_table(colour_map, steps))
    ]
    label = "From cold, where the photo is visible, over violet and orange to hot, in pale yellow"
    return draw_svg(10, label, cells, width=steps * 10, style="colour-scale")


def _lift_axis(low: int, high: int, bottom: int) -> str:
    parts = []
    for power in range(low, high + 1):
        x = _x(2.0**power, low, high)
        style = "chance" if power == 0 else "tick"
        parts.append(f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{18 if power == 0 else 0}" y2="{bottom}"/>')
        parts.append(text_at(x, bottom + 14, _FRACTIONS.get(power, str(2**power if power >= 0 else "")), "middle"))
    parts.append(text_at(_x(1, low, high), bottom + 29, "by chance", "middle"))
    return "".join(parts)


def _strip(strip: Strip, top: int, low: int, high: int) -> str:
    y = top + 31
    title = strip.title if len(strip.title) <= 34 else f"{strip.title[:33]}…"
    parts = [
        f'<rect class="backdrop" x="0" y="{top}" width="{WIDTH}" height="20"/>',
        text_at(0, top + 16, title),
        text_at(WIDTH, top + 16, f"mean {strip.mean:.1f}", "end"),
        f'<line class="base" x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}"/>',
    ]
    for name, value in strip.dots:
        style = "dot" if value >= 1 else "dot below"
        tooltip = f"<title>{escape(name)}: {value:.2f}</title>"
        parts.append(f'<circle class="{style}" cx="{_x(value, low, high):.1f}" cy="{y}" r="4">{tooltip}</circle>')
    x = _x(strip.mean, low, high)
    parts.append(f'<line class="mean" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8}" y2="{y + 8}"/>')
    return "".join(parts)


def _curve_axes(axis: str, high: float) -> str:
    parts = []
    for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        y = _y(share * high, high)
        parts.append(f'<line class="{"base" if share == 0 else "tick"}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(text_at(_LEFT - 4, y + 4, f"{share * high:.3g}", "end"))
        parts.append(text_at(_LEFT + (_RIGHT - _LEFT) * share, 194, f"{share:.0%}", anchor))
    parts.append(text_at((_LEFT + _RIGHT) / 2, 212, axis, "middle"))
    return "".join(parts)


def _x(value: float, low: int, high: int) -> float:
    power = min(max(log2(value) if value > 0 else low, low), high)
    return _LEFT + (_RIGHT - _LEFT) * (power - low) / (high - low)


def _y(value: float, high: float) -> float:
    return 178 - 170 * value / high


def _power(value: float, *, up: bool) -> int:
    """Return the next power of two above or below a lift."""
    if value <= 0:
        return _LEAST
    power = log2(value)
    return int(-(-power // 1) if up else power // 1)


def text_at(x: float, y: float, text: str, anchor: str = "start") -> str:
    """Return a text of a plot."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def draw_svg(height: float, label: str, parts: Iterable[str], width: float = WIDTH, style: str = "plot") -> Markup:
    """Return a plot of its parts, which `label` describes in words."""
    head = f'<svg class="{style}" role="img" viewBox="0 0 {width} {height}" aria-label="{escape(label)}">'
    return Markup(f"{head}{''.join(parts)}</svg>")
