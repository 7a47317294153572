"""The verdict: the metrics of one photo in words, with every rule and every threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Literal

from camcore.formatting import percent
from camcore.methods.method_table import METHODS, MethodName
from camcore.metrics.agreement import Agreement
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.evidence import NO_CHECKS, CrossChecks, TargetEvidence, TrueClass
from camcore.metrics.prediction_verdict import (
    NameStatus,
    Warnings,
    compare_with_first_choice,
    judge_name,
    judge_needs,
    judge_view,
)
from camcore.metrics.thresholds import AGREE, CUT_OFF, DISAGREE, FILLS, MINOR, MODERATE, OFF, ON, SEVERE
from camcore.results import Prediction

HeatPlace = Literal["on the target", "off the target", "in between", "unknown"]
State = Literal["look again", "on the target", "not judged"]


@dataclass(frozen=True)
class Verdict:
    """The verdict on one photo."""

    sentence: str  # one or more sentences that state what was measured
    name: NameStatus  # whether the prediction equals the label
    place: HeatPlace  # position of the heat
    warnings: tuple[str, ...]  # reasons to check the photo, the most severe first
    severity: int  # sum over the warnings; 0 without a warning
    state: State  # "look again" with warnings; "not judged" without, if the place of the heat is unknown
    summary: str  # the state with its reasons: "not judged: no box"


def write_verdict(
    top_prediction: Prediction,
    truth: TrueClass | None,
    target_evidence: TargetEvidence | None,
    shows_place: Mapping[MethodName, bool],
    agreement: Agreement,
    *,
    explained: Prediction | None = None,
    checks: CrossChecks = NO_CHECKS,
    not_found: str = "",
) -> Verdict:
    """Return the verdict on one photo.

    `truth` is its label, and `target_evidence` the position of the heat, if any. `shows_place` has an entry per heatmap
    in the order of `agreement`. `explained` is the class that the heatmaps explain; None for the most probable class.
    `not_found` is the noun of a target that a detector did not find in the photo.
    """
    name, name_text, name_warnings = judge_name(top_prediction, truth, checks.also)
    if explained is not None and explained.class_idx != top_prediction.class_idx:
        name_text += f" The maps explain {explained.name} ({percent(explained.probability)}) instead."
        name_text += compare_with_first_choice(top_prediction, explained, checks.overlaps)
    view_text, view_warnings = judge_view(top_prediction, checks)
    place, place_text, place_warnings = _judge_place(target_evidence, any(shows_place.values()), not_found)
    word = target_evidence.word if target_evidence else not_found or "animal"
    needs_text, needs_warnings = judge_needs(checks.counterfactuals, word)
    agreement_text, agreement_warnings = _judge_agreement(shows_place, agreement)
    limitation = _limitation(name, place, checks.counterfactuals)
    sentence = " ".join(filter(None, (name_text, view_text, place_text, needs_text, agreement_text, limitation)))
    weighted = (*name_warnings, *view_warnings, *place_warnings, *needs_warnings, *agreement_warnings)
    warnings = tuple(text for _, text in sorted(weighted, key=lambda warning: -warning[0]))
    severity = sum(severity for severity, _ in weighted)
    return Verdict(sentence, name, place, warnings, severity, *_state(place, warnings, target_evidence, not_found))


def _judge_place(
    target_evidence: TargetEvidence | None, any_place: bool, not_found: str
) -> tuple[HeatPlace, str, Warnings]:
    if not any_place:
        text = "No map highlights any part of the photo."
        return "unknown", text, [(MODERATE, "no map highlights any part of the photo")]
    if target_evidence is None:
        reason = f"no {not_found} was found in the photo" if not_found else "there is no box"
        return "unknown", f"Whether the heat is in the right place was not judged: {reason}.", []
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


def _state(
    place: HeatPlace, warnings: Sequence[str], target_evidence: TargetEvidence | None, not_found: str
) -> tuple[State, str]:
    """Return the state of a photo, and its summary."""
    if warnings:
        return "look again", f"look again: {'; '.join(warnings)}"
    if target_evidence is None:
        return "not judged", f"not judged: {f'no {not_found} found' if not_found else 'no box'}"
    if place == "on the target":
        return "on the target", f"on the {target_evidence.word}"
    return "not judged", f"not judged: the {target_evidence.word} fills the view"


def _limitation(name: NameStatus, place: HeatPlace, counterfactuals: Counterfactuals | None) -> str:
    """Return a sentence on what the heatmap cannot show."""
    if place == "off the target" and counterfactuals is None:
        return "A heatmap cannot show whether the prediction needs the surroundings: crop them away and try again."
    if place == "on the target" and name == "wrong":
        return "The heat is in the right place, but a heatmap cannot show which features misled the model."
    return "A heatmap shows where the evidence lies, not which features the model recognised."
