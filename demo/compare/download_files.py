"""Files to download for one explained photo: the comparison as a picture, and everything as an archive."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import make_folder, save_files, save_map, save_parts, save_picture, save_text, to_json
from camcore.drawing.overlay import ColourMap, draw_overlay
from camcore.explainer import Explainer
from camcore.methods.method_table import METHODS
from camcore.metrics.localisation import visible_boxes
from camcore.report.html import write_photo_report
from camcore.report.metrics_csv import csv_lines
from camcore.study.description import describe_photo
from camcore.study.file_names import METRICS, PICTURES, REPORT
from camcore.study.inputs.load import StudyItem
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.species import GroundTruth
from camcore.study.photo_files import file_identity
from camcore.study.pictures import draw_pictures
from camcore.study.record import findings, identify
from camcore.study.settings import StudySettings
from camcore.types import Box
from demo.compare.explain import assess_finished
from demo.compare.session import FinishedExplanation
from demo.service import messages
from demo.service.models import Models

_MAX_STEM_CHARS = 60  # with a suffix it still fits any file system


@dataclass(frozen=True)
class DownloadSource:
    """What files are made from: an explanation, the boxes on its photo, its settings, and how pictures are drawn."""

    explainer: Explainer
    model: str
    finished: FinishedExplanation
    boxes: Sequence[Box]
    photo: StudyPhoto
    settings: StudySettings
    colour_map: ColourMap
    opacity: float


def download_source(
    models: Models, finished: FinishedExplanation, boxes: Sequence[Box], colour_map: ColourMap, opacity: float
) -> DownloadSource:
    """Return what the files of a finished explanation are made from."""
    path, model = Path(finished.request.path or ""), finished.request.model or models.first
    file = file_name(path.name)
    photo = StudyPhoto(path, file, "", Path(file).stem)
    settings = StudySettings(finished.request.options, messages.TARGET, methods=finished.request.methods)
    return DownloadSource(models.explainer(model), model, finished, boxes, photo, settings, colour_map, opacity)


def comparison(source: DownloadSource, folder: Path) -> Path:
    """Write `<stem>.compare.png`, the view and the overlays with boxes and verdict, into a folder and return its path.

    Raises:
        BoxesError: if a box is invalid.
        OutputError: if it cannot be written.
    """
    explanations, view = source.finished.explanations, source.finished.forward_pass.view
    caption = source_line(source.photo.file, source.explainer.manifest, explanations)
    verdict, _ = assess_finished(source.finished, source.boxes)
    picture = draw_comparison(
        view.image, explanations, caption, opacity=source.opacity, colour_map=source.colour_map,
        boxes=visible_boxes(source.boxes, view), verdict=f"{verdict} {source.finished.caution}",
    )  # fmt: skip
    path = folder / f"{source.photo.stem}.compare.png"
    save_picture(path, picture)
    return path


def bundle(source: DownloadSource, folder: Path) -> Path:
    """Write `<stem>.zip`, with report, record, metrics, pictures and heatmaps, into a folder and return its path.

    The colours and opacity of `source` are for the pictures. The report has its own, which its scale explains.

    Raises:
        BoxesError: if a box is invalid.
        OutputError: if it cannot be written.
    """
    with TemporaryDirectory() as directory:
        out = Path(directory)
        make_folder(out / PICTURES)
        record, details = _record(source), _describe(source)
        finished = source.finished
        view, checks = finished.forward_pass.view, finished.checks
        manifest, asked_again = source.explainer.manifest, checks.counterfactuals
        save_files(out, draw_pictures(record, view, finished.explanations, manifest, asked_again))
        write_photo_report(out / REPORT, details, record)
        _save_maps(source, record["explanations"], out)
        comparison(source, out / PICTURES)
        pictures = {"colour_map": source.colour_map, "opacity": source.opacity}
        save_text(out / "explanation.json", to_json({**details, "pictures": pictures, "photos": [record]}, indent=1))
        save_parts(out / METRICS, csv_lines([record], details["settings"]["methods"]))
        path = folder / f"{source.photo.stem}.zip"
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for file in sorted(out.rglob("*"), key=lambda file: (len(file.parts), file)):
                if file.is_file():
                    archive.write(file, file.relative_to(out))
        return path


def file_name(path: str) -> str:
    """Return the name of an uploaded file, safe for file systems, shells and readers."""
    stem, suffix = (re.sub(r"[^\w .()-]", "_", part) for part in (Path(path).stem, Path(path).suffix))
    return (stem.strip(" .-")[:_MAX_STEM_CHARS].strip() or "photo") + suffix.replace(" ", "")[:8]


def _record(source: DownloadSource) -> dict[str, Any]:
    finished, item = source.finished, StudyItem(source.photo, source.boxes or None, GroundTruth())
    results = findings(
        source.explainer, item, source.settings, finished.forward_pass, finished.explanations, checks=finished.checks
    )
    duration = sum(explanation.seconds for explanation in finished.explanations)
    return {**identify(item, file_identity(Path(source.photo.path))), **results, "seconds": duration}


def _describe(source: DownloadSource) -> dict[str, Any]:
    explanation, options = source.finished.explanations[0], source.finished.request.options
    command = ["python", "-m", "camcore", "explain", source.photo.file]
    command += ["--class", str(explanation.class_idx), "--model", source.model, "--definition", options.definition]
    command += ["--effort", str(options.effort), *(["--fit", options.resize_mode] if options.resize_mode else [])]
    request = source.finished.request
    command += [part for name in request.methods for part in ("--method", name)] if request.more_methods else []
    manifest, file = source.explainer.manifest, source.photo.file
    return describe_photo(manifest, source.settings, file, explanation.name, shlex.join(command))


def _save_maps(source: DownloadSource, records: Sequence[dict[str, Any]], out: Path) -> None:
    """Write each overlay and heatmap, and add the name of the heatmap to the record of its explanation."""
    view = source.finished.forward_pass.view.image
    for explanation, record in zip(source.finished.explanations, records, strict=True):
        overlay = draw_overlay(view, explanation.heatmap, source.opacity, source.colour_map)
        save_picture(out / record["picture"], overlay)
        record["map"] = f"{PICTURES}/{source.photo.stem}.{METHODS[explanation.method].file_name}.npy"
        save_map(out / record["map"], explanation.heatmap)
