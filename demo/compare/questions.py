"""What a person asks of a photo that has been explained: is it on the animal, how faithful, why not that class?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from camcore.errors import BoxesError, CamError
from camcore.explainer import Explainer
from camcore.methods.grad_cam import MethodName
from camcore.metrics.agreement import Agreement, agreement
from camcore.metrics.faithfulness import Faithfulness
from camcore.metrics.localisation import Box, Target
from camcore.metrics.verdict import TargetEvidence
from camcore.options import ExplainOptions
from camcore.results import Explanation
from demo.compare import text
from demo.compare.session import FinishedExplanation, Session, choose_class, judge
from demo.service import messages
from demo.service.models import Models

PERCENT = 100
Edges = tuple[float | None, float | None, float | None, float | None]
NO_EDGES: Edges = (None, None, None, None)


@dataclass(frozen=True)
class MarkedBox:
    """The box as the page shows it: its edges in percent, a message, and what it tells once there are maps."""

    edges: Edges = NO_EDGES
    message: str = ""
    verdict: str = ""
    target_evidence: TargetEvidence | None = None


@dataclass(frozen=True)
class FaithfulnessAnswer:
    """How faithful the maps are, in their order, and how far they agree; both None with a message."""

    explanations: tuple[Explanation, ...] = ()
    faithful: Sequence[Faithfulness | None] = ()
    agreed: Agreement | None = None
    message: str = ""


@dataclass(frozen=True)
class ContrastAnswer:
    """The maps of both directions so far, in two dictionaries by method; a message if there are none."""

    finished: FinishedExplanation | None = None
    sides: tuple[Mapping[MethodName, Explanation], ...] = field(default=({}, {}))
    message: str = ""


def click(session: Session, x: float, y: float) -> MarkedBox:
    """A click on the photo, in its pixels: the first corner of a box, or the second, which makes it."""
    if session.view is None:
        return MarkedBox(message=text.TOO_EARLY)
    width, height = session.view.photo_size
    corner = (min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0))
    if session.corner is None:
        session.corner = corner
        return MarkedBox(_edges(session), text.OTHER_CORNER, *_told(session))
    first, session.corner = session.corner, None
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(first, corner, strict=True))
    return _mark(session, Box(left, top, right, bottom))


def type_edges(session: Session, edges: Edges) -> MarkedBox:
    """A box by its edges in percent; while one is missing, none."""
    session.corner = None
    if any(edge is None for edge in edges):
        session.boxes = ()
        return MarkedBox(edges, "", *_told(session))
    return _mark(session, Box(*((edge or 0.0) / PERCENT for edge in edges)), edges)


def clear(session: Session) -> MarkedBox:
    """No box."""
    session.boxes, session.corner = (), None
    return MarkedBox(NO_EDGES, "", *_told(session))


def measure(models: Models, session: Session) -> FaithfulnessAnswer:
    """How faithful the maps shown are."""
    finished = session.finished
    if finished is None:
        return FaithfulnessAnswer(message=text.TOO_EARLY)
    try:
        with models.queue.acquire(models.queue.deadline()):
            explainer = models.explainer(finished.request.model)
            faithful = explainer.faithfulness(finished.forward_pass, finished.explanations)
    except CamError as error:
        return FaithfulnessAnswer(message=messages.sentence(error))
    agreed = agreement([explanation.heatmap for explanation in finished.explanations])
    return FaithfulnessAnswer(finished.explanations, faithful, agreed)


def contrast(models: Models, session: Session, wanted: str | int | None) -> Iterator[ContrastAnswer]:
    """Yield the maps of the explained class rather than another, and the reverse, as they are ready."""
    finished = session.finished
    if finished is None:
        yield ContrastAnswer(message=text.TOO_EARLY)
        return
    try:
        explainer = models.explainer(finished.request.model)
        other, problem = choose_class(explainer, "" if wanted is None else wanted)
        if other is None:
            yield ContrastAnswer(message=problem)
            return
        this = finished.explanations[0].class_idx
        sides: tuple[dict[MethodName, Explanation], ...] = ({}, {})
        deadline = models.queue.deadline()
        with models.queue.acquire(deadline):
            for side, class_idx, contrast_idx in ((sides[0], this, other), (sides[1], other, this)):
                for explanation in _steps(explainer, finished, class_idx, contrast_idx):
                    deadline.check()
                    if session.finished is not finished:  # something else is wanted by now
                        return
                    side[explanation.method] = explanation
                    if explanation.complete:
                        yield ContrastAnswer(finished, tuple(map(dict, sides)))
    except CamError as error:
        yield ContrastAnswer(message=messages.sentence(error))


def _steps(
    explainer: Explainer, finished: FinishedExplanation, class_idx: int, contrast_idx: int
) -> Iterator[Explanation]:
    definition = finished.request.options.definition
    return explainer.stream(finished.forward_pass, ExplainOptions(class_idx, contrast_idx, definition))


def _mark(session: Session, box: Box, edges: Edges | None = None) -> MarkedBox:
    try:
        Target.of_boxes([box])
    except BoxesError:
        session.boxes = ()
        return MarkedBox(edges or NO_EDGES, text.NO_BOX, *_told(session))
    session.boxes = (box,)
    return MarkedBox(edges or _edges(session), "", *_told(session))


def _edges(session: Session) -> Edges:
    if not session.boxes:
        return NO_EDGES
    left, top, right, bottom = (round(PERCENT * edge, 1) for edge in session.boxes[0])
    return left, top, right, bottom


def _told(session: Session) -> tuple[str, TargetEvidence | None]:
    if session.finished is None:
        return "", None
    verdict, target_evidence = judge(session.finished, session.boxes)
    return verdict.sentence, target_evidence
