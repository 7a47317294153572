"""The verdict: the metrics of one photo in words, with every rule and every threshold."""

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

UNSURE = 0.5  # a prediction of lower probability is uncertain
ON, OFF = 1.2, 0.8  # least lift of heat on the target, and largest lift of heat off it
FILLS = 0.7  # share of the view: a larger target holds most of nearly every map, so lift tells little
CUT_OFF = 0.25  # share of the target outside the view: more is worth a warning
AGREE, DISAGREE = 0.5, 1 / 3  # overlap of the hottest fifths of the two methods that differ most
SEVERE, MODERATE, MINOR = 4, 2, 1  # severity of one warning; the verdict adds them up

NameStatus = Literal["right", "wrong", "no such class", "not told"]
HeatPlace = Literal["on the target", "off the target", "in between", "unknown"]
Warnings = list[tuple[int, str]]  # severity and text of each warning


@dataclass(frozen=True)
class TrueClass:
    """The label of a photo."""

    title: str  # name of what the photo shows
    prediction: Prediction | None  # the model's class of that name; None if the model has no such class


@dataclass(frozen=True)
class TargetEvidence:
    """The target in the view, and the position of each heatmap's heat."""

    word: str  # noun for the target, such as "animal"
    share: float  # share of the view that the target fills, in [0, 1]
    cut_off: float  # share of the target outside the view, in [0, 1]
    localisations: Mapping[MethodName, Localisation | None]  # None for an empty heatmap


@dataclass(frozen=True)
class Verdict:
    """The verdict on one photo."""

    sentence: str  # one or more sentences that state what was measured
    name: NameStatus  # whether the prediction equals the label
    place: HeatPlace  # position of the heat
    warnings: tuple[str, ...]  # reasons to check the photo, the most severe first
    severity: int  # sum over the warnings; 0 without a warning


def write_verdict(
    top_prediction: Prediction,
    truth: TrueClass | None,
    target_evidence: TargetEvidence | None,
    shows_place: Mapping[MethodName, bool],
    agreement: Agreement,
    *,
    explained: Prediction | None = None,
) -> Verdict:
    """Return the verdict on one photo.

    `truth` is its label, and `target_evidence` the position of the heat, if any. `shows_place` has an entry per heatmap
    in the order of `agreement`. `explained` is the class that the heatmaps explain; None for the most probable class.
    """
    name, name_text, name_warnings = _judge_name(top_prediction, truth)
    if explained is not None and explained.class_idx != top_prediction.class_idx:
        name_text += f" The maps explain {explained.name} ({percent(explained.probability)}) instead."
    place, place_text, place_warnings = _judge_place(target_evidence, any(shows_place.values()))
    agreement_text, agreement_warnings = _judge_agreement(shows_place, agreement)
    sentences = (name_text, place_text, agreement_text, _limitation(name, place))
    warnings = sorted((*name_warnings, *place_warnings, *agreement_warnings), key=lambda warning: -warning[0])
    sentence, severity = " ".join(filter(None, sentences)), sum(severity for severity, _ in warnings)
    return Verdict(sentence, name, place, tuple(text for _, text in warnings), severity)


def _judge_name(top_prediction: Prediction, truth: TrueClass | None) -> tuple[NameStatus, str, Warnings]:
    predicted = f"Predicted {top_prediction.name} ({percent(top_prediction.probability)})"
    warnings = [(MINOR, "the prediction is uncertain")] if top_prediction.probability < UNSURE else []
    if truth is None:
        return "not told", f"{predicted}.", warnings
    if truth.prediction is None:
        return "no such class", f"{predicted}; the model has no class for {truth.title}.", warnings
    if truth.prediction.class_idx == top_prediction.class_idx:
        return "right", f"{predicted}, as labelled.", warnings
    label = f"{truth.prediction.name} ({percent(truth.prediction.probability)})"
    warnings.insert(0, (SEVERE, "the prediction differs from the label"))
    return "wrong", f"{predicted}; the label is {label}.", warnings


