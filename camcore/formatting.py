"""Numbers and explanations as short texts, the same everywhere."""

import math

from camcore.results import Explanation


def percent(share: float) -> str:
    """Return a share in [0, 1] as a percentage: ">99%", "94%", "0.3%", "<0.1%"."""
    value = 100 * share
    if 99.5 <= value < 100:
        return ">99%"
    if value >= 0.95:
        return f"{value:.0f}%"
    return f"{value:.1f}%" if value >= 0.1 else "<0.1%"


def seconds(duration: float) -> str:
    """Return a duration in seconds as "40 ms", "2.3 s" or "152 s"."""
    if duration < 0.9995:
        return f"{1000 * duration:.0f} ms"
    return f"{duration:.1f} s" if duration < 99.95 else f"{duration:.0f} s"


def fidelity(estimate: float) -> str:
    """Return an estimated correlation, rounded down to three digits: "0.998"."""
    return f"{math.floor(1000 * estimate) / 1000:.3f}"


def subject(explanation: Explanation) -> str:
    """Return the explained class and its probability, or the two classes: "bald eagle rather than kite"."""
    if explanation.contrast_class is not None:
        return f"{explanation.name} rather than {explanation.contrast_class.name}"
    return f"{explanation.name}  {percent(explanation.probability)}"


def extent(explanation: Explanation) -> str:
    """Return how far Score-CAM has run: "all 640 channels", "72 forwards, fidelity 0.998" or "8 of 640 channels"."""
    if explanation.fidelity_estimate is None:
        return f"{explanation.forwards:,} of {explanation.channels_alive:,} channels"
    if explanation.fidelity_estimate == 1:
        return f"all {explanation.channels_alive:,} channels"
    return f"{explanation.forwards:,} forwards, fidelity {fidelity(explanation.fidelity_estimate)}"


def run_summary(explanation: Explanation) -> str:
    """Return the text that follows the time: how far Score-CAM has run, and whether the map is empty; may be ""."""
    summary = "" if explanation.forwards is None else f", {extent(explanation)}"
    if not explanation.shows_a_place:
        summary += ", no positive evidence" if explanation.peak <= 0 else ", the same everywhere"
    return summary


def changed_input(part: str, filling: str | None, word: str) -> str:
    """Return what a changed input of the model shows, as "animal only, the rest blurred"; see `Counterfactuals`."""
    filled = {"zero": "plain", "blurred": "blurred"}.get(filling or "")
    titles = {
        "target only": f"{word} only, the rest {filled}",
        "background only": f"without the {word}, {filled}",
        "zoom": f"zoomed to the {word}",
        "whole": "the whole photo",
    }
    return titles[part]
