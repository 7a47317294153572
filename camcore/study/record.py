"""The record of one photo of a study, as JSON: predictions, metrics, verdict, and the names of its pictures."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from camcore.explainer import Explainer
from camcore.images.decoded_photo import DAMAGE_NOTES
from camcore.images.preprocess import View
from camcore.methods.explanations import finished
from camcore.methods.method_table import METHODS
from camcore.metrics.assessment import assess, locate_heat
from camcore.metrics.baselines import Baseline
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.evidence import CrossChecks, TargetEvidence, TrueClass
from camcore.metrics.faithfulness import Faithfulness
from camcore.metrics.localisation import Target, visible_boxes
from camcore.metrics.method_notes import method_notes
from camcore.metrics.prediction_verdict import NameStatus
from camcore.records import counterfactuals_record, explanation_record
from camcore.results import Explanation, ForwardPass, Prediction
from camcore.study.inputs.load import StudyItem
from camcore.study.inputs.species import GroundTruth
from camcore.study.photo_files import UNREADABLE, FileIdentity
from camcore.study.pictures import draw_pictures, draw_thumbnail, picture_name, thumbnail_name
from camcore.study.settings import StudySettings
from camcore.types import Box, Floats


def identify(item: StudyItem, file: FileIdentity = UNREADABLE) -> dict[str, Any]:
    """Return the first fields of a photo's record; `version` is only that of a file at an address."""
    photo = item.photo
    return {
        "file": photo.file,
        "species": photo.species,
        "site": item.site,
        "taken_at": item.taken_at,
        "stem": photo.stem,
        "sha256": file.sha256,
        **({"version": file.version} if file.version else {}),
        "error": None,
    }


def make_record(
    explainer: Explainer,
    item: StudyItem,
    view: View,
    settings: StudySettings,
    file: FileIdentity,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Explain the most probable class of a photo, and return the record and the pictures it names, by their path.

    `view` is what the model sees of the photo, and `file` identifies its file.
    """
    start, methods = time.perf_counter(), settings.run_methods
    forward_pass = explainer.forward(view)
    undefined = explainer.undefined_methods(forward_pass, methods)
    if len(undefined) < len(methods):  # else the photo fails, for the reason of the first
        methods = tuple(method for method in methods if method not in undefined)
    explanations = finished(explainer.stream(forward_pass, settings.options, methods), methods)
    target = Target.of_boxes(item.boxes) if item.boxes else None
    checks = explainer.cross_check(forward_pass, explanations, target=target)
    results = findings(explainer, item, settings, forward_pass, explanations, checks=checks)
    notes = [*(f"{reason}." for reason in undefined.values()), *results.get("method_notes", ())]
    record = identify(item, file) | results | ({"method_notes": notes} if notes else {})
    record["seconds"] = time.perf_counter() - start
    if record["thumbnail"]:
        boxes = record["target"]["boxes"] if record["target"] else ()
        return record, {record["thumbnail"]: draw_thumbnail(view, explanations[0], boxes)}
    return record, draw_pictures(record, view, explanations, explainer.manifest, checks.counterfactuals)


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
    results = _Results(explainer, item, settings, forward_pass, tuple(explanations), evidence)
    asked_again = checks.counterfactuals
    notes = method_notes(explanations, linear_head=explainer.manifest.layer.linear_head)
    return {
        "level": settings.level,
        "taken_at": item.taken_at or (view.taken_at if settings.reads_dates else ""),
        "predictions": [asdict(prediction) for prediction in predictions],
        "truth": _truth_record(truth, forward_pass, verdict.name),
        "view": results.view(),
        "whole": asdict(checks.whole) if checks.whole else None,
        "target": _target_record(item.boxes or (), view, evidence) if evidence else None,
        "unmarked": None if item.boxes else "not marked" if item.boxes is None else "none found",
        **results.metrics(),
        "counterfactuals": results.counterfactuals(asked_again) if asked_again else None,
        "agreement": {"methods": [explanation.method for explanation in explanations], **asdict(agreement)},
        **results.requested(),
        "verdict": asdict(verdict),
        "thumbnail": thumbnail_name(item.photo) if settings.level == "screen" else None,
        **({"method_notes": notes} if notes else {}),
    }


@dataclass(frozen=True)
class _Results:
    """What is recorded of a photo's explanations, which are of one class."""

    explainer: Explainer
    item: StudyItem
    settings: StudySettings
    forward_pass: ForwardPass
    explanations: tuple[Explanation, ...]
    evidence: TargetEvidence | None

    def view(self) -> dict[str, Any]:
        view = self.forward_pass.view
        return {
            "picture": self._picture("view"),
            "size": list(view.image.size),
            "photo_size": list(view.photo_size),
            "box": list(view.box),
            "share": view.share,
            "of_box": view.of_box,
            "damage": DAMAGE_NOTES[view.damage] if view.damage else None,
            "reduced": view.reduced,
        }

    def counterfactuals(self, counterfactuals: Counterfactuals) -> dict[str, Any]:
        return {**counterfactuals_record(counterfactuals), "picture": self._picture("again")}

    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """Return the records of the explanations, and at the level "full" of the baselines, with their metrics."""
        if self.settings.level == "screen":
            return {"explanations": [self._explanation(entry, None) for entry in self.explanations], "baselines": []}
        exact = any(entry.effort == "exact" for entry in self.explanations)
        baselines, boxes = self.explainer.baselines(self.explanations), self.item.boxes
        others = [baseline.heatmaps[0] for baseline in baselines]
        measured = iter(self.explainer.faithfulness(self.forward_pass, self.explanations, others=others, exact=exact))
        coverage = Target.of_boxes(boxes).coverage(self.forward_pass.view) if boxes else None
        return {
            "explanations": [self._explanation(entry, next(measured)) for entry in self.explanations],
            "baselines": [_baseline_record(baseline, next(measured), coverage) for baseline in baselines],
        }

    def requested(self) -> dict[str, Any]:
        """Return the metrics that are measured on request, and at the level "full" only."""
        settings, class_idx = self.settings, self.explanations[0].class_idx
        measures_sanity = settings.measures_sanity(self.explainer.manifest.layer)
        methods = [explanation.method for explanation in self.explanations]
        sanity = self.explainer.sanity(self.forward_pass, class_idx, methods) if measures_sanity else None
        measures_adcc = settings.level == "full" and settings.adcc
        values = self.explainer.adcc(self.forward_pass, self.explanations) if measures_adcc else None
        return {"sanity": sanity, "adcc": dict(zip(methods, values, strict=True)) if values else None}

    def _explanation(self, explanation: Explanation, faithfulness: Faithfulness | None) -> dict[str, Any]:
        localisation = self.evidence.localisations[explanation.method] if self.evidence else None
        saved = self.settings.save_maps and explanation.cam is not None
        return {
            **explanation_record(explanation),
            "picture": self._picture(METHODS[explanation.method].file_name),
            "faithfulness": asdict(faithfulness) if faithfulness else None,
            "localisation": asdict(localisation) if localisation else None,
            **({"cam": np.float16(explanation.cam).tolist()} if saved else {}),
        }

    def _picture(self, kind: str) -> str | None:
        return picture_name(self.item.photo, kind) if self.settings.level == "full" else None


def _baseline_record(baseline: Baseline, faithfulness: Faithfulness | None, coverage: Floats | None) -> dict[str, Any]:
    return {
        "method": baseline.name,
        "faithfulness": asdict(faithfulness) if faithfulness else None,
        "localisation": None if coverage is None else baseline.localise(coverage),
    }


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
