"""Plots of an archive: histograms, and shares by month, as SVG."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from camcore.metrics.drift import MonthlyShare
from camcore.metrics.intervals import Interval
from camcore.report.plots import WIDTH, draw_svg, text_at
from camcore.types import Floats

_TOP, _BOTTOM, _LEFT = 14, 150, 42
_LIFT_EDGES = (0, 1 / 8, 1 / 4, 1 / 2, 1 / 2**0.5, 1, 2**0.5, 2, 2 * 2**0.5, 4, np.inf)
_LIFT_TICKS = {0: "0", 2: "¼", 3: "½", 5: "1", 7: "2", 9: "4"}


def lift_histogram(lifts: Floats) -> Markup:
    """Plot how many photos have which lift; bars below 1 are hollow. Return "" if there are none."""
    if not lifts.size:
        return Markup()
    counts, _ = np.histogram(lifts, _LIFT_EDGES)
    below = int((lifts < 1).sum())
    label = f"Lift of {lifts.size:,} photos; {below:,} of them are below 1, with less heat than expected by chance."
    parts = _bars(counts, [edge < 1 for edge in _LIFT_EDGES[:-1]])
    parts += [text_at(_x(number, counts.size), _BOTTOM + 16, text, "middle") for number, text in _LIFT_TICKS.items()]
    x = _x(5, counts.size)
    parts.append(f'<line class="chance" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>')
    parts.append(text_at(x, _BOTTOM + 32, "by chance", "middle"))
    return draw_svg(_BOTTOM + 40, label, parts)


def probability_histogram(probabilities: Floats) -> Markup:
    """Plot how many photos have which probability of the first choice; bars below 50% are hollow."""
    if not probabilities.size:
        return Markup()
    counts, edges = np.histogram(probabilities, 10, (0, 1))
    unsure = int((probabilities < 0.5).sum())
    label = f"Probability of the predicted class of {probabilities.size:,} photos; it is below 50% for {unsure:,}."
    parts = _bars(counts, [edge < 0.5 for edge in edges[:-1]])
    parts += [
        text_at(_x(10 * share, 10), _BOTTOM + 16, f"{share:.0%}", anchor)
        for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    ]
    return draw_svg(_BOTTOM + 40, label, parts)


def month_shares(title: str, months: Sequence[MonthlyShare]) -> Markup:
    """Plot a share and its interval for each month; return "" if there are fewer than two.

    Each month must have decided visits.
    """
    if len(months) < 2:
        return Markup()
    points = [(month.month, month.tally.share or 0.0, month.tally.interval or Interval(0, 1)) for month in months]
    most = max(interval.high for _, _, interval in points)
    high = next(top for top in (0.1, 0.25, 0.5, 1) if top >= most or top == 1)

    def y(share: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * share / high

    parts = []
    for share in (0, high / 2, high):
        style = "tick" if share else "base"
        parts.append(f'<line class="{style}" x1="{_LEFT}" x2="{WIDTH - 6}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>')
        parts.append(text_at(_LEFT - 4, y(share) + 4, f"{100 * share:.3g}%", "end"))
    for number, (month, share, interval) in enumerate(points):
        x, low, top = _x(number + 0.5, len(points)), y(interval.low), y(interval.high)
        tooltip = f"<title>{month}: {share:.1%}</title>"
        parts.append(f'<line class="mean" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{top:.1f}"/>')
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y(share):.1f}" r="4">{tooltip}</circle>')
    (first, first_share, _), (last, last_share, _) = points[0], points[-1]
    parts.append(text_at(_LEFT, _BOTTOM + 16, first))
    parts.append(text_at(WIDTH - 6, _BOTTOM + 16, last, "end"))
    label = f"{title}: from {first_share:.1%} in {first} to {last_share:.1%} in {last}."
    return draw_svg(_BOTTOM + 26, label, parts)


def _bars(counts: NDArray[np.intp], hollow: Sequence[bool]) -> list[str]:
    most = max(int(counts.max()), 1)
    parts = [f'<line class="base" x1="{_LEFT}" x2="{WIDTH - 6}" y1="{_BOTTOM}" y2="{_BOTTOM}"/>']
    parts.append(text_at(_LEFT - 4, _TOP + 4, f"{most:,}", "end"))
    parts.append(text_at(_LEFT - 4, _BOTTOM + 4, "0", "end"))
    for number, count in enumerate(counts):
        left, right = _x(number, len(counts)) + 1, _x(number + 1, len(counts)) - 1
        height = (_BOTTOM - _TOP) * int(count) / most
        style = "dot below" if hollow[number] else "dot"
        parts.append(
            f'<rect class="{style}" x="{left:.1f}" y="{_BOTTOM - height:.1f}" width="{right - left:.1f}" '
            f'height="{height:.1f}"><title>{int(count):,}</title></rect>'
        )
    return parts


def _x(number: float, count: int) -> float:
    return _LEFT + (WIDTH - 6 - _LEFT) * number / count
