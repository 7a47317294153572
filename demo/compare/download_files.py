"""Files to download for one explained photo: the comparison as a picture, and everything as an archive."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import make_folder, save_map, save_picture, save_text, to_json
from camcore.drawing.overlay import ColourMap, draw_overlay
from camcore.explainer import Explainer
from camcore.methods.grad_cam import METHODS
from camcore.metrics.localisation import Box
from camcore.report.html import write_report
from camcore.report.metrics_csv import to_csv
from camcore.study.description import describe_photo
from camcore.study.file_names import METRICS, PICTURES, REPORT
from camcore.study.inputs.load import StudyItem
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.species import GroundTruth
from camcore.study.record import StudySettings, draw, findings, identify
from demo.compare.session import FinishedExplanation
from demo.service import messages
from demo.service.models import Models

_MAX_STEM_CHARS = 60  # with a suffix it still fits any file system


@dataclass(frozen=True)
class _Source:
    """The explanation that files are made from, the name of its photo, and how pictures are drawn."""

    explainer: Explainer
    model: str
    finished: FinishedExplanation
    photo: StudyPhoto
    colour_map: ColourMap
    opacity: float


def comparison(
    models: Models, finished: FinishedExplanation, folder: Path, *, colour_map: ColourMap, opacity: float
) -> Path:
    """Write `<stem>.compare.png`, the view and the overlays side by side, into a folder and return its path.

    Raises:
        OutputError: if it cannot be written.
    """
    source = _source(models, finished, colour_map, opacity)
    return _draw_comparison(source, folder)


def bundle(
    models: Models,
    finished: FinishedExplanation,
    boxes: Sequence[Box],
    folder: Path,
    *,
    colour_map: ColourMap,
    opacity: float,
) -> Path:
    """Write `<stem>.zip`, with report, record, metrics, pictures and heatmaps, into a folder and return its path.

    `colour_map` and `opacity` are for the pictures. The report has its own, which its scale explains.

    Raises:
        BoxesError: if a box is invalid.
        OutputError: if it cannot be written.
    """
    source = _source(models, finished, colour_map, opacity)
    with TemporaryDirectory() as directory:
        out = Path(directory)
        make_folder(out / PICTURES)
        record, study = _record(source, boxes), _describe(source)
        draw(source.explainer, source.photo, finished.forward_pass.view, finished.explanations, out)
        write_report(out / REPORT, study, [record])
        record["explanations"] = _save(source, record["explanations"], out)
        _draw_comparison(source, out / PICTURES)
        pictures = {"colour_map": colour_map, "opacity": opacity}
        save_text(out / "explanation.json", to_json({**study, "pictures": pictures, "photos": [record]}, indent=1))
        save_text(out / METRICS, to_csv([record]))
        return _pack(out, folder / f"{source.photo.stem}.zip")


def file_name(path: str) -> str:
    """Return the name of an uploaded file, safe for file systems, shells and readers."""
    name = Path(path)
    stem, suffix = ("".join(_plain(letter) for letter in part) for part in (name.stem, name.suffix))
    return (stem.strip(" .-")[:_MAX_STEM_CHARS].strip() or "photo") + suffix.replace(" ", "")[:8]


def _plain(letter: str) -> str:
    return letter if letter.isalnum() or letter in " .-_()" else "_"


def _source(models: Models, finished: FinishedExplanation, colour_map: ColourMap, opacity: float) -> _Source:
    path, model = Path(finished.request.path or ""), finished.request.model or models.first
    file = file_name(path.name)
    photo = StudyPhoto(path, file, "", Path(file).stem)
    return _Source(models.explainer(model), model, finished, photo, colour_map, opacity)


def _record(source: _Source, boxes: Sequence[Box]) -> dict[str, Any]:
    finished, photo = source.finished, source.photo
    item = StudyItem(photo, boxes or None, GroundTruth())
    results = findings(source.explainer, item, _settings(finished), finished.forward_pass, finished.explanations)
    duration = sum(explanation.seconds for explanation in finished.explanations)
    return {**identify(photo), **results, "seconds": duration}


def _settings(finished: FinishedExplanation) -> StudySettings:
    return StudySettings(finished.request.options, messages.TARGET)


def _describe(source: _Source) -> dict[str, Any]:
    explanation, options = source.finished.explanations[0], source.finished.request.options
    command = ["python", "-m", "camcore", "explain", source.photo.file]
    command += ["--class", str(explanation.class_idx), "--model", source.model, "--definition", options.definition]
    command += ["--effort", str(options.effort), "--fit", options.resize_mode]
    manifest, settings = source.explainer.manifest, _settings(source.finished)
    return describe_photo(manifest, settings, source.photo.file, explanation.name, shlex.join(command))


def _draw_comparison(source: _Source, folder: Path) -> Path:
    explanations = source.finished.explanations
    caption = source_line(source.photo.file, source.explainer.manifest, explanations)
    view, path = source.finished.forward_pass.view.image, folder / f"{source.photo.stem}.compare.png"
    save_picture(
        path, draw_comparison(view, explanations, caption, opacity=source.opacity, colour_map=source.colour_map)
    )
    return path


def _save(source: _Source, records: Sequence[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Write each overlay and heatmap, and return the records of the explanations with the names of the heatmaps."""
    named = []
    view = source.finished.forward_pass.view.image
    for explanation, record in zip(source.finished.explanations, records, strict=True):
        overlay = draw_overlay(view, explanation.heatmap, source.opacity, source.colour_map)
        save_picture(out / record["picture"], overlay)
        name = f"{PICTURES}/{source.photo.stem}.{METHODS[explanation.method].file_name}.npy"
        save_map(out / name, explanation.heatmap)
        named.append({**record, "map": name})
    return named


def _pack(out: Path, path: Path) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file in sorted(out.rglob("*"), key=lambda file: (len(file.parts), file)):
            if file.is_file():
                archive.write(file, file.relative_to(out))
    return path
