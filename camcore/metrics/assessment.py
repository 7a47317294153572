"""What the explanations of one photo amount to: where they lie, how far they agree, and the verdict."""

from collections.abc import Sequence

from camcore.images.preprocess import View
from camcore.metrics.agreement import Agreement, agreement
from camcore.metrics.localisation import Box, Target, localise
from camcore.metrics.verdict import TargetEvidence, TrueClass, Verdict, write_verdict
from camcore.results import Explanation, Prediction


def locate_heat(
    boxes: Sequence[Box] | None, view: View, explanations: Sequence[Explanation], word: str
) -> TargetEvidence | None:
    """The target that boxes mark, in the view, and where each explanation's heat lies; None without a box.

    `word` is what to call the target. Raises BoxesError if a box is none.
    """
    if not boxes:
        return None
    target = Target.of_boxes(boxes)
    coverage = target.coverage(view)
    found = {explanation.method: localise(explanation.heatmap, coverage) for explanation in explanations}
    return TargetEvidence(word, float(coverage.mean()), target.cut_off(view), found)


def assess(
    top_prediction: Prediction,
    explanations: Sequence[Explanation],
    target_evidence: TargetEvidence | None = None,
    truth: TrueClass | None = None,
) -> tuple[Verdict, Agreement]:
    """The verdict on one photo, and how far its explanations, all of one class, agree.

    `called` is the model's first choice, which may be another class than the explained one.
    """
    agreed = agreement([explanation.heatmap for explanation in explanations])
    shows = {explanation.method: explanation.shows_a_place for explanation in explanations}
    asked = Prediction(explanations[0].class_idx, explanations[0].name, explanations[0].probability)
    return write_verdict(top_prediction, truth, target_evidence, shows, agreed, asked=asked), agreed
