"""What the figures say of one photo, in words: every rule, and every threshold, stands here."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Literal

from camcore.formatting import percent
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.metrics.agreement import Agreement
from camcore.metrics.localisation import Localisation
from camcore.results import Prediction

UNSURE = 0.5  # a name less probable than this is unsure
ON, OFF = 1.2, 0.8  # lift from which the heat lies on the target, and up to which it lies off it
FILLS = 0.7  # of the view: above it nearly every map lies on the target, so lift tells nothing
CUT_OFF = 0.25  # of the target: more is worth a warning
AGREE, DISAGREE = 0.5, 1 / 3  # overlap of the hottest fifths of the two methods that are least alike
SEVERE, MODERATE, MINOR = 4, 2, 1  # reasons to look at a photo; several add up

Reason = tuple[int, str]

NameStatus = Literal["right", "wrong", "no such class", "not told"]
HeatPlace = Literal["on the target", "off the target", "in between", "unknown"]


@dataclass(frozen=True)
class TrueClass:
    """What the photo shows, where somebody told: its `title`, and the model's class for that, None if it has none."""

    title: str
    prediction: Prediction | None


@dataclass(frozen=True)
class TargetEvidence:
    """The target in the view: what to call it, its `share` of the view, how much of it was `cut_off`, in [0, 1].

    `localisations` has None for a heatmap that is empty.
    """

    word: str
    share: float
    cut_off: float
    localisations: Mapping[MethodName, Localisation | None]


@dataclass(frozen=True)
class Verdict:
    """A careful `sentence` or more, and what it rests on.

    `concerns` are the reasons to look at the photo, if any, the gravest first; `gravity` is their sum, 0 for none.
    """

    sentence: str
    name: NameStatus
    place: HeatPlace
    warnings: tuple[str, ...]
    severity: int


def write_verdict(
    top_prediction: Prediction,
    truth: TrueClass | None,
    target_evidence: TargetEvidence | None,
    found: Mapping[MethodName, bool],
    agreement: Agreement,
    *,
    asked: Prediction | None = None,
) -> Verdict:
    """The verdict on one photo.

    Args:
        called: the model's first choice.
        truth: what the photo shows; None if nobody told.
        sight: the target; None if nobody marked it.
        found: for each method, in the order of `agreement`, whether its heatmap shows a place.
        agreement: of those heatmaps.
        asked: the class that they explain, if that is another.
    """
    name, naming, worries = _name(top_prediction, truth)
    if asked is not None and asked.class_idx != top_prediction.class_idx:
        naming += f" Asked here about {asked.name} ({percent(asked.probability)})."
    place, placing, more = _place(target_evidence, any(found.values()))
    agreeing, most = _agreement(found, agreement)
    parts = (naming, *placing, agreeing, _limit(name, place))
    reasons = sorted((*worries, *more, *most), key=lambda reason: -reason[0])
    warnings = tuple(concern for _, concern in reasons)
    return Verdict(
        " ".join(part for part in parts if part), name, place, warnings, sum(weight for weight, _ in reasons)
    )


def _name(top_prediction: Prediction, truth: TrueClass | None) -> tuple[NameStatus, str, list[Reason]]:
    said = f"{top_prediction.name} ({percent(top_prediction.probability)})"
    unsure = [(MINOR, "the name is unsure")] if top_prediction.probability < UNSURE else []
    if truth is None:
        return "not told", f"Called {said}.", unsure
    if truth.prediction is None:
        return "no such class", f"Called {said}; the model has no class for {truth.title}.", unsure
    if truth.prediction.class_idx == top_prediction.class_idx:
        return "right", f"Rightly called {said}.", unsure
    other = f"{truth.prediction.name} ({percent(truth.prediction.probability)})"
    return "wrong", f"Called {said}, not {other}.", [(SEVERE, "the name is wrong"), *unsure]


