"""The responses about one photo, while its maps are refined: the record, and pictures as files to download."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, cast

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import save_maps, save_picture
from camcore.drawing.overlay import draw_overlay
from camcore.explainer import Explainer
from camcore.images.preprocess import View
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MORE_METHODS, MethodName
from camcore.metrics.localisation import visible_boxes
from camcore.model.classes import find_class_pair
from camcore.options import ExplainOptions
from camcore.records import PhotoRecord, evidence_record, photo_record
from camcore.results import Explanation, ForwardPass
from camcore.trust_record import cautions, trust_record
from camcore.types import Box
from demo.api.parameters import ExplainParameters
from demo.service import messages
from demo.service.gradio_internals import FileDataMeta

_REDRAW_EVERY = 0.35  # seconds: drawing costs about as much as a chunk of forwards


class File(TypedDict):
    """A file that an endpoint returns, to be downloaded from its `url`."""

    path: str
    url: str | None
    meta: FileDataMeta


def to_file(path: Path) -> File:
    """Return a file of this server for Gradio to serve, which adds the `url`."""
    return {"path": str(path), "url": None, "meta": {"_type": "gradio.FileData"}}


@dataclass
class Pictures:
    """The files of one response, in a `folder` of their own. A picture that changes gets another name."""

    folder: Path
    parameters: ExplainParameters
    view: View
    _paths: dict[str, Path] = field(default_factory=dict)  # by name of the output
    _drawn_at: float = 0.0

    def draw(self, explanation: Explanation) -> None:
        """Draw the overlay of an explanation; if a better one will follow, only every 0.35 seconds."""
        if not explanation.complete:
            if time.perf_counter() - self._drawn_at < _REDRAW_EVERY:
                return
            self._drawn_at = time.perf_counter()
        suffix = "" if explanation.complete else f"-{explanation.forwards}"
        path = self.folder / f"{METHODS[explanation.method].file_name}{suffix}.png"
        opacity, colour_map = self.parameters.opacity, self.parameters.colour_map
        save_picture(path, draw_overlay(self.view.image, explanation.heatmap, opacity, colour_map))
        self._paths[explanation.method] = path

    def finish(self, explanations: Sequence[Explanation], source: str, boxes: Sequence[Box], verdict: str) -> None:
        """Draw the comparison of all explanations, and save the heatmaps if the parameters say so."""
        self._paths["comparison"] = self.folder / "compare.png"
        picture = draw_comparison(
            self.view.image, explanations, source,
            opacity=self.parameters.opacity, colour_map=self.parameters.colour_map,
            boxes=visible_boxes(boxes, self.view), verdict=verdict,
        )  # fmt: skip
        save_picture(self._paths["comparison"], picture)
        if self.parameters.save_maps:
            self._paths["maps"] = self.folder / "maps.npz"
            heatmaps = {METHODS[explanation.method].file_name: explanation.heatmap for explanation in explanations}
            save_maps(self._paths["maps"], heatmaps)

    def add_to(self, record: PhotoRecord) -> PhotoRecord:
        """Return the record with the overlays of the methods beside the default ones, which have no output."""
        explanations = [
            {**entry, "overlay": to_file(self._paths[entry["method"]])} if entry["method"] in MORE_METHODS else entry
            for entry in record["explanations"]
        ]
        return cast(PhotoRecord, {**record, "explanations": explanations})

    def files(self) -> tuple[File | None, ...]:
        """Return the comparison, the overlay of each default method, and the heatmaps; None if one does not exist."""
        names = ("comparison", *DEFAULT_METHODS, "maps")
        return tuple(to_file(self._paths[name]) if name in self._paths else None for name in names)


def predict_photo(explainer: Explainer, view: View, top: int) -> PhotoRecord:
    """Return the record of a photo's most probable classes."""
    return _record(explainer, explainer.forward(view), (), top)


def explain_photo(
    explainer: Explainer, view: View, parameters: ExplainParameters, folder: Path
) -> Iterator[tuple[PhotoRecord, Pictures]]:
    """Yield the record and the pictures, which are files in `folder`, at every chunk of forwards; the last complete."""
    labels = explainer.manifest.labels
    class_idx, contrast_idx = find_class_pair(labels, parameters.wanted_class, parameters.rather_than)
    options = ExplainOptions(class_idx, contrast_idx, parameters.definition, parameters.effort, parameters.fit)
    methods = tuple(dict.fromkeys(parameters.methods or DEFAULT_METHODS))
    forward_pass = explainer.forward(view)
    pictures = Pictures(folder, parameters, view)
    latest: dict[MethodName, Explanation] = {}
    for explanation in explainer.stream(forward_pass, options, methods):
        latest[explanation.method] = explanation
        pictures.draw(explanation)
        yield pictures.add_to(_record(explainer, forward_pass, tuple(latest.values()))), pictures
    explanations = [latest[method] for method in methods]
    record = pictures.add_to(_record(explainer, forward_pass, explanations))
    boxes = parameters.target_boxes
    judged = evidence_record(explainer, forward_pass, explanations, boxes, messages.TARGET)
    checked = trust_record(explainer, forward_pass, explanations, is_requested=parameters.sanity)
    record, sentence = cast(PhotoRecord, {**record, **judged, **checked}), judged["verdict"]["sentence"]
    verdict = f"{sentence} {cautions(checked)}".strip()
    pictures.finish(explanations, source_line("Photo", explainer.manifest, explanations), boxes, verdict)
    yield record, pictures


def _record(
    explainer: Explainer, forward_pass: ForwardPass, explanations: Sequence[Explanation], top: int = 5
) -> PhotoRecord:
    """Return the record so far, without a file name: only the client knows how its photo is called."""
    duration = sum(explanation.seconds for explanation in explanations) or forward_pass.seconds
    predictions = explainer.predict(forward_pass, top)
    damage = forward_pass.view.damage
    return photo_record(None, explainer.manifest, duration, predictions, explanations, damage=damage)
