"""The record of one photo of a study, as JSON: predictions, pictures, metrics and verdict."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import save_picture
from camcore.drawing.overlay import draw_overlay
from camcore.explainer import Explainer
from camcore.images.decoded_photo import DAMAGE_NOTES
from camcore.images.preprocess import View
from camcore.methods.explanations import finished
from camcore.methods.grad_cam import ALL_METHODS, METHODS
from camcore.metrics.assessment import assess, locate_heat
from camcore.metrics.baselines import Baseline
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.evidence import CrossChecks, TargetEvidence, TrueClass
from camcore.metrics.faithfulness import Faithfulness
from camcore.metrics.localisation import Target, visible_boxes
from camcore.metrics.prediction_verdict import NameStatus
from camcore.model.manifest import sha256
from camcore.records import counterfactuals_record, explanation_record
from camcore.results import Explanation, ForwardPass, Prediction
from camcore.study.file_names import PICTURES
from camcore.study.inputs.load import StudyItem
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.species import GroundTruth
from camcore.study.settings import StudySettings
from camcore.types import Box, Floats


def identify(item: StudyItem) -> dict[str, Any]:
    """Return the first fields of a photo's record; `sha256` is "" if the file cannot be read."""
    photo = item.photo
    try:
        digest = sha256(photo.path)
    except OSError:
        digest = ""
    names = {"file": photo.file, "species": photo.species, "site": item.site, "stem": photo.stem}
    return {**names, "sha256": digest, "error": None}


def make_record(
    explainer: Explainer, item: StudyItem, view: View, settings: StudySettings, out: Path
) -> dict[str, Any]:
    """Explain the most probable class of a photo, write the pictures into `out`, and return the record.

    `view` is what the model sees of the photo. Raise OutputError if a picture cannot be written.
    """
    start = time.perf_counter()
    forward_pass = explainer.forward(view)
    explanations = finished(explainer.stream(forward_pass, settings.options), ALL_METHODS)
    target = Target.of_boxes(item.boxes) if item.boxes else None
    checks = explainer.cross_check(forward_pass, explanations, target=target)
    record = findings(explainer, item, settings, forward_pass, explanations, checks=checks)
    record["seconds"] = time.perf_counter() - start
    draw(explainer, item.photo, forward_pass.view, explanations, record, checks=checks, out=out)
    return record


def findings(
    explainer: Explainer,
    item: StudyItem,
    settings: StudySettings,
    forward_pass: ForwardPass,
    explanations: Sequence[Explanation],
    *,
    checks: CrossChecks,
) -> dict[str, Any]:
    """Return the record of a photo, without its `seconds`, from its explanations, which are all of one class.

    `checks` is what `Explainer.cross_check` returned for them.
    """
    view, truth = forward_pass.view, item.truth
    predictions = explainer.predict(forward_pass)
    evidence = locate_heat(item.boxes, view, explanations, settings.target_word)
    true_class = TrueClass(truth.title, _true_prediction(truth, forward_pass)) if truth.is_known else None
    not_found = settings.target_word if item.boxes is not None else ""
    verdict, agreement = assess(predictions[0], explanations, evidence, true_class, checks=checks, not_found=not_found)
    return {
        "predictions": [asdict(prediction) for prediction in predictions],
        "truth": _truth_record(truth, forward_pass, verdict.name),
        "view": _view_record(item.photo, view),
        "whole": asdict(checks.whole) if checks.whole else None,
        "target": _target_record(item.boxes or (), view, evidence) if evidence else None,
        "unmarked": None if item.boxes else "not marked" if item.boxes is None else "none found",
        **_metric_records(explainer, item, forward_pass, explanations, evidence),
        "counterfactuals": _counterfactuals_record(item.photo, checks.counterfactuals),
        "agreement": {"methods": [explanation.method for explanation in explanations], **asdict(agreement)},
        "sanity": explainer.sanity(forward_pass) if settings.sanity else None,
        "adcc": _adcc_record(explainer, forward_pass, explanations) if settings.adcc else None,
        "verdict": asdict(verdict),
    }


