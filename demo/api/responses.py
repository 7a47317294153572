"""The responses about one photo, while its maps are refined: the record, and pictures as files to download."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NotRequired, cast

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import save_maps, save_picture
from camcore.drawing.overlay import draw_overlay
from camcore.explainer import Explainer
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.metrics.assessment import assess, locate_heat
from camcore.records import PhotoRecord, photo_record
from camcore.results import Explanation, ForwardPass
from demo.api.client_files import File, open_upload, to_file
from demo.api.parameters import ExplainParameters, PredictParameters
from demo.service import messages

_REDRAW_EVERY = 0.35  # seconds: drawing costs about as much as a chunk of forwards


class ExplainResponse(PhotoRecord):
    """A photo's record; the complete one has a verdict, and the position of the heat if a box was given."""

    verdict: NotRequired[dict[str, Any]]
    target: NotRequired[dict[str, Any] | None]


@dataclass
class Pictures:
    """The files of one response, in a `folder` of their own. A picture that changes gets another name."""

    folder: Path
    parameters: ExplainParameters
    overlays: dict[MethodName, Path] = field(default_factory=dict)
    comparison: Path | None = None
    maps: Path | None = None
    _drawn_at: float = 0.0

    def draw(self, forward_pass: ForwardPass, explanation: Explanation) -> None:
        """Draw the overlay of an explanation; if a better one will follow, only every 0.35 seconds."""
        if not explanation.complete:
            if time.perf_counter() - self._drawn_at < _REDRAW_EVERY:
                return
            self._drawn_at = time.perf_counter()
        suffix = "" if explanation.complete else f"-{explanation.forwards}"
        path = self.folder / f"{METHODS[explanation.method].file_name}{suffix}.png"
        view, drawing = forward_pass.view.image, self.parameters
        save_picture(path, draw_overlay(view, explanation.heatmap, drawing.opacity, drawing.colour_map))
        self.overlays[explanation.method] = path

    def finish(self, explainer: Explainer, forward_pass: ForwardPass, explanations: Sequence[Explanation]) -> None:
        """Draw the comparison of all explanations, and save the heatmaps if the parameters say so."""
        self.comparison = self.folder / "compare.png"
        picture = draw_comparison(
            forward_pass.view.image,
            explanations,
            source_line("Photo", explainer.manifest, explanations),
            opacity=self.parameters.opacity,
            colour_map=self.parameters.colour_map,
        )
        save_picture(self.comparison, picture)
        if self.parameters.save_maps:
            self.maps = self.folder / "maps.npz"
            heatmaps = {METHODS[explanation.method].file_name: explanation.heatmap for explanation in explanations}
            save_maps(self.maps, heatmaps)

    def files(self) -> tuple[File | None, ...]:
        """Return the comparison, one overlay per method, and the heatmaps; None for each that does not exist."""
        paths = (self.comparison, *(self.overlays.get(method) for method in METHODS), self.maps)
        return tuple(None if path is None else to_file(path) for path in paths)


def predict_photo(explainer: Explainer, parameters: PredictParameters) -> ExplainResponse:
    """Return the record of a photo's most probable classes."""
    forward_pass = explainer.forward(open_upload(parameters.photo), parameters.fit)
    return _record(explainer, forward_pass, (), parameters.top)


def explain_photo(
    explainer: Explainer, parameters: ExplainParameters, folder: Path
) -> Iterator[tuple[ExplainResponse, Pictures]]:
    """Yield the record and the pictures, which are files in `folder`, at every chunk of forwards; the last complete."""
    options, methods = parameters.options(explainer.manifest.labels), parameters.selected_methods
    forward_pass = explainer.forward(open_upload(parameters.photo), options.resize_mode)
    pictures = Pictures(folder, parameters)
    latest: dict[MethodName, Explanation] = {}
    for explanation in explainer.stream(forward_pass, options, methods):
        latest[explanation.method] = explanation
        pictures.draw(forward_pass, explanation)
        yield _record(explainer, forward_pass, tuple(latest.values())), pictures
    explanations = [latest[method] for method in methods]
    pictures.finish(explainer, forward_pass, explanations)
    response = _complete_record(explainer, parameters, forward_pass, explanations)
    if parameters.sanity:
        class_idx = explanations[0].class_idx
        response["sanity"] = explainer.sanity(forward_pass, class_idx, methods, contrast_idx=options.contrast_idx)
    yield response, pictures


def _record(
    explainer: Explainer, forward_pass: ForwardPass, explanations: Sequence[Explanation], top: int = 5
) -> ExplainResponse:
    """Return the record so far, without a file name: only the client knows how its photo is called."""
    duration = sum(explanation.seconds for explanation in explanations) or forward_pass.seconds
    predictions = explainer.predict(forward_pass, top)
    return cast(ExplainResponse, photo_record(None, explainer.manifest, duration, predictions, explanations))


def _complete_record(
    explainer: Explainer, parameters: ExplainParameters, forward_pass: ForwardPass, explanations: Sequence[Explanation]
) -> ExplainResponse:
    """Return the record of complete explanations, with the verdict."""
    record = _record(explainer, forward_pass, explanations)
    target_evidence = locate_heat(parameters.boxes, forward_pass.view, explanations, messages.TARGET)
    verdict, _ = assess(explainer.predict(forward_pass, 1)[0], explanations, target_evidence)
    record["verdict"], record["target"] = asdict(verdict), asdict(target_evidence) if target_evidence else None
    return record
