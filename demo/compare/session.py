"""One visitor's session on the tab Compare: the explanation of a photo, step by step."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from camcore.errors import CamError, ClassError
from camcore.explainer import Explainer
from camcore.formatting import seconds
from camcore.images.preprocess import ResizeMode, View
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.metrics.assessment import assess, locate_heat
from camcore.metrics.localisation import Box
from camcore.metrics.verdict import TargetEvidence
from camcore.model.classes import find_class
from camcore.options import ExplainOptions
from camcore.results import Explanation, ForwardPass, Prediction
from demo.compare import text
from demo.service import messages
from demo.service.models import Models
from demo.service.queue import RequestTimeoutError

logger = logging.getLogger(__name__)

_REPAINT_INTERVAL = 0.35  # seconds: short enough to watch the map grow and to stop it, long enough to cost little


@dataclass(frozen=True)
class PageState:
    """What the page shows of one photo and class.

    `class_idx` is the explained class, None until it is determined; `view` is what the model sees of the photo.
    `target_evidence` is how much of the heat is on the marked animal. `running` says whether the explanation goes on;
    `repaint` is false if the page need not be drawn, because a newer state follows within a chunk.
    """

    predictions: tuple[Prediction, ...] = ()
    class_idx: int | None = None
    view: View | None = None
    verdict: str = ""
    target_evidence: TargetEvidence | None = None
    explanations: Mapping[MethodName, Explanation] = field(default_factory=dict)
    status: str = text.BEGIN
    photo_message: str = ""
    running: bool = False
    repaint: bool = True


@dataclass(frozen=True)
class ExplainRequest:
    """A visitor's request to explain the photo at `path`, if there is one, by a model, or by the first of them.

    The time at which it was made, by `time.monotonic()`, makes each request different from the one before.
    """

    path: str | None = None
    options: ExplainOptions = field(default_factory=ExplainOptions)
    model: str | None = None
    made_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class FinishedExplanation:
    """A request and its complete results."""

    request: ExplainRequest
    forward_pass: ForwardPass
    predictions: tuple[Prediction, ...]
    explanations: tuple[Explanation, ...]


@dataclass
class Session:
    """The state of one visitor.

    `newest` is None after Stop; the explanation of any other request ends. `started` is the request that was started
    last, and `finished` its results, None until they are complete. What the visitor marked is in `boxes`, and in
    `corner` the first corner (x, y) of the next box, in fractions of the photo. `linked_class` is the class that a link
    names for the next photo, and a message about it, and `linked_boxes` are the boxes of the next photo. `originals`
    has the upload that a picture on the page stands for, if browsers do not show the upload itself. `visited` has the
    explained requests by the entries of the browser's history that show them.
    """

    newest: ExplainRequest | None = None
    started: ExplainRequest | None = None
    finished: FinishedExplanation | None = None
    view: View | None = None
    boxes: tuple[Box, ...] = ()
    corner: tuple[float, float] | None = None
    linked_class: tuple[int | None, str] = (None, "")
    linked_boxes: tuple[Box, ...] = ()
    visited: dict[str, ExplainRequest] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)

    def start(self, request: ExplainRequest) -> bool:
        """Mark a request as started, and return whether to explain it.

        A request is explained only if it is the newest, and only once: Gradio may report one change twice.
        """
        is_new = self.newest == request and self.started != request
        self.started = request
        if is_new:
            self.finished = None
        return is_new


def choose_class(labels: Sequence[str], query: str | int) -> tuple[int | None, str]:
    """Return the index of the class that a visitor chose or typed, or None and a message that says what is wrong."""
    try:
        return find_class(labels, query), ""
    except ClassError as error:
        return None, messages.sentence(error)


def prepare_photo(
    models: Models, session: Session, path: Path, resize_mode: ResizeMode, model: str | None
) -> str | None:
    """Decode a photo before its explanation waits for the model, and return the path of a copy to show in its place.

    The copy is None for a photo that browsers show. An error is left for `explain` to report.
    """
    deadline = models.queue.deadline()
    with suppress(CamError):
        steps = models.explainer(model).manifest.preprocessing
        models.photos.view(id(session), path, steps, resize_mode, deadline)
        copy = models.photos.displayable_copy(id(session), path, deadline)
        return None if copy is None else str(copy)
    return None


def explain(models: Models, session: Session, request: ExplainRequest) -> Iterator[PageState]:
    """Yield the state of the page as it fills: predictions, the gradient maps, then Score-CAM as it grows.

    Errors become a message of the state and are never raised. The work ends within a chunk if the visitor stops it or
    makes another request, or if the generator is closed. A request that is not the newest, or was started before,
    yields nothing.
    """
    if not session.start(request):
        return
    if request.path is None:
        yield PageState()
        return
    state = PageState(status=text.LOOKING, running=True)
    yield state
    deadline = models.queue.deadline(request.made_at)
    try:
        explainer, path, resize_mode = models.explainer(request.model), Path(request.path), request.options.resize_mode
        view = models.photos.view(id(session), path, explainer.manifest.preprocessing, resize_mode, deadline)
        with models.queue.acquire(deadline):
            for state in _fill(explainer, view, session, request):
                if session.newest is None:
                    yield replace(state, status=text.STOPPED, running=False)
                if session.newest != request:
                    return
                if state.repaint:
                    yield state
                deadline.check()
    except RequestTimeoutError as error:
        yield replace(state, status=messages.sentence(error), running=False)
    except CamError as error:
        yield PageState(photo_message=messages.sentence(error), status="")
    except Exception:
        logger.exception("explaining a photo failed")
        yield PageState(status=messages.FAILED)


def _fill(explainer: Explainer, view: View, session: Session, request: ExplainRequest) -> Iterator[PageState]:
    start = time.perf_counter()
    forward_pass = explainer.forward(view)
    session.view = view
    predictions = tuple(explainer.predict(forward_pass))
    class_idx = predictions[0].class_idx if request.options.class_idx is None else request.options.class_idx
    state = PageState(predictions, class_idx, forward_pass.view, status=text.LOOKING, running=True)
    yield state
    painted_at = time.perf_counter()
    for explanation in explainer.stream(forward_pass, request.options):
        repaint, status = True, state.status
        if explanation.forwards is not None:
            repaint = time.perf_counter() - painted_at > _REPAINT_INTERVAL
            status = f"{METHODS[explanation.method].title} so far: {text.runs(explanation)}."
        explanations = {**state.explanations, explanation.method: explanation}
        state = replace(state, explanations=explanations, status=status, repaint=repaint)
        yield state
        if repaint:
            painted_at = time.perf_counter()
    duration = time.perf_counter() - start
    session.finished = FinishedExplanation(request, forward_pass, predictions, tuple(state.explanations.values()))
    verdict, target_evidence = assess_finished(session.finished, session.boxes)
    status = f"Done: all heatmaps for “{explainer.manifest.labels[class_idx]}” in {seconds(duration)}."
    yield replace(state, status=status, running=False, repaint=True, verdict=verdict, target_evidence=target_evidence)


def assess_finished(finished: FinishedExplanation, boxes: Sequence[Box]) -> tuple[str, TargetEvidence | None]:
    """Return the verdict on a finished explanation, and how much of the heat is in the boxes, if there are any."""
    target_evidence = locate_heat(boxes, finished.forward_pass.view, finished.explanations, messages.TARGET)
    verdict, _ = assess(finished.predictions[0], finished.explanations, target_evidence)
    return verdict.sentence, target_evidence
