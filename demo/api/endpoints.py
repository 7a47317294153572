"""The endpoints for programs, over HTTP, gradio_client and MCP: `/predict`, `/explain` and `/study`."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from camcore.methods.grad_cam import METHODS
from demo.api.client_files import File, to_file
from demo.api.parameters import ExplainParameters, PredictParameters, StudyParameters
from demo.api.register import publish
from demo.api.responses import ExplainResponse, explain_photo, predict_photo
from demo.service.event_settings import ON_MODEL
from demo.service.files import new_folder
from demo.service.models import Models
from demo.service.queue import RECEIVED_AT, Deadline
from demo.service.study import Study, StudyRequest

_PREDICT_OUTPUTS = {
    "record": "model, weights, seconds, and predictions (class_idx, name, probability), the most probable first"
}
_EXPLAIN_OUTPUTS = {
    "record": "model, weights, seconds, predictions, explanations, and at the end verdict and target",
    "comparison": "at the end, a picture of what the model saw and of all overlays side by side",
    **{method.file_name.replace("-", "_"): f"overlay of {method.title}" for method in METHODS.values()},
    "maps": "at the end, if wanted, a NumPy archive of the heatmaps, float32 in [0, 1]",
}
_STUDY_OUTPUTS = {
    "record": "done, total, and photos, the latest one's record; at the end all of them, and what made them",
    "report": "at the end, one HTML file with plots, metrics and pictures",
    "figures": "at the end, a CSV file with one row per photo and method",
}


class Endpoints:
    """The public functions, which take checked parameters. Their docstrings describe the endpoints to programs."""

    def __init__(self, models: Models):
        self._models = models

    def add(self, blocks: gr.Blocks) -> None:
        """Add the endpoints to a page that is being built."""
        models, on_model = self._models, ON_MODEL["concurrency_id"]
        publish(
            blocks, self.predict, PredictParameters, models,
            record_type=ExplainResponse, outputs=_PREDICT_OUTPUTS, concurrency_id=on_model,
        )  # fmt: skip
        publish(
            blocks, self.explain, ExplainParameters, models,
            record_type=ExplainResponse, outputs=_EXPLAIN_OUTPUTS, concurrency_id=on_model,
        )  # fmt: skip
        # A study acquires the model once for each photo, so that other requests run in between.
        publish(
            blocks, self.study, StudyParameters, models,
            record_type=dict[str, Any], outputs=_STUDY_OUTPUTS, concurrency_id="study",
        )  # fmt: skip

    def predict(self, parameters: PredictParameters, request: gr.Request | None) -> ExplainResponse:
        """Say what an image classifier sees in a photo: its most probable classes."""
        with self._models.queue.acquire(self._deadline(request)):
            return predict_photo(self._models.explainer(parameters.model), parameters)

    def explain(
        self, parameters: ExplainParameters, request: gr.Request | None
    ) -> Iterator[tuple[ExplainResponse, *tuple[File | None, ...]]]:
        """Show what an image classifier looked at in a photo, by Grad-CAM, Grad-CAM++ and Score-CAM.

        Answers again and again while Score-CAM refines; cancel to stop it. The last answer is complete.
        """
        deadline = self._deadline(request)
        with self._models.queue.acquire(deadline):
            explainer = self._models.explainer(parameters.model)
            for record, pictures in explain_photo(explainer, parameters, new_folder()):
                yield record, *pictures.files()
                deadline.check()

    def study(
        self, parameters: StudyParameters, request: gr.Request | None
    ) -> Iterator[tuple[dict[str, Any], File | None, File | None]]:
        """Explain many photos, and report which of them to check first.

        Answers after each photo; cancel to stop it.
        """
        deadline = self._deadline(request)
        boxes = Path(parameters.boxes["path"]) if parameters.boxes else None
        study_request = StudyRequest((Path(parameters.photos["path"]),), boxes, parameters.model)
        with closing(Study(self._models, study_request)) as study:
            while not study.complete and (deadline.left or not study.rows):
                study.explain_next()
                yield study.latest_record(), None, None
            report, figures = study.write()
            yield study.full_record(), to_file(report), to_file(figures)

    def _deadline(self, request: gr.Request | None) -> Deadline:
        """Return the deadline of a request, counted from when it came in."""
        http_request = request.request if request else None
        return self._models.queue.deadline(http_request.scope.get(RECEIVED_AT) if http_request else None)
