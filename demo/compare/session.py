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
from camcore.images.preprocess import Fit, View
from camcore.methods.effort import Effort
from camcore.methods.grad_cam import MethodName
from camcore.methods.score_cam import DefinitionName
from camcore.metrics.assessment import see, weigh
from camcore.metrics.localisation import Box
from camcore.metrics.verdict import Sight, Verdict
from camcore.model.classes import find_class
from camcore.results import Explanation, ForwardPass, Prediction
from demo.compare import text
from demo.service.models import Models
from demo.service.queue import LateError

logger = logging.getLogger(__name__)

_REPAINT_EVERY = 0.35  # seconds: often enough to watch and to stop, seldom enough not to cost


@dataclass(frozen=True)
class Plate:
    """All that the page shows of one photo and class; `class_idx` is None until it is known.

    A plate that is not `due` need not be shown: the next one follows within a chunk.
    """

    predictions: tuple[Prediction, ...] = ()
    class_idx: int | None = None
    view: View | None = None
    verdict: str = ""
    sight: Sight | None = None
    explanations: Mapping[MethodName, Explanation] = field(default_factory=dict)
    status: str = text.BEGIN
    photo_message: str = ""
    running: bool = False
    due: bool = True


@dataclass(frozen=True)
class Request:
    """What was asked for, and when, so that asking again is new; `class_idx` None means the most probable class."""

    path: str | None = None
    class_idx: int | None = None
    definition: DefinitionName = "paper"
    fit: Fit = "crop"
    effort: Effort = "fast"
    model: str | None = None
    made_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Outcome:
    """What has been found of a request, once all of it is."""

    request: Request
    passed: ForwardPass
    predictions: tuple[Prediction, ...]
    explanations: tuple[Explanation, ...]


@dataclass
class Visit:
    """What one visitor wants now: the newest request, or None once stopped. A run ends when it is no longer that.

    `outcome` is what was found last, None until then and while something else is being looked for; `view` is what the
    model sees of the photo, `boxes` what was marked on it, and `corner` the first corner of a box, as fractions;
    `linked` is the class that the next photo is to be explained for, if a link asked for one, and what to say of it;
    `photos` tells the upload that a picture on the page stands for, where browsers do not show the upload itself.
    """

    wanted: Request | None = None
    begun: Request | None = None
    outcome: Outcome | None = None
    view: View | None = None
    boxes: tuple[Box, ...] = ()
    corner: tuple[float, float] | None = None
    linked: tuple[int | None, str] = (None, "")
    photos: dict[str, str] = field(default_factory=dict)

    def wants(self, request: Request) -> bool:
        """Whether that request is still the newest."""
        return self.wanted == request

    def begin(self, request: Request) -> bool:
        """Whether to run that request: the newest, and only once, for gradio may fire one change twice."""
        begins = self.wants(request) and self.begun != request
        self.begun = request
        if begins:
            self.outcome = None
        return begins


def choose_class(explainer: Explainer, wanted: str | int) -> tuple[int | None, str]:
    """The class meant by what was chosen or typed, or None and a sentence that says what is wrong with it."""
    try:
        return find_class(explainer.manifest.labels, wanted), ""
    except ClassError as error:
        return None, sentence(error)


def explain(models: Models, visit: Visit, request: Request) -> Iterator[Plate]:
    """Yield the page as it fills: predictions, the gradient maps, then Score-CAM as it grows.

    What goes wrong is said on the plate, never raised. The work ends within a chunk when the visitor stops it or asks
    for something else, or when the generator is closed. A run that begins after that, or a second time, shows nothing.
    """
    if not visit.begin(request):
        return
    if request.path is None:
        yield Plate()
        return
    plate = Plate(status=text.LOOKING, running=True)
    yield plate
    deadline = models.line.deadline(request.made_at)
    try:
        with models.line.turn(deadline):
            for plate in _fill(models.explainer(request.model), visit, request):
                if visit.wanted is None:
                    yield replace(plate, status=text.STOPPED, running=False)
                if not visit.wants(request):
                    return
                if plate.due:
                    yield plate
                deadline.check()
    except LateError as error:
        yield replace(plate, status=sentence(error), running=False)
    except CamError as error:
        yield Plate(photo_message=sentence(error), status="")
    except Exception:
        logger.exception("explaining failed")
        yield Plate(status=text.FAILED)


def _fill(explainer: Explainer, visit: Visit, request: Request) -> Iterator[Plate]:
    photo = open_photo(Path(request.path or ""))
    start = time.perf_counter()
    passed = explainer.forward(photo, request.fit)
    visit.view = passed.view
    predictions = tuple(explainer.predict(passed))
    class_idx = predictions[0].class_idx if request.class_idx is None else request.class_idx
    plate = Plate(predictions, class_idx, passed.view, status=text.LOOKING, running=True)
    yield plate
    shown = time.perf_counter()
    for explanation in explainer.stream(passed, class_idx, definition=request.definition, effort=request.effort):
        due = explanation.forwards is None or time.perf_counter() - shown > _REPAINT_EVERY
        plate = replace(_with(plate, explanation), due=due)
        yield plate
        if due:
            shown = time.perf_counter()
    spent = time.perf_counter() - start
    visit.outcome = Outcome(request, passed, predictions, tuple(plate.explanations.values()))
    verdict, sight = judge(visit.outcome, visit.boxes)
    said = text.done(explainer.manifest.labels[class_idx], seconds(spent))
    yield replace(plate, status=said, running=False, due=True, verdict=verdict.sentence, sight=sight)


def _with(plate: Plate, explanation: Explanation) -> Plate:
    status = plate.status
    if explanation.forwards is not None:
        status = text.running(extent(explanation))
    return replace(plate, explanations={**plate.explanations, explanation.method: explanation}, status=status)


def judge(outcome: Outcome, boxes: Sequence[Box] = ()) -> tuple[Verdict, Sight | None]:
    """What the figures of a finished request say, with the boxes marked on the photo, if any."""
    sight = see(boxes, outcome.passed.view, outcome.explanations, text.TARGET)
    verdict, _ = weigh(outcome.predictions[0], outcome.explanations, sight)
    return verdict, sight


def sentence(error: Exception) -> str:
    """What an error says, as a sentence for the page."""
    message = str(error)
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")
