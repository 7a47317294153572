"""The figures of a map: what each is called, means, and how it is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from camcore.formatting import fidelity

MISSING = "–"


def number(form: str, value: float | None) -> str:
    """A value as the form says, with a minus sign, or a dash for None."""
    return MISSING if value is None else form.format(value).replace("-", "−")


@dataclass(frozen=True)
class Metric:
    """One figure of an explanation: where a record keeps it, how it is written, and which direction is better.

    `section` is the part of the explanation that holds `key`: "" for the explanation itself, "sanity" for the
    record's. `{target}` in `title` stands for what the boxes hold.
    """

    section: Literal["localisation", "faithfulness", "sanity", ""]
    key: str
    title: str
    write: Callable[[float], str]
    better: Literal["lower", "higher", ""]
    meaning: str

    def read(self, record: Mapping[str, Any], explanation: Mapping[str, Any]) -> float | None:
        """Its value for one explanation of a record; None if it does not exist."""
        held = explanation
        if self.section == "sanity":
            held = {"sanity": (record["sanity"] or {}).get(explanation["method"])}
        elif self.section:
            held = explanation[self.section] or {}
        value: float | None = held.get(self.key)
        return value

    def text(self, value: float | None) -> str:
        """A value as people read it: "61.4%", "1.90", "yes"; a dash for None."""
        if value is None:
            return MISSING
        if isinstance(value, bool):
            return "yes" if value else "no"
        return self.write(value).replace("-", "−")


SECTIONS = {
    "localisation": "Is the heat on the {target}?",
    "faithfulness": "Did what is hot count for the model?",
    "sanity": "Does the map depend on what the model learnt?",
    "": "How it was made",
}

METRICS = (
    Metric(
        "localisation", "energy", "Energy on the {target}", "{:.1%}".format, "higher",
        "How much of all the heat lies inside the box.",
    ),
    Metric(
        "localisation", "lift", "Lift", "{:.2f}".format, "higher",
        "Energy divided by the box’s share of the picture: 1 is what an even map would get, 2 twice that.",
    ),
    Metric(
        "localisation", "pointing_hit", "Pointing", "{:.0%}".format, "higher",
        "Whether the hottest point lies inside the box.",
    ),
    Metric(
        "faithfulness", "average_drop", "Average drop", "{:.1f}%".format, "lower",
        "How much of the probability is lost when the picture is dimmed wherever the map is cold.",
    ),
    Metric(
        "faithfulness", "increase", "Increase", "{:.0%}".format, "higher",
        "Whether the model is surer of the dimmed picture than of the whole one.",
    ),
    Metric(
        "faithfulness", "average_gain", "Average gain", "{:.1f}%".format, "higher",
        "How much of the missing certainty the dimmed picture makes up.",
    ),
    Metric(
        "faithfulness", "deletion_auc", "Deletion", "{:.3f}".format, "lower",
        "The hottest pixels are taken away first. The area under the falling probability: small if they counted.",
    ),
    Metric(
        "faithfulness", "insertion_auc", "Insertion", "{:.3f}".format, "higher",
        "The hottest pixels return first, over a blurred picture. The area under the rising probability.",
    ),
    Metric(
        "sanity", "sanity", "Random model", "{:z.2f}".format, "",
        "Rank correlation with the maps of the same model with a random last layer: near 0 is good, near 1 bad.",
    ),
    Metric(
        "", "fidelity_estimate", "Fidelity", fidelity, "",
        "Score-CAM’s own estimate of how alike its fast map is to the exhaustive one: 1 is the same.",
    ),
    Metric("", "forwards", "Forwards", "{:.0f}".format, "", "How many times Score-CAM asked the model."),
    Metric("", "seconds", "Seconds", "{:.2f}".format, "lower", "Time for the map, without the figures above."),
)  # fmt: skip