def draw(
    explainer: Explainer,
    photo: StudyPhoto,
    view: View,
    explanations: Sequence[Explanation],
    record: Mapping[str, Any],
    *,
    checks: CrossChecks,
    out: Path,
) -> None:
    """Write the pictures that a record names, and the comparison; raise OutputError if one cannot be written."""
    overlays = [draw_overlay(view.image, explanation.heatmap) for explanation in explanations]
    source = source_line(photo.file, explainer.manifest, explanations)
    boxes, verdict = record["target"]["boxes"] if record["target"] else (), record["verdict"]["sentence"]
    comparison = draw_comparison(view.image, explanations, source, overlays=overlays, boxes=boxes, verdict=verdict)
    save_picture(out / record["view"]["picture"], view.image)
    save_picture(out / _picture(photo, "compare"), comparison)
    if checks.counterfactuals is not None:
        strip = np.concatenate([answer.pixels for answer in checks.counterfactuals.answers], axis=1)
        save_picture(out / record["counterfactuals"]["picture"], strip)
    for entry, overlay in zip(record["explanations"], overlays, strict=True):
        save_picture(out / entry["picture"], overlay)


def _view_record(photo: StudyPhoto, view: View) -> dict[str, Any]:
    return {
        "picture": _picture(photo, "view"),
        "size": list(view.image.size),
        "photo_size": list(view.photo_size),
        "share": view.share,
        "of_box": view.of_box,
        "damage": DAMAGE_NOTES[view.damage] if view.damage else None,
    }


def _metric_records(
    explainer: Explainer,
    item: StudyItem,
    forward_pass: ForwardPass,
    explanations: Sequence[Explanation],
    evidence: TargetEvidence | None,
) -> dict[str, list[dict[str, Any]]]:
    """Return the records of the explanations and of the baselines, with their metrics."""
    exact, baselines = any(entry.effort == "exact" for entry in explanations), explainer.baselines(explanations)
    others = [baseline.heatmaps[0] for baseline in baselines]
    measured = iter(explainer.faithfulness(forward_pass, explanations, others=others, exact=exact))
    coverage = Target.of_boxes(item.boxes).coverage(forward_pass.view) if item.boxes else None
    return {
        "explanations": [_explanation_record(item.photo, entry, next(measured), evidence) for entry in explanations],
        "baselines": [_baseline_record(baseline, next(measured), coverage) for baseline in baselines],
    }


def _explanation_record(
    photo: StudyPhoto, explanation: Explanation, faithfulness: Faithfulness | None, evidence: TargetEvidence | None
) -> dict[str, Any]:
    localisation = evidence.localisations[explanation.method] if evidence else None
    return {
        **explanation_record(explanation),
        "picture": _picture(photo, METHODS[explanation.method].file_name),
        "faithfulness": asdict(faithfulness) if faithfulness else None,
        "localisation": asdict(localisation) if localisation else None,
    }


def _adcc_record(
    explainer: Explainer, forward_pass: ForwardPass, explanations: Sequence[Explanation]
) -> dict[str, float]:
    values = explainer.adcc(forward_pass, explanations)
    return {explanation.method: value for explanation, value in zip(explanations, values, strict=True)}


def _baseline_record(baseline: Baseline, faithfulness: Faithfulness | None, coverage: Floats | None) -> dict[str, Any]:
    return {
        "method": baseline.name,
        "faithfulness": asdict(faithfulness) if faithfulness else None,
        "localisation": None if coverage is None else baseline.localise(coverage),
    }


def _counterfactuals_record(photo: StudyPhoto, counterfactuals: Counterfactuals | None) -> dict[str, Any] | None:
    if counterfactuals is None:
        return None
    return {**counterfactuals_record(counterfactuals), "picture": _picture(photo, "again")}


def _target_record(boxes: Sequence[Box], view: View, evidence: TargetEvidence) -> dict[str, Any]:
    """Return the record of the target, with its boxes as fractions of the view and without boxes outside it."""
    return {
        "boxes": visible_boxes(boxes, view),
        "share": evidence.share,
        "cut_off": evidence.cut_off,
        "word": evidence.word,
    }


def _true_prediction(truth: GroundTruth, forward_pass: ForwardPass) -> Prediction | None:
    if truth.class_idx is None:
        return None
    return Prediction(truth.class_idx, truth.class_name, float(forward_pass.probabilities[truth.class_idx]))


def _truth_record(truth: GroundTruth, forward_pass: ForwardPass, status: NameStatus) -> dict[str, Any]:
    """Return what the photo shows, and the rank of that class among the predictions: 1 is the most probable."""
    logits, class_idx = forward_pass.logits, truth.class_idx
    return {
        "title": truth.title,
        "scientific_name": truth.species.scientific_name if truth.species else "",
        "status": status,
        "class_idx": class_idx,
        "name": None if class_idx is None else truth.class_name,
        "rank": None if class_idx is None else int((logits > logits[class_idx]).sum()) + 1,
    }


def _picture(photo: StudyPhoto, kind: str) -> str:
    return f"{PICTURES}/{photo.stem}.{kind}.png"
