"""Numbers and outcomes as people read them, one way in every place."""

from camcore.results import Explanation


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage: "94%", "0.3%", "<0.1%"."""
    value = 100 * share
    if value >= 0.95:
        return f"{value:.0f}%"
    return f"{value:.1f}%" if value >= 0.1 else "<0.1%"


def seconds(duration: float) -> str:
    """A duration as "40 ms", "2.3 s" or "152 s"."""
    if duration < 0.9995:
        return f"{1000 * duration:.0f} ms"
    return f"{duration:.1f} s" if duration < 99.95 else f"{duration:.0f} s"


def outcome(explanation: Explanation) -> str:
    """What to say after the time: channels run, and a map that shows no place; "" if there is nothing to say."""
    said = ""
    if explanation.forwards is not None:
        said += f", {explanation.forwards:,} of {explanation.channels_alive:,} channels"
    if not explanation.shows_a_place:
        said += ", no positive evidence" if explanation.peak <= 0 else ", the same everywhere"
    return said
