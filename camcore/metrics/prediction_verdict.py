"""The part of the verdict on the prediction: the name, what the model saw, what it needs, and maps of another class."""

from collections.abc import Mapping, Sequence
from typing import Literal

from camcore.formatting import percent
from camcore.images.decoded_photo import DAMAGE_NOTES
from camcore.methods.method_table import METHODS, MethodName
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.evidence import CrossChecks, TrueClass
from camcore.metrics.thresholds import AGREE, MINOR, MODERATE, SEES_ALL, SEVERE, UNSURE
from camcore.results import Prediction

NameStatus = Literal["right", "wrong", "no such class", "not told"]
Warnings = list[tuple[int, str]]  # severity and text of each warning


def judge_name(
    top_prediction: Prediction, truth: TrueClass | None, also: Sequence[Prediction] | None
) -> tuple[NameStatus, str, Warnings]:
    """Return whether the prediction equals the label, the sentence that says so, and warnings."""
    predicted = _predicted(top_prediction, also)
    warnings = [(MINOR, "the prediction is uncertain")] if top_prediction.probability < UNSURE else []
    if truth is None:
        return "not told", f"{predicted}.", warnings
    if truth.prediction is None:
        return "no such class", f"{predicted}; the model has no class for {truth.title}.", warnings
    holds = truth.prediction.class_idx == top_prediction.class_idx
    if also is not None:
        holds = truth.prediction.probability >= UNSURE
    if holds:
        return "right", f"{predicted}, as labelled.", warnings
    label = f"{truth.prediction.name} ({percent(truth.prediction.probability)})"
    warnings.insert(0, (SEVERE, "the prediction differs from the label"))
    return "wrong", f"{predicted}; the label is {label}.", warnings


def _predicted(top_prediction: Prediction, also: Sequence[Prediction] | None) -> str:
    """Return the predicted class, or in a multi-label model all classes that it holds for right."""
    if also is not None and top_prediction.probability < UNSURE:
        name = f"{top_prediction.name} ({percent(top_prediction.probability)})"
        return f"No class reaches {percent(UNSURE)}; the most probable is {name}"
    names = [f"{prediction.name} ({percent(prediction.probability)})" for prediction in (top_prediction, *(also or ()))]
    return f"Predicted {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}"


def judge_view(top_prediction: Prediction, checks: CrossChecks) -> tuple[str, Warnings]:
    """Return the sentences on what the model saw of the photo, and what it predicts for the whole, with warnings."""
    text, warnings = _judge_crop(top_prediction, checks)
    if checks.source == "box":
        text, warnings = f"The model saw the box of the animal only, {percent(checks.seen)} of the photo.", []
    elif checks.source == "photo without box":
        text = f"The model was trained on boxes of animals, but was not shown one. {text}"
    if checks.damage is not None:
        text = f"The photo is {DAMAGE_NOTES[checks.damage]}. {text}"
    if checks.damage == "overwritten":
        warnings = [*warnings, (MODERATE, "the photo is partly damaged")]
    return text.strip(), warnings


def _judge_crop(top_prediction: Prediction, checks: CrossChecks) -> tuple[str, Warnings]:
    if checks.seen >= SEES_ALL:
        return "", []
    seen = f"The model saw the middle {percent(checks.seen)} of the photo"
    if checks.whole is None:
        return f"{seen}.", []
    probability = percent(checks.whole.probability)
    if checks.whole.class_idx == top_prediction.class_idx:
        return f"{seen}, and predicts the same for the whole photo ({probability}).", []
    warning = f"for the whole photo, the model predicts {checks.whole.name}"
    return f"{seen}. For the whole photo, it predicts {checks.whole.name} ({probability}).", [(MODERATE, warning)]


def judge_needs(counterfactuals: Counterfactuals | None, word: str) -> tuple[str, Warnings]:
    """Return a sentence on which part of the photo the prediction needs, by the model's own answers, and a warning.

    `word` is the noun for the target. Without a target, the hottest fifth of the Score-CAM map was tested, and the
    result says something about the map: there is no warning.
    """
    if counterfactuals is None:
        return "", []
    finding, marked = counterfactuals.finding, counterfactuals.marked_by == "target"
    place = f"the {word}" if marked else "the hottest fifth of the Score-CAM map"
    name = counterfactuals.explained.name
    keeps = f"still predicts {name}" if counterfactuals.is_first_choice else f"still ranks {name} as high"
    warnings: Warnings = []
    if finding == "needs the target":
        text = f"Shown only {place}, the model {keeps}, and without it not: the prediction needs {place}."
    elif finding == "relies on the background":
        needed = "the background" if marked else "other places"
        text = f"Without {place}, the model {keeps}, and shown only that not: the prediction needs {needed}."
        warnings = [(SEVERE, f"the prediction needs the background, not the {word}")]
    elif finding == "either suffices":
        text = f"The model {keeps} when shown only {place}, and also without it: either suffices."
        warnings = [(MODERATE, f"the prediction holds without the {word}")]
    elif finding == "needs both":
        text = f"Shown only {place}, or only the rest, the model no longer answers {name}: the prediction needs both."
        warnings = [(MINOR, f"the {word} alone does not suffice")]
    else:
        reason = "the answer depends on how the hidden part is filled"
        if counterfactuals.small_target:
            reason = f"neither is enough, and {place} is too small for this test"
        text = f"Whether the prediction needs {place} or the rest is not decided: {reason}."
    return text, warnings if marked else []


def compare_with_first_choice(
    top_prediction: Prediction, explained: Prediction, overlaps: Mapping[MethodName, float]
) -> str:
    """Return a sentence on whether the maps of two classes differ: an absurd class may have a convincing map."""
    if not overlaps:
        return ""
    values = ", ".join(f"{percent(overlap)} in {METHODS[method].title}" for method, overlap in overlaps.items())
    if min(overlaps.values()) >= AGREE:
        same = f"For {explained.name}, the same places are hot as for {top_prediction.name}"
        return f" {same} (the hottest fifths overlap by {values}): the place does not tell the two apart."
    both = f"The hottest fifths of the maps for {explained.name} and for {top_prediction.name}"
    return f" {both} overlap by {values}."
