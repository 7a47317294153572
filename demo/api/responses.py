"""What an endpoint answers about a photo while its maps grow: the record, and pictures as files to be fetched."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from gradio.data_classes import FileDataMeta

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import save_maps, save_picture
from camcore.drawing.overlay import draw_overlay
from camcore.explainer import Explainer
from camcore.images.photo import open_photo
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.metrics.assessment import see, weigh
from camcore.records import PhotoRecord, photo_record
from camcore.results import Explanation, ForwardPass
from demo.api.requests import Drawing, Explain, Predict
from demo.compare import text

_REDRAW_EVERY = 0.35  # seconds: drawing costs about as much as a chunk of forwards


class Answer(PhotoRecord):
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

    def draw(self, passed: ForwardPass, explanation: Explanation) -> None:
        """The overlay of one explanation; of those that are followed by a better one, only now and then."""
        if not explanation.complete:
            if time.perf_counter() - self._drawn_at < _REDRAW_EVERY:
                return
            self._drawn_at = time.perf_counter()
        grown = "" if explanation.complete else f"-{explanation.forwards}"
        path = self.folder / f"{METHODS[explanation.method].file_name}{grown}.png"
        pixels = draw_overlay(passed.view.image, explanation.heatmap, self.drawing.opacity, self.drawing.colour_map)
        save_picture(path, pixels)
        self.overlays[explanation.method] = path

    def finish(self, explainer: Explainer, passed: ForwardPass, explanations: Sequence[Explanation]) -> None:
        """What needs all of them: the comparison, and the heatmaps if they are wanted."""
        source = source_line(text.PHOTO, explainer.manifest, explanations)
        self.comparison = self.folder / "compare.png"
        picture = draw_comparison(
            passed.view.image, explanations, source, opacity=self.drawing.opacity, colour_map=self.drawing.colour_map
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


def predicted(explainer: Explainer, wanted: Predict) -> Answer:
    """What the model sees."""
    passed = explainer.forward(open_photo(wanted.photo), wanted.fit)
    return _record(explainer, passed, (), wanted.top)


def explained(explainer: Explainer, wanted: Explain, folder: Path) -> Iterator[tuple[Answer, Pictures]]:
    """The record and the pictures, which lie in `folder`, at every chunk of forwards; the last ones are complete."""
    passed = explainer.forward(open_photo(wanted.photo), wanted.fit)
    pictures = Pictures(folder, wanted.drawing)
    found: dict[MethodName, Explanation] = {}
    for explanation in explainer.stream(
        passed,
        wanted.class_idx,
        wanted.methods,
        rather_than=wanted.rather_than,
        definition=wanted.definition,
        effort=wanted.effort,
    ):
        found[explanation.method] = explanation
        pictures.draw(passed, explanation)
        yield _record(explainer, passed, tuple(found.values())), pictures
    explanations = [found[method] for method in wanted.methods]
    pictures.finish(explainer, passed, explanations)
    yield _concluded(explainer, wanted, passed, explanations), pictures


def _record(explainer: Explainer, passed: ForwardPass, explanations: Sequence[Explanation], top: int = 5) -> Answer:
    """The record so far. It names no file: what the photo is called is the asker's affair."""
    spent = sum(explanation.seconds for explanation in explanations) or passed.seconds
    return cast(Answer, photo_record(None, explainer.manifest, spent, explainer.predict(passed, top), explanations))


def _concluded(
    explainer: Explainer, wanted: Explain, passed: ForwardPass, explanations: Sequence[Explanation]
) -> Answer:
    """The record of what is complete, with what its figures say in words."""
    record = _record(explainer, passed, explanations)
    sight = see(wanted.boxes, passed.view, explanations, text.TARGET)
    verdict, _ = weigh(explainer.predict(passed, 1)[0], explanations, sight)
    if wanted.sanity:
        asked, against = explanations[0].class_idx, wanted.rather_than
        found = explainer.sanity(passed, asked, wanted.methods, rather_than=against)
        record["sanity"] = {str(method): correlation for method, correlation in found.items()}
    record["verdict"], record["target"] = asdict(verdict), asdict(sight) if sight else None
    return record
