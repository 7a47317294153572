"""One photo of a study, from its file to its record: predictions, pictures, figures and verdict, as JSON."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import save_picture
from camcore.drawing.overlay import draw_overlay
from camcore.explainer import Explainer
from camcore.images.photo import open_photo
from camcore.images.preprocess import View
from camcore.methods.explanations import finished
from camcore.methods.grad_cam import ALL_METHODS, METHODS
from camcore.metrics import verdict
from camcore.metrics.assessment import assess, locate_heat
from camcore.metrics.localisation import Box, in_view
from camcore.options import ExplainOptions
from camcore.records import explanation_record
from camcore.results import Explanation, ForwardPass, Prediction
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.species import GroundTruth

PICTURES = "explanations"


@dataclass(frozen=True)
class StudySettings:
    """How each photo of a study is explained.

    Attributes:
        options: of the explanations; the class is the model's first choice.
        target_word: what to call what the boxes mark, such as "animal".
        sanity: whether to compare the gradient methods with an untrained classifier.
    """

    options: ExplainOptions = field(default_factory=ExplainOptions)
    target_word: str = "animal"
    sanity: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the settings under the names that the command line has for them."""
        options = self.options
        return {
            "definition": options.definition,
            "effort": options.effort,
            "fit": options.resize_mode,
            "word": self.target_word,
            "sanity": self.sanity,
        }


@dataclass(frozen=True)
class StudyItem:
    """A photo, with what is known of it: its boxes, None if nobody marked any, and what it shows."""

    photo: StudyPhoto
    boxes: Sequence[Box] | None
    truth: GroundTruth


def make_record(explainer: Explainer, subject: StudyItem, settings: StudySettings, out: Path) -> dict[str, Any]:
    """Explain the model's first choice for a photo, write its pictures into `out`, and return its record.

    Raises:
        CamError: if the photo cannot be read, or a picture not be written.
    """
    start = time.perf_counter()
    forward_pass = explainer.forward(open_photo(subject.photo.path), settings.options.resize_mode)
    explanations = finished(explainer.stream(forward_pass, settings.options), ALL_METHODS)
    record = findings(explainer, subject, settings, forward_pass, explanations)
    record["seconds"] = time.perf_counter() - start
    draw(explainer, subject.photo, forward_pass.view, explanations, out)
    return record


def findings(
    explainer: Explainer,
    subject: StudyItem,
    settings: StudySettings,
    forward_pass: ForwardPass,
    explanations: Sequence[Explanation],
) -> dict[str, Any]:
    """The record of a photo whose explanations, of one class, are there: all but the seconds."""
    predictions = explainer.predict(forward_pass)
    target_evidence = locate_heat(subject.boxes, forward_pass.view, explanations, settings.target_word)
    truth = _truth(subject.truth, explainer, forward_pass)
    judged, agreed = assess(predictions[0], explanations, target_evidence, truth)
    return {
        "predictions": [asdict(prediction) for prediction in predictions],
        "truth": _truth_record(subject.truth, truth, forward_pass, judged.name),
        "view": {"picture": _picture(subject.photo, "view"), "size": list(forward_pass.view.image.size)},
        "target": _target_record(subject.boxes or (), forward_pass.view, target_evidence),
        "unmarked": None if subject.boxes else "not marked" if subject.boxes is None else "none found",
        "explanations": _explanation_records(explainer, subject.photo, forward_pass, explanations, target_evidence),
        "agreement": {"methods": [explanation.method for explanation in explanations], **asdict(agreed)},
        "sanity": explainer.sanity(forward_pass) if settings.sanity else None,
        "verdict": asdict(judged),
    }


def _explanation_records(
    explainer: Explainer,
    photo: StudyPhoto,
    forward_pass: ForwardPass,
    explanations: Sequence[Explanation],
    target_evidence: verdict.TargetEvidence | None,
) -> list[dict[str, Any]]:
    exact = any(explanation.effort == "exact" for explanation in explanations)
    faithful = explainer.faithfulness(forward_pass, explanations, exact=exact)
    records = []
    for explanation, figures in zip(explanations, faithful, strict=True):
        found = target_evidence.localisations[explanation.method] if target_evidence else None
        records.append(
            {
                **explanation_record(explanation),
                "picture": _picture(photo, METHODS[explanation.method].file_name),
                "faithfulness": asdict(figures) if figures else None,
                "localisation": asdict(found) if found else None,
            }
        )
    return records


def _target_record(
    boxes: Sequence[Box], view: View, target_evidence: verdict.TargetEvidence | None
) -> dict[str, Any] | None:
    """The boxes as fractions of the view, those outside it left out."""
    if target_evidence is None:
        return None
    seen = [box for box in (in_view(box, view) for box in boxes) if box is not None]
    return {
        "boxes": seen,
        "share": target_evidence.share,
        "cut_off": target_evidence.cut_off,
        "word": target_evidence.word,
    }


def _truth(known: GroundTruth, explainer: Explainer, forward_pass: ForwardPass) -> verdict.TrueClass | None:
    if not known.told:
        return None
    if known.class_idx is None:
        return verdict.TrueClass(known.title, None)
    label, probability = explainer.manifest.labels[known.class_idx], float(forward_pass.probabilities[known.class_idx])
    return verdict.TrueClass(known.title, Prediction(known.class_idx, label, probability))


def _truth_record(
    known: GroundTruth, truth: verdict.TrueClass | None, forward_pass: ForwardPass, status: verdict.NameStatus
) -> dict[str, Any]:
    """What the photo shows, and how high the model ranks that: 1 is its first choice."""
    right = truth.prediction if truth else None
    rank = int((forward_pass.logits > forward_pass.logits[right.class_idx]).sum()) + 1 if right else None
    return {
        "title": known.title,
        "scientific_name": known.species.scientific_name if known.species else "",
        "status": status,
        "class_idx": right.class_idx if right else None,
        "name": right.name if right else None,
        "rank": rank,
    }


def draw(explainer: Explainer, photo: StudyPhoto, view: View, explanations: Sequence[Explanation], out: Path) -> None:
    """Write the pictures that a record names, and the comparison."""
    save_picture(out / _picture(photo, "view"), view.image)
    for explanation in explanations:
        overlay = draw_overlay(view.image, explanation.heatmap)
        save_picture(out / _picture(photo, METHODS[explanation.method].file_name), overlay)
    comparison = draw_comparison(view.image, explanations, source_line(photo.file, explainer.manifest, explanations))
    save_picture(out / _picture(photo, "compare"), comparison)


def _picture(photo: StudyPhoto, what: str) -> str:
    return f"{PICTURES}/{photo.stem}.{what}.png"