def _place(target_evidence: TargetEvidence | None, any_found: bool) -> tuple[HeatPlace, list[str], list[Reason]]:
    """Where the heat lies, sentences that say so, and what is worrying about it."""
    if not any_found:
        return "unknown", ["No map shows a place."], [(MODERATE, "no map shows a place")]
    if target_evidence is None:
        return "unknown", [], []
    if target_evidence.share == 0:
        outside = (MODERATE, f"the marked {target_evidence.word} lies outside the view")
        return "unknown", [f"The marked {target_evidence.word} lies outside what the model saw."], [outside]
    cut: list[str] = []
    worry: list[Reason] = []
    if target_evidence.cut_off > CUT_OFF:
        lost = f"{percent(target_evidence.cut_off)} of the marked {target_evidence.word} lies outside the view"
        cut, worry = [f"{lost}."], [(MINOR, f"the {target_evidence.word} is cut off by the view")]
    place, said, more = _heat(target_evidence)
    return place, [said, *cut], [*more, *worry]


def _heat(target_evidence: TargetEvidence) -> tuple[HeatPlace, str, list[Reason]]:
    shown = [each for each in target_evidence.localisations.values() if each is not None]
    energy, lift = (median(values) for values in zip(*((each.energy, each.lift) for each in shown), strict=True))
    word = target_evidence.word
    if target_evidence.share > FILLS:
        return (
            "unknown",
            f"The marked {word} fills {percent(target_evidence.share)} of the view: where the heat lies tells little.",
            [],
        )
    filled = percent(target_evidence.share)
    measured = f"{percent(energy)} of the heat lies on the marked {word}, which fills {filled} of the view"
    said = f"{measured} (lift {lift:.1f})"
    places = {_of_lift(each.lift) for each in shown}
    if {"on the target", "off the target"} <= places:
        return (
            "in between",
            f"{said}: by some methods on the {word}, by others off it.",
            [(MODERATE, "the methods differ on where")],
        )
    place = _of_lift(lift)
    if place == "off the target":
        return place, f"{said}: the surroundings weigh more than the {word}.", [(SEVERE, f"the heat is off the {word}")]
    if place == "in between":
        return (
            place,
            f"{said}: about what an even map would put there.",
            [(MODERATE, f"the heat is hardly on the {word}")],
        )
    if energy < 0.5:
        return place, f"{said}: the {word} draws more than its share, yet most of the heat lies around it.", []
    return place, f"{said}: the {word} weighs more than its surroundings.", []


def _of_lift(lift: float) -> HeatPlace:
    if lift >= ON:
        return "on the target"
    return "off the target" if lift <= OFF else "in between"


def _agreement(found: Mapping[MethodName, bool], agreement: Agreement) -> tuple[str, list[Reason]]:
    titles = [METHODS[method].title for method in found]
    if not any(found.values()):
        return "", []
    said: list[str] = []
    worries: list[Reason] = []
    for title, shows in zip(titles, found.values(), strict=True):
        if not shows:
            said.append(f"{title} shows no place.")
            worries.append((MINOR, f"{title} shows no place"))
    overlaps = [
        (value, titles[i], titles[j])
        for i, j in combinations(range(len(titles)), 2)
        if (value := agreement.overlap[i][j]) is not None
    ]
    if overlaps:
        least, first, second = min(overlaps)
        said.append(_alike(least, first, second, sum(found.values())))
        worries += [(MODERATE, "the methods disagree")] if least < DISAGREE else []
    return " ".join(said), worries


def _alike(overlap: float, first: str, second: str, count: int) -> str:
    """What the two methods that are least alike say of all of them."""
    if overlap < DISAGREE:
        return f"The methods disagree: the hottest fifths of {first} and {second} overlap by {percent(overlap)}."
    methods = f"The {'two' if count == 2 else 'three'} methods agree"
    return f"{methods}." if overlap >= AGREE else f"{methods} in part."


def _limit(name: NameStatus, place: HeatPlace) -> str:
    """What the heatmap cannot show, and what would."""
    if place == "off the target":
        return "Whether the name would hold without them a heatmap cannot show: crop them away and ask again."
    if place == "on the target" and name == "wrong":
        return "The place was right and the name still wrong; which marks misled it a heatmap cannot show."
    if place == "on the target":
        return "That tells where it looked, not which marks it knew."
    return "A heatmap tells where the evidence lies, not what it is."
