"""JSON record of one photo, for `explain --json`, endpoints and studies; a number that does not exist is None."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NotRequired, TypedDict, cast

from camcore.explainer import Explainer
from camcore.images.decoded_photo import DAMAGE_NOTES, Damage
from camcore.methods.method_table import MethodName
from camcore.metrics.assessment import assess, locate_heat
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.heat_place import describe_place
from camcore.metrics.localisation import Target
from camcore.model.manifest import Manifest
from camcore.results import Explanation, ForwardPass, Prediction
from camcore.types import Box

_NOT_JSON = ("heatmap", "cam", "complete", "contrast_class")


class PredictionRecord(TypedDict):
    """A class and its probability, in [0, 1]."""

    class_idx: int
    name: str
    probability: float


class ExplanationRecord(TypedDict):
    """One explanation, whose fields `camcore.Explanation` documents, and two fields on its heatmap.

    `hottest` is the place of the hottest point in words, `map` is the path of the heatmap's file, and `layer` is the
    explained layer if there are several.
    """

    method: str
    class_idx: int
    name: str
    probability: float
    definition: str | None
    peak: float
    forwards: int | None
    channels: int | None
    channels_alive: int | None
    effort: str | int | None
    precision: str | None
    fidelity_estimate: float | None
    seconds: float
    hottest: str
    map: str | None
    rather_than: NotRequired[PredictionRecord]
    layer: NotRequired[str]


class AnswerRecord(TypedDict):
    """The model's answer to a changed input, whose fields `camcore.metrics.counterfactuals.Answer` documents."""

    part: str
    filling: str | None
    first_choice: PredictionRecord
    probability: float
    rank: int
    holds: bool


class CounterfactualsRecord(TypedDict):
    """What the model answered to parts of a photo, as `camcore.metrics.counterfactuals.Counterfactuals` documents."""

    finding: str
    marked_by: str
    share: float
    log_ratio: float
    explained: PredictionRecord
    answers: list[AnswerRecord]


class PhotoRecord(TypedDict):
    """Predictions and explanations of one photo.

    `damage` says what is wrong with its file, if anything, and `seconds` is the time from the decoded photo to all
    maps. `sanity`, `caution` and `method_notes` are those of `TrustRecord`, and `verdict`, `target` (the position of
    the heat in boxes) and `counterfactuals` those of `evidence_record`.
    """

    file: str | None
    model: str
    weights: str
    damage: str | None
    seconds: float
    predictions: list[PredictionRecord]
    explanations: list[ExplanationRecord]
    sanity: NotRequired[Mapping[MethodName, float | None]]
    caution: NotRequired[str]
    method_notes: NotRequired[list[str]]
    verdict: NotRequired[dict[str, Any]]
    target: NotRequired[dict[str, Any] | None]
    counterfactuals: NotRequired[CounterfactualsRecord | None]


class EvidenceRecord(TypedDict):
    """The verdict on one photo, and what it is made from."""

    verdict: dict[str, Any]
    target: dict[str, Any] | None
    counterfactuals: CounterfactualsRecord | None


class FailureRecord(TypedDict):
    """A photo that could not be explained, and the reason."""

    file: str
    error: str


def photo_record(
    file: str | None,
    manifest: Manifest,
    seconds: float,
    predictions: Sequence[Prediction],
    explanations: Sequence[Explanation] = (),
    *,
    damage: Damage | None = None,
    maps: Mapping[MethodName, str] | None = None,
) -> PhotoRecord:
    """Return the record of one photo; `maps` holds the paths of the heatmaps that were saved."""
    return {
        "file": file,
        "model": manifest.model,
        "weights": manifest.weights,
        "damage": DAMAGE_NOTES[damage] if damage else None,
        "seconds": seconds,
        "predictions": [cast(PredictionRecord, asdict(prediction)) for prediction in predictions],
        "explanations": [
            cast(ExplanationRecord, {**explanation_record(explanation), "map": (maps or {}).get(explanation.method)})
            for explanation in explanations
        ],
    }


def explanation_record(explanation: Explanation) -> dict[str, Any]:
    """Return the record of one explanation, without its heatmap."""
    record = {key: value for key, value in vars(explanation).items() if key not in _NOT_JSON}
    record["hottest"] = describe_place(explanation.heatmap)
    if explanation.contrast_class is not None:
        record["rather_than"] = asdict(explanation.contrast_class)
    return record


def evidence_record(
    explainer: Explainer,
    forward_pass: ForwardPass,
    explanations: Sequence[Explanation],
    boxes: Sequence[Box],
    word: str,
) -> EvidenceRecord:
    """Return the verdict on explanations of one class, in which boxes mark the target; `word` is a noun for that.

    The model is asked again, see `Explainer.cross_check`.
    """
    target = Target.of_boxes(boxes) if boxes else None
    checks = explainer.cross_check(forward_pass, explanations, target=target)
    evidence = locate_heat(boxes, forward_pass.view, explanations, word)
    verdict, _ = assess(explainer.predict(forward_pass, 1)[0], explanations, evidence, checks=checks)
    results = checks.counterfactuals
    return {
        "verdict": asdict(verdict),
        "target": asdict(evidence) if evidence else None,
        "counterfactuals": counterfactuals_record(results) if results else None,
    }


def counterfactuals_record(counterfactuals: Counterfactuals) -> CounterfactualsRecord:
    """Return the record of counterfactuals, without the pictures."""
    return {
        "finding": counterfactuals.finding,
        "marked_by": counterfactuals.marked_by,
        "share": counterfactuals.share,
        "log_ratio": counterfactuals.log_ratio,
        "explained": cast(PredictionRecord, asdict(counterfactuals.explained)),
        "answers": [
            {
                "part": answer.part,
                "filling": answer.filling,
                "first_choice": cast(PredictionRecord, asdict(answer.first_choice)),
                "probability": answer.probability,
                "rank": answer.rank,
                "holds": answer.holds,
            }
            for answer in counterfactuals.answers
        ],
    }
