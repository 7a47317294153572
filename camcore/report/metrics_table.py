"""The metrics of a heatmap: their names, meanings and number formats."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from camcore.formatting import fidelity

MISSING = "–"


def number(template: str, value: float | None) -> str:
    """Format a value with a format string and a real minus sign; a dash for None."""
    return MISSING if value is None else template.format(value).replace("-", "−")


def between(template: str, interval: tuple[float, float] | None) -> str:
    """Format an interval as "1.4 to 2.0"; "" for None."""
    return "" if interval is None else " to ".join(number(template, value) for value in interval)


@dataclass(frozen=True)
class Metric:
    """One metric of an explanation.

    Attributes:
        section: part of the explanation's record that holds the metric under `key`; "" for the explanation itself,
            "sanity" and "adcc" for those of the photo.
        title: name for readers; `{target}` stands for the noun of the target.
        write: function from a value to text.
        better: the better direction; "" if there is none.
    """

    section: Literal["localisation", "faithfulness", "adcc", "sanity", ""]
    key: str
    title: str
    write: Callable[[float], str]
    better: Literal["lower", "higher", ""]
    meaning: str

    def read(self, record: Mapping[str, Any], explanation: Mapping[str, Any]) -> float | None:
        """Return the value for one explanation of a photo's record; None if it does not exist."""
        values = explanation
        if self.section in {"sanity", "adcc"}:
            values = {self.section: (record.get(self.section) or {}).get(explanation["method"])}
        elif self.section:
            values = explanation[self.section] or {}
        value: float | None = values.get(self.key)
        return value

    def text(self, value: float | None) -> str:
        """Format a value, as "61.4%", "1.90" or "yes"; a dash for None."""
        if value is None:
            return MISSING
        if isinstance(value, bool):
            return "yes" if value else "no"
        return self.write(value).replace("-", "−")

    def between(self, interval: tuple[float, float] | None) -> str:
        """Format an interval of values, as "1.72 to 2.08"; "" for None."""
        return "" if interval is None else " to ".join(map(self.text, interval))


SECTIONS = {
    "localisation": "Is the heat on the {target}?",
    "faithfulness": "Did the hot places matter to the model?",
    "adcc": "All in one number",
    "sanity": "Does the map depend on what the model learnt?",
    "": "How the map was computed",
}
METRICS = (
    Metric("localisation", "energy", "Energy on the {target}", "{:.1%}".format, "higher",
           "Share of the heat inside the box."),
    Metric("localisation", "lift", "Lift", "{:.2f}".format, "higher",
           "Energy divided by the box’s share of the picture: 1 is expected by chance, 2 is twice as much."),
    Metric("localisation", "pointing_hit", "Hottest point on the {target}", "{:.0%}".format, "higher",
           "Whether the hottest point lies inside the box."),
    Metric("faithfulness", "average_drop", "Average drop", "{:.1f}%".format, "lower",
           "Share of the probability that is lost when the picture is dimmed wherever the map is cold."),
    Metric("faithfulness", "increase", "Increase", "{:.0%}".format, "higher",
           "Whether the class is more probable for the dimmed picture than for the whole one."),
    Metric("faithfulness", "average_gain", "Average gain", "{:.1f}%".format, "higher",
           "Share of the missing probability, up to 100%, that the dimmed picture adds."),
    Metric("faithfulness", "deletion_auc", "Deletion", "{:.3f}".format, "lower",
           "The hottest pixels are removed first. The area under the falling probability is small if they mattered."),
    Metric("faithfulness", "insertion_auc", "Insertion", "{:.3f}".format, "higher",
           "The hottest pixels are restored first, on a blurred picture. The area under the rising probability is "
           "large if they mattered."),
    Metric("adcc", "adcc", "ADCC", "{:.3f}".format, "higher",
           "Harmonic mean of three: how alike the map is for the dimmed picture, how little of it is hot, and how "
           "little of the probability is lost."),
    Metric("sanity", "sanity", "Untrained classifier", "{:z.2f}".format, "",
           "Rank correlation with the maps of the same model with a random last layer: near 0, the map depends on "
           "what the model learnt; near 1, it hardly does."),
    Metric("", "fidelity_estimate", "Fidelity", fidelity, "",
           "Score-CAM’s own estimate of how similar its quick map is to the complete one: 1 is identical."),
    Metric("", "forwards", "Model runs", "{:.0f}".format, "", "How many times Score-CAM ran the model."),
    Metric("", "seconds", "Seconds", "{:.2f}".format, "lower",
           "Time to compute the map, without the metrics above; a command explains several photos at once."),
)  # fmt: skip