def _judge_place(target_evidence: TargetEvidence | None, any_place: bool) -> tuple[HeatPlace, str, Warnings]:
    if not any_place:
        text = "No map highlights any part of the photo."
        return "unknown", text, [(MODERATE, "no map highlights any part of the photo")]
    if target_evidence is None:
        return "unknown", "", []
    word = target_evidence.word
    if target_evidence.share == 0:
        text = f"The marked {word} lies outside the part of the photo that the model saw."
        return "unknown", text, [(MODERATE, f"the model did not see the marked {word}")]
    place, text, warnings = _judge_heat(target_evidence)
    if target_evidence.cut_off > CUT_OFF:
        text += f" {percent(target_evidence.cut_off)} of the marked {word} was outside the part that the model saw."
        warnings.append((MINOR, f"the model saw only part of the {word}"))
    return place, text, warnings


def _judge_heat(target_evidence: TargetEvidence) -> tuple[HeatPlace, str, Warnings]:
    word, filled = target_evidence.word, percent(target_evidence.share)
    if target_evidence.share > FILLS:
        text = f"The marked {word} fills {filled} of what the model saw: where the heat lies says little."
        return "unknown", text, []
    localisations = [localisation for localisation in target_evidence.localisations.values() if localisation]
    energy = median(localisation.energy for localisation in localisations)
    lift = median(localisation.lift for localisation in localisations)
    text = (
        f"{percent(energy)} of the heat lies on the marked {word}, {lift:.1f} times what chance would put there, as it "
        f"fills {filled} of what the model saw. "
    )
    if {"on the target", "off the target"} <= {_place_of_lift(localisation.lift) for localisation in localisations}:
        text += f"The methods differ: some put the heat on the {word}, others around it."
        return "in between", text, [(MODERATE, f"the methods differ on whether the heat is on the {word}")]
    place = _place_of_lift(lift)
    if place == "off the target":
        text += f"On average, the heat is stronger around the {word} than on it."
        return place, text, [(SEVERE, f"the heat is off the {word}")]
    if place == "in between":
        text += "This is about as much as expected by chance."
        return place, text, [(MODERATE, f"only about as much heat on the {word} as expected by chance")]
    text += f"On average, the heat is stronger on the {word} than around it"
    return place, f"{text}, but most of it lies around the {word}." if energy < 0.5 else f"{text}.", []


def _place_of_lift(lift: float) -> HeatPlace:
    if lift >= ON:
        return "on the target"
    return "off the target" if lift <= OFF else "in between"


def _judge_agreement(shows_place: Mapping[MethodName, bool], agreement: Agreement) -> tuple[str, Warnings]:
    if not any(shows_place.values()):
        return "", []
    titles = [METHODS[method].title for method in shows_place]
    empty = [title for title, shows in zip(titles, shows_place.values(), strict=True) if not shows]
    sentences = [f"{title} highlights no part of the photo." for title in empty]
    warnings = [(MINOR, f"{title} highlights no part of the photo") for title in empty]
    pairs = combinations(range(len(titles)), 2)
    overlaps = [(value, titles[i], titles[j]) for i, j in pairs if (value := agreement.overlap[i][j]) is not None]
    if overlaps:
        least, first, second = min(overlaps)
        methods = "The other methods" if empty else "The methods"
        if least < DISAGREE:
            warnings.append((MODERATE, "the methods disagree"))
            overlap_text = f"the hottest fifths of {first} and {second} overlap by {percent(least)}"
            sentences.append(f"{methods} disagree: {overlap_text}.")
        else:
            sentences.append(f"{methods} agree." if least >= AGREE else f"{methods} agree in part.")
    return " ".join(sentences), warnings


def _limitation(name: NameStatus, place: HeatPlace) -> str:
    """Return a sentence on what the heatmap cannot show."""
    if place == "off the target":
        return "A heatmap cannot show whether the prediction needs the surroundings: crop them away and try again."
    if place == "on the target" and name == "wrong":
        return "The heat is in the right place, but a heatmap cannot show which features misled the model."
    return "A heatmap shows where the evidence lies, not which features the model recognised."
