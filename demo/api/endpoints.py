"""The endpoints for programs: `/predict`, `/explain` and `/study`, over HTTP, gradio_client and MCP alike."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio as gr

from camcore.drawing.overlay import OPACITY, ColourMap
from camcore.images.preprocess import ResizeMode
from camcore.methods.effort import Effort
from camcore.methods.grad_cam import MethodName
from camcore.methods.score_cam import DefinitionName
from demo.api.arguments import Upload
from demo.api.register import in_sentences, publish, streams, told
from demo.api.requests import Reader
from demo.api.responses import ExplainResponse, File, explained, predicted, to_file
from demo.service.event_settings import ON_MODEL
from demo.service.files import new_folder
from demo.service.gradio_internals import upload_folder
from demo.service.models import Models
from demo.service.queue import RECEIVED_AT, Deadline
from demo.service.study import Study

_File = File | None
_Explained = tuple[ExplainResponse, _File, _File, _File, _File, _File]
_Studied = tuple[dict[str, Any], _File, _File]


class Endpoints:
    """The public functions. What they are given is checked twice: before it is queued, for a status, and when run."""

    def __init__(self, models: Models):
        self._models = models
        self._reader = Reader(models, upload_folder())

    def add(self, blocks: gr.Blocks) -> None:
        """Add them to a page that is being built."""
        model = ON_MODEL["concurrency_id"]
        publish(blocks, self.predict, self._reader.predict, model)
        publish(blocks, self.explain, self._reader.explain, model)
        # Takes its turns in the line by itself, a photo each, so that others can come between.
        publish(blocks, self.study, self._reader.study, "study")

    def predict(
        self,
        photo: Upload,
        model: str | None = None,
        fit: ResizeMode = "crop",
        top: int = 5,
        request: gr.Request | None = None,
    ) -> ExplainResponse:
        """Say what an image classifier sees in a photo: its most probable classes.

        Args:
            photo: an uploaded JPEG, PNG, WebP, BMP, TIFF, MPO or GIF, up to 50 megapixels; over MCP also a data URI
            model: which of the exported models; the first if null
            fit: crop shows the model the centre of the photo, squash all of it, squeezed into a square
            top: how many classes

        Returns:
            record: model, weights, seconds, and predictions (class_idx, name, probability), the most probable first
        """
        wanted = self._reader.predict(photo, model, fit, top)
        with in_sentences(), self._models.queue.acquire(self._deadline(request)):
            record: ExplainResponse = told(request, predicted(self._models.explainer(wanted.model), wanted))
        return record

    @streams
    def explain(  # noqa: PLR0917
        self,
        photo: Upload,
        wanted_class: str | int | None = None,
        rather_than: str | int | None = None,
        methods: list[MethodName] | None = None,
        box: list[float] | None = None,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        fit: ResizeMode = "crop",
        model: str | None = None,
        sanity: bool = False,
        colour_map: ColourMap = "inferno",
        opacity: float = OPACITY,
        save_maps: bool = False,
        request: gr.Request | None = None,
    ) -> Iterator[_Explained]:
        """Show what an image classifier looked at in a photo, by Grad-CAM, Grad-CAM++ and Score-CAM.

        Answers again and again while Score-CAM refines; cancel to stop it. The last answer is complete.

        Args:
            photo: an uploaded JPEG, PNG, WebP, BMP, TIFF, MPO or GIF, up to 50 megapixels; over MCP also a data URI
            wanted_class: name or index of the class to explain; the most probable one if null
            rather_than: name or index of a class to set it against: what speaks for the one and against the other
            methods: some of grad-cam, grad-cam++ and score-cam; all if null
            box: left, top, right and bottom edge of the animal, as fractions of the photo: does the heat lie on it?
            definition: of Score-CAM
            effort: of Score-CAM: fast, exact (every channel), or a number of forwards
            fit: crop shows the model the centre of the photo, squash all of it, squeezed into a square
            model: which of the exported models; the first if null
            sanity: also compare with the maps of a classifier that has learnt nothing
            colour_map: of the pictures
            opacity: of the hottest place in the pictures, 0 to 1
            save_maps: also give the heatmaps as numbers

        Returns:
            record: model, weights, seconds, predictions, explanations, and at the end verdict and target
            comparison: at the end, a picture of what the model saw and of all overlays side by side
            grad_cam: overlay of Grad-CAM
            grad_cam_pp: overlay of Grad-CAM++
            score_cam: overlay of Score-CAM
            maps: at the end, if wanted, a NumPy archive of the heatmaps, float32 in [0, 1]
        """
        wanted = self._reader.explain(
            photo, wanted_class, rather_than, methods, box, definition, effort, fit, model, sanity, colour_map,
            opacity, save_maps,
        )  # fmt: skip
        deadline = self._deadline(request)
        with in_sentences(), self._models.queue.acquire(deadline):
            explainer = self._models.explainer(wanted.model)
            for record, pictures in explained(explainer, wanted, new_folder()):
                yield told(request, record), *pictures.files()
                deadline.check()

    @streams
    def study(
        self,
        photos: Upload,
        boxes: Upload = None,  # type: ignore[assignment]  # MCP would not find a file in Upload | None
        model: str | None = None,
        request: gr.Request | None = None,
    ) -> Iterator[_Studied]:
        """Explain many photos, and report which of them to worry about first.

        Answers after each photo; cancel to stop it.

        Args:
            photos: an uploaded zip of at most 200 photos, a folder a species if you like, or a single photo
            boxes: an uploaded JSON file of MegaDetector or SpeciesNet that marks the animals
            model: which of the exported models; the first if null

        Returns:
            record: done, total, and photos, the latest one's record; at the end all of them, and what made them
            report: at the end, one HTML file with plots, figures and pictures
            figures: at the end, a CSV file with a row a photo and method
        """
        wanted, deadline = self._reader.study(photos, boxes, model), self._deadline(request)
        with in_sentences(), closing(Study(self._models, wanted)) as study:
            while not study.complete and (deadline.left or not study.rows):
                study.explain_next()
                yield told(request, study.latest()), None, None
            report, figures = study.write()
            yield told(request, study.whole()), to_file(report), to_file(figures)

    def _deadline(self, request: gr.Request | None) -> Deadline:
        """Of a request, from the moment at which it came in."""
        came = request.request if request else None
        return self._models.queue.deadline(came.scope.get(RECEIVED_AT) if came else None)
