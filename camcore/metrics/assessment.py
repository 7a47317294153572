"""Assessment of the explanations of one photo: position of the heat, agreement and verdict."""

from collections.abc import Sequence

from camcore.images.preprocess import View
from camcore.methods.method_table import METHODS, MethodName
from camcore.metrics.agreement import Agreement, agreement
from camcore.metrics.evidence import NO_CHECKS, CrossChecks, TargetEvidence, TrueClass
from camcore.metrics.localisation import Target, localise
from camcore.metrics.verdict import Verdict, write_verdict
from camcore.results import Explanation, Prediction
from camcore.types import Box


def locate_heat(
    boxes: Sequence[Box] | None, view: View, explanations: Sequence[Explanation], word: str
) -> TargetEvidence | None:
    """Measure how much of each explanation's heat lies on the target that boxes mark; None without a box.

    `word` is a noun for the target, such as "animal". Raise BoxesError if a box is invalid.
    """
    if not boxes:
        return None
    target = Target.of_boxes(boxes)
    coverage = target.coverage(view)
    localisations = {explanation.method: localise(explanation.heatmap, coverage) for explanation in explanations}
    return TargetEvidence(word, float(coverage.mean()), target.cut_off(view), localisations)


def assess(
    top_prediction: Prediction,
    explanations: Sequence[Explanation],
    target_evidence: TargetEvidence | None = None,
    truth: TrueClass | None = None,
    *,
    checks: CrossChecks = NO_CHECKS,
    not_found: str = "",
) -> tuple[Verdict, Agreement]:
    """Return the verdict on one photo, and the agreement of its explanations, which are of one class.

    `checks` is what `Explainer.cross_check` returns. The other arguments are those of `write_verdict`.
    """
    compared = agreement([explanation.heatmap for explanation in explanations])
    shows_place = {explanation.method: explanation.shows_a_place for explanation in explanations}
    explained = Prediction(explanations[0].class_idx, explanations[0].name, explanations[0].probability)
    verdict = write_verdict(
        top_prediction, truth, target_evidence, shows_place, compared,
        explained=explained, checks=checks, not_found=not_found,
    )  # fmt: skip
    return verdict, compared


def overlap_with(explanations: Sequence[Explanation], others: Sequence[Explanation]) -> dict[MethodName, float]:
    """Return the overlap of the hottest fifths of each method's two maps, where both show a place.

    The maps are of two classes, so methods that know no class are left out.
    """
    overlaps = {}
    heatmaps = {explanation.method: explanation.heatmap for explanation in others}
    for explanation in explanations:
        if explanation.method in heatmaps and METHODS[explanation.method].knows_class:
            overlap = agreement([explanation.heatmap, heatmaps[explanation.method]]).overlap[0][1]
            if overlap is not None:
                overlaps[explanation.method] = overlap
    return overlaps
