"""Numbers and outcomes as people read them, one way in every place."""

import math

from camcore.results import Explanation


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage: ">99%", "94%", "0.3%", "<0.1%"."""
    value = 100 * share
    if 99.5 <= value < 100:
        return ">99%"
    if value >= 0.95:
        return f"{value:.0f}%"
    return f"{value:.1f}%" if value >= 0.1 else "<0.1%"


def seconds(duration: float) -> str:
    """A duration as "40 ms", "2.3 s" or "152 s"."""
    if duration < 0.9995:
        return f"{1000 * duration:.0f} ms"
    return f"{duration:.1f} s" if duration < 99.95 else f"{duration:.0f} s"


def fidelity(estimate: float) -> str:
    """An estimated correlation, rounded down: "0.998"."""
    return f"{math.floor(1000 * estimate) / 1000:.3f}"


def subject(explanation: Explanation) -> str:
    """What is explained: "bald eagle  94%", or "bald eagle rather than kite"."""
    if explanation.contrast_class is not None:
        return f"{explanation.name} rather than {explanation.contrast_class.name}"
    return f"{explanation.name}  {percent(explanation.probability)}"


def extent(explanation: Explanation) -> str:
    """How far Score-CAM has been run: "all 640 channels", "72 forwards, fidelity 0.998" or "8 of 640 channels"."""
    if explanation.fidelity_estimate is None:
        return f"{explanation.forwards:,} of {explanation.channels_alive:,} channels"
    if explanation.fidelity_estimate == 1:
        return f"all {explanation.channels_alive:,} channels"
    return f"{explanation.forwards:,} forwards, fidelity {fidelity(explanation.fidelity_estimate)}"


def run_summary(explanation: Explanation) -> str:
    """What to say after the time: how far it was run, and a map that shows no place; "" if there is nothing to say."""
    said = "" if explanation.forwards is None else f", {extent(explanation)}"
    if not explanation.shows_a_place:
        said += ", no positive evidence" if explanation.peak <= 0 else ", the same everywhere"
    return said
