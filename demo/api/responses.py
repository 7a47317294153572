"""What an endpoint answers about a photo while its maps grow: the record, and pictures as files to be fetched."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import save_maps, save_picture
from camcore.drawing.overlay import draw_overlay
from camcore.explainer import Explainer
from camcore.images.photo import open_photo
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.metrics.assessment import assess, locate_heat
from camcore.records import PhotoRecord, photo_record
from camcore.results import Explanation, ForwardPass
from demo.api.requests import Drawing, Explain, Predict
from demo.service import messages
from demo.service.gradio_internals import FileDataMeta

_REDRAW_EVERY = 0.35  # seconds: drawing costs about as much as a chunk of forwards


class ExplainResponse(PhotoRecord):
    """A photo's record; once all maps are there, the verdict too, and where the heat lies if a box was given."""

    verdict: NotRequired[dict[str, Any]]
    target: NotRequired[dict[str, Any] | None]


class File(TypedDict):
    """A file to be fetched from its `url`."""

    path: str
    url: str | None
    meta: FileDataMeta


@dataclass
class Pictures:
    """The files of one answer, in a `folder` of their own; a picture that changes gets another name."""

    folder: Path
    drawing: Drawing
    overlays: dict[MethodName, Path] = field(default_factory=dict)
    comparison: Path | None = None
    maps: Path | None = None
    _drawn_at: float = 0.0

    def draw(self, forward_pass: ForwardPass, explanation: Explanation) -> None:
        """The overlay of one explanation; of those that are followed by a better one, only now and then."""
        if not explanation.complete:
            if time.perf_counter() - self._drawn_at < _REDRAW_EVERY:
                return
            self._drawn_at = time.perf_counter()
        grown = "" if explanation.complete else f"-{explanation.forwards}"
        path = self.folder / f"{METHODS[explanation.method].file_name}{grown}.png"
        pixels = draw_overlay(
            forward_pass.view.image, explanation.heatmap, self.drawing.opacity, self.drawing.colour_map
        )
        save_picture(path, pixels)
        self.overlays[explanation.method] = path

    def finish(self, explainer: Explainer, forward_pass: ForwardPass, explanations: Sequence[Explanation]) -> None:
        """What needs all of them: the comparison, and the heatmaps if they are wanted."""
        source = source_line("Photo", explainer.manifest, explanations)
        self.comparison = self.folder / "compare.png"
        picture = draw_comparison(
            forward_pass.view.image,
            explanations,
            source,
            opacity=self.drawing.opacity,
            colour_map=self.drawing.colour_map,
        )
        save_picture(self.comparison, picture)
        if self.drawing.save_maps:
            self.maps = self.folder / "maps.npz"
            save_maps(self.maps, {METHODS[each.method].file_name: each.heatmap for each in explanations})

    def files(self) -> tuple[File | None, ...]:
        """The comparison, an overlay a method, and the heatmaps; None where there is none yet, or none was asked."""
        paths = (self.comparison, *(self.overlays.get(method) for method in METHODS), self.maps)
        return tuple(None if path is None else to_file(path) for path in paths)


def to_file(path: Path) -> File:
    """A file of this machine, for gradio to serve."""
    return {"path": str(path), "url": None, "meta": {"_type": "gradio.FileData"}}


def predicted(explainer: Explainer, wanted: Predict) -> ExplainResponse:
    """What the model sees."""
    forward_pass = explainer.forward(open_photo(wanted.photo), wanted.fit)
    return _record(explainer, forward_pass, (), wanted.top)


def explained(explainer: Explainer, wanted: Explain, folder: Path) -> Iterator[tuple[ExplainResponse, Pictures]]:
    """The record and the pictures, which lie in `folder`, at every chunk of forwards; the last ones are complete."""
    forward_pass = explainer.forward(open_photo(wanted.photo), wanted.options.resize_mode)
    pictures = Pictures(folder, wanted.drawing)
    found: dict[MethodName, Explanation] = {}
    for explanation in explainer.stream(forward_pass, wanted.options, wanted.methods):
        found[explanation.method] = explanation
        pictures.draw(forward_pass, explanation)
        yield _record(explainer, forward_pass, tuple(found.values())), pictures
    explanations = [found[method] for method in wanted.methods]
    pictures.finish(explainer, forward_pass, explanations)
    yield _concluded(explainer, wanted, forward_pass, explanations), pictures


def _record(
    explainer: Explainer, forward_pass: ForwardPass, explanations: Sequence[Explanation], top: int = 5
) -> ExplainResponse:
    """The record so far. It names no file: what the photo is called is the asker's affair."""
    spent = sum(explanation.seconds for explanation in explanations) or forward_pass.seconds
    return cast(
        ExplainResponse,
        photo_record(None, explainer.manifest, spent, explainer.predict(forward_pass, top), explanations),
    )


def _concluded(
    explainer: Explainer, wanted: Explain, forward_pass: ForwardPass, explanations: Sequence[Explanation]
) -> ExplainResponse:
    """The record of what is complete, with what its figures say in words."""
    record = _record(explainer, forward_pass, explanations)
    target_evidence = locate_heat(wanted.boxes, forward_pass.view, explanations, messages.TARGET)
    verdict, _ = assess(explainer.predict(forward_pass, 1)[0], explanations, target_evidence)
    if wanted.sanity:
        asked, against = explanations[0].class_idx, wanted.options.contrast_idx
        found = explainer.sanity(forward_pass, asked, wanted.methods, contrast_idx=against)
        record["sanity"] = found
    record["verdict"], record["target"] = asdict(verdict), asdict(target_evidence) if target_evidence else None
    return record
