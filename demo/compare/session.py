"""From what a person did to what the page shows."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from camcore.errors import CamError, ClassError
from camcore.explainer import Explainer
from camcore.formatting import extent, seconds
from camcore.images.photo import open_photo
from camcore.images.preprocess import View
from camcore.methods.grad_cam import MethodName
from camcore.metrics.assessment import assess, locate_heat
from camcore.metrics.localisation import Box
from camcore.metrics.verdict import TargetEvidence, Verdict
from camcore.model.classes import find_class
from camcore.options import ExplainOptions
from camcore.results import Explanation, ForwardPass, Prediction
from demo.compare import text
from demo.service import messages
from demo.service.models import Models
from demo.service.queue import RequestTimeoutError

logger = logging.getLogger(__name__)

_REPAINT_EVERY = 0.35  # seconds: often enough to watch and to stop, seldom enough not to cost


@dataclass(frozen=True)
class PageState:
    """All that the page shows of one photo and class; `class_idx` is None until it is known.

    A plate that is not `due` need not be shown: the next one follows within a chunk.
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
    due: bool = True


@dataclass(frozen=True)
class ExplainRequest:
    """What a visitor asked for; the time makes each request different from the one before.

    Attributes:
        path: of the photo; None if there is none.
        options: class, and how it is explained.
        model: name of the model; None for the first.
        made_at: `time.monotonic()` at which it was made.
    """

    path: str | None = None
    options: ExplainOptions = field(default_factory=ExplainOptions)
    model: str | None = None
    made_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class FinishedExplanation:
    """What has been found of a request, once all of it is."""

    request: ExplainRequest
    forward_pass: ForwardPass
    predictions: tuple[Prediction, ...]
    explanations: tuple[Explanation, ...]


@dataclass
class Session:
    """What one visitor wants now: the newest request, or None once stopped. A run ends when it is no longer that.

    `outcome` is what was found last, None until then and while something else is being looked for; `view` is what the
    model sees of the photo, `boxes` what was marked on it, and `corner` the first corner of a box, as fractions;
    `linked` is the class that the next photo is to be explained for, if a link asked for one, and what to say of it;
    `photos` tells the upload that a picture on the page stands for, where browsers do not show the upload itself.
    """

    wanted: ExplainRequest | None = None
    started: ExplainRequest | None = None
    finished: FinishedExplanation | None = None
    view: View | None = None
    boxes: tuple[Box, ...] = ()
    corner: tuple[float, float] | None = None
    linked: tuple[int | None, str] = (None, "")
    photos: dict[str, str] = field(default_factory=dict)

    def is_current(self, request: ExplainRequest) -> bool:
        """Whether that request is still the newest."""
        return self.wanted == request

    def begin(self, request: ExplainRequest) -> bool:
        """Whether to run that request: the newest, and only once, for gradio may fire one change twice."""
        begins = self.is_current(request) and self.started != request
        self.started = request
        if begins:
            self.finished = None
        return begins


def choose_class(explainer: Explainer, wanted: str | int) -> tuple[int | None, str]:
    """The class meant by what was chosen or typed, or None and a sentence that says what is wrong with it."""
    try:
        return find_class(explainer.manifest.labels, wanted), ""
    except ClassError as error:
        return None, messages.sentence(error)


def explain(models: Models, session: Session, request: ExplainRequest) -> Iterator[PageState]:
    """Yield the page as it fills: predictions, the gradient maps, then Score-CAM as it grows.

    What goes wrong is said on the plate, never raised. The work ends within a chunk when the visitor stops it or asks
    for something else, or when the generator is closed. A run that begins after that, or a second time, shows nothing.
    """
    if not session.begin(request):
        return
    if request.path is None:
        yield PageState()
        return
    state = PageState(status=text.LOOKING, running=True)
    yield state
    deadline = models.queue.deadline(request.made_at)
    try:
        with models.queue.acquire(deadline):
            for state in _fill(models.explainer(request.model), session, request):
                if session.wanted is None:
                    yield replace(state, status=text.STOPPED, running=False)
                if not session.is_current(request):
                    return
                if state.due:
                    yield state
                deadline.check()
    except RequestTimeoutError as error:
        yield replace(state, status=messages.sentence(error), running=False)
    except CamError as error:
        yield PageState(photo_message=messages.sentence(error), status="")
    except Exception:
        logger.exception("explaining failed")
        yield PageState(status=messages.FAILED)


def _fill(explainer: Explainer, session: Session, request: ExplainRequest) -> Iterator[PageState]:
    photo = open_photo(Path(request.path or ""))
    start = time.perf_counter()
    forward_pass = explainer.forward(photo, request.options.resize_mode)
    session.view = forward_pass.view
    predictions = tuple(explainer.predict(forward_pass))
    class_idx = predictions[0].class_idx if request.options.class_idx is None else request.options.class_idx
    state = PageState(predictions, class_idx, forward_pass.view, status=text.LOOKING, running=True)
    yield state
    shown = time.perf_counter()
    for explanation in explainer.stream(forward_pass, request.options):
        due = explanation.forwards is None or time.perf_counter() - shown > _REPAINT_EVERY
        state = replace(_with(state, explanation), due=due)
        yield state
        if due:
            shown = time.perf_counter()
    spent = time.perf_counter() - start
    session.finished = FinishedExplanation(request, forward_pass, predictions, tuple(state.explanations.values()))
    verdict, target_evidence = judge(session.finished, session.boxes)
    said = text.done(explainer.manifest.labels[class_idx], seconds(spent))
    yield replace(
        state, status=said, running=False, due=True, verdict=verdict.sentence, target_evidence=target_evidence
    )


def _with(state: PageState, explanation: Explanation) -> PageState:
    status = state.status
    if explanation.forwards is not None:
        status = text.running(extent(explanation))
    return replace(state, explanations={**state.explanations, explanation.method: explanation}, status=status)


def judge(finished: FinishedExplanation, boxes: Sequence[Box] = ()) -> tuple[Verdict, TargetEvidence | None]:
    """What the figures of a finished request say, with the boxes marked on the photo, if any."""
    target_evidence = locate_heat(boxes, finished.forward_pass.view, finished.explanations, messages.TARGET)
    verdict, _ = assess(finished.predictions[0], finished.explanations, target_evidence)
    return verdict, target_evidence
