"""What a visitor takes along of one photo: the comparison as a picture, and everything as an archive."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import make_folder, save_map, save_picture, save_text
from camcore.drawing.overlay import ColourMap, draw_overlay
from camcore.explainer import Explainer
from camcore.methods.grad_cam import METHODS
from camcore.metrics.localisation import Box
from camcore.model.manifest import sha256
from camcore.report.html import write_report
from camcore.report.metrics_csv import to_csv
from camcore.study.description import describe_photo
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.species import GroundTruth
from camcore.study.record import PICTURES, StudyItem, StudySettings, draw, findings
from demo.compare.session import FinishedExplanation
from demo.service import messages
from demo.service.models import Models

_LONGEST = 60  # characters of a stem: what is added to it still fits any file system


@dataclass(frozen=True)
class _Work:
    """What is to be taken along, by the name of its file, and how its pictures are drawn."""

    explainer: Explainer
    model: str
    finished: FinishedExplanation
    photo: StudyPhoto
    colour_map: ColourMap
    opacity: float


def comparison(
    models: Models, finished: FinishedExplanation, folder: Path, *, colour_map: ColourMap, opacity: float
) -> Path:
    """Write `<stem>.compare.png` into a folder: the view and the overlays side by side. Returns its path.

    Raises:
        OutputError: if it cannot be written.
    """
    work = _work(models, finished, colour_map, opacity)
    return _draw_comparison(work, folder)


def bundle(
    models: Models,
    finished: FinishedExplanation,
    boxes: Sequence[Box],
    folder: Path,
    *,
    colour_map: ColourMap,
    opacity: float,
) -> Path:
    """Write `<stem>.zip` into a folder: report, record, figures, pictures and heatmaps. Returns its path.

    The pictures are drawn in the colours given; the report's in its own, which its scale explains.

    Raises:
        BoxesError: if a box is none.
        OutputError: if it cannot be written.
    """
    work = _work(models, finished, colour_map, opacity)
    with TemporaryDirectory() as inside:
        out = Path(inside)
        make_folder(out / PICTURES)
        record, described = _record(work, boxes), _describe(work)
        draw(work.explainer, work.photo, finished.forward_pass.view, finished.explanations, out)
        write_report(out / "report.html", described, [record])
        record["explanations"] = _save(work, record["explanations"], out)
        _draw_comparison(work, out / PICTURES)
        drawn = {"colour_map": colour_map, "opacity": opacity}
        save_text(out / "explanation.json", _json({**described, "pictures": drawn, "photos": [record]}))
        save_text(out / "figures.csv", to_csv([record]))
        return _pack(out, folder / f"{work.photo.stem}.zip")


def file_name(path: str) -> str:
    """The name of an uploaded file without anything that a file system, a shell or a reader could stumble over."""
    name = Path(path)
    stem, suffix = ("".join(_plain(letter) for letter in part) for part in (name.stem, name.suffix))
    return (stem.strip(" .-")[:_LONGEST].strip() or "photo") + suffix.replace(" ", "")[:8]


def _plain(letter: str) -> str:
    return letter if letter.isalnum() or letter in " .-_()" else "_"


def _work(models: Models, finished: FinishedExplanation, colour_map: ColourMap, opacity: float) -> _Work:
    path, model = Path(finished.request.path or ""), finished.request.model or models.first
    file = file_name(path.name)
    return _Work(
        models.explainer(model), model, finished, StudyPhoto(path, file, "", Path(file).stem), colour_map, opacity
    )


def _record(work: _Work, boxes: Sequence[Box]) -> dict[str, Any]:
    finished, photo = work.finished, work.photo
    subject = StudyItem(photo, boxes or None, GroundTruth())
    found = findings(work.explainer, subject, _settings(finished), finished.forward_pass, finished.explanations)
    spent = sum(explanation.seconds for explanation in finished.explanations)
    about = {"file": photo.file, "species": "", "stem": photo.stem, "sha256": _digest(photo.path), "error": None}
    return {**about, **found, "seconds": spent}


def _settings(finished: FinishedExplanation) -> StudySettings:
    return StudySettings(finished.request.options, messages.TARGET)


def _digest(path: Path) -> str:
    """Of the photo's bytes; "" if the upload is gone."""
    try:
        return sha256(path)
    except OSError:
        return ""


def _describe(work: _Work) -> dict[str, Any]:
    explained, settings = work.finished.explanations[0], _settings(work.finished)
    command = ["python", "-m", "camcore", "explain", work.photo.file]
    command += ["--class", str(explained.class_idx), "--model", work.model, "--definition", settings.options.definition]
    command += ["--effort", str(settings.options.effort), "--fit", settings.options.resize_mode]
    return describe_photo(work.explainer.manifest, settings, work.photo.file, explained.name, shlex.join(command))


def _draw_comparison(work: _Work, folder: Path) -> Path:
    explanations = work.finished.explanations
    source = source_line(work.photo.file, work.explainer.manifest, explanations)
    view, path = work.finished.forward_pass.view.image, folder / f"{work.photo.stem}.compare.png"
    picture = draw_comparison(view, explanations, source, opacity=work.opacity, colour_map=work.colour_map)
    save_picture(path, picture)
    return path


def _save(work: _Work, records: Sequence[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Write each overlay and heatmap; returns the explanations' records, each with the name of its heatmap."""
    named = []
    for explanation, found in zip(work.finished.explanations, records, strict=True):
        view = work.finished.forward_pass.view.image
        save_picture(out / found["picture"], draw_overlay(view, explanation.heatmap, work.opacity, work.colour_map))
        name = f"{PICTURES}/{work.photo.stem}.{METHODS[explanation.method].file_name}.npy"
        save_map(out / name, explanation.heatmap)
        named.append({**found, "map": name})
    return named


def _json(study: dict[str, Any]) -> str:
    return json.dumps(study, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _pack(out: Path, path: Path) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file in sorted(out.rglob("*"), key=lambda file: (len(file.parts), file)):
            if file.is_file():
                archive.write(file, file.relative_to(out))
    return path
