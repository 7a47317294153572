"""What a person asks of a photo that has been explained: is it on the animal, how faithful, why not that class?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from camcore.errors import BoxesError, CamError
from camcore.explainer import Explainer
from camcore.methods.grad_cam import MethodName
from camcore.metrics.agreement import Agreement, agreement
from camcore.metrics.faithfulness import Faithfulness
from camcore.metrics.localisation import Box, Target
from camcore.metrics.verdict import Sight
from camcore.results import Explanation
from demo.compare import text
from demo.compare.session import Outcome, Visit, choose_class, judge, sentence
from demo.service.models import Models

PERCENT = 100
Edges = tuple[float | None, float | None, float | None, float | None]
NO_EDGES: Edges = (None, None, None, None)


@dataclass(frozen=True)
class Marked:
    """The box as the page shows it: its edges in percent, a message, and what it tells once there are maps."""

    edges: Edges = NO_EDGES
    message: str = ""
    verdict: str = ""
    sight: Sight | None = None


@dataclass(frozen=True)
class Evidence:
    """How faithful the maps are, in their order, and how far they agree; both None with a message."""

    explanations: tuple[Explanation, ...] = ()
    faithful: Sequence[Faithfulness | None] = ()
    agreed: Agreement | None = None
    message: str = ""


@dataclass(frozen=True)
class Contrast:
    """The maps of both directions so far, in two dictionaries by method; a message if there are none."""

    outcome: Outcome | None = None
    sides: tuple[Mapping[MethodName, Explanation], ...] = field(default=({}, {}))
    message: str = ""


def click(visit: Visit, x: float, y: float) -> Marked:
    """A click on the photo, in its pixels: the first corner of a box, or the second, which makes it."""
    if visit.view is None:
        return Marked(message=text.TOO_EARLY)
    width, height = visit.view.photo_size
    corner = (min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0))
    if visit.corner is None:
        visit.corner = corner
        return Marked(_edges(visit), text.OTHER_CORNER, *_told(visit))
    first, visit.corner = visit.corner, None
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(first, corner, strict=True))
    return _mark(visit, Box(left, top, right, bottom))


def type_edges(visit: Visit, edges: Edges) -> Marked:
    """A box by its edges in percent; while one is missing, none."""
    visit.corner = None
    if any(edge is None for edge in edges):
        visit.boxes = ()
        return Marked(edges, "", *_told(visit))
    return _mark(visit, Box(*((edge or 0.0) / PERCENT for edge in edges)), edges)


def clear(visit: Visit) -> Marked:
    """No box."""
    visit.boxes, visit.corner = (), None
    return Marked(NO_EDGES, "", *_told(visit))


def measure(models: Models, visit: Visit) -> Evidence:
    """How faithful the maps shown are."""
    outcome = visit.outcome
    if outcome is None:
        return Evidence(message=text.TOO_EARLY)
    try:
        with models.line.turn(models.line.deadline()):
            explainer = models.explainer(outcome.request.model)
            faithful = explainer.faithfulness(outcome.passed, outcome.explanations)
    except CamError as error:
        return Evidence(message=sentence(error))
    agreed = agreement([explanation.heatmap for explanation in outcome.explanations])
    return Evidence(outcome.explanations, faithful, agreed)


def contrast(models: Models, visit: Visit, wanted: str | int | None) -> Iterator[Contrast]:
    """Yield the maps of the explained class rather than another, and the reverse, as they are ready."""
    outcome = visit.outcome
    if outcome is None:
        yield Contrast(message=text.TOO_EARLY)
        return
    try:
        explainer = models.explainer(outcome.request.model)
        other, problem = choose_class(explainer, "" if wanted is None else wanted)
        if other is None:
            yield Contrast(message=problem)
            return
        this = outcome.explanations[0].class_idx
        sides: tuple[dict[MethodName, Explanation], ...] = ({}, {})
        deadline = models.line.deadline()
        with models.line.turn(deadline):
            for side, asked, against in ((sides[0], this, other), (sides[1], other, this)):
                for explanation in _steps(explainer, outcome, asked, against):
                    deadline.check()
                    if visit.outcome is not outcome:  # something else is wanted by now
                        return
                    side[explanation.method] = explanation
                    if explanation.complete:
                        yield Contrast(outcome, tuple(map(dict, sides)))
    except CamError as error:
        yield Contrast(message=sentence(error))


def _steps(explainer: Explainer, outcome: Outcome, asked: int, against: int) -> Iterator[Explanation]:
    definition = outcome.request.definition
    return explainer.stream(outcome.passed, asked, rather_than=against, definition=definition, effort="fast")


def _mark(visit: Visit, box: Box, edges: Edges | None = None) -> Marked:
    try:
        Target.of_boxes([box])
    except BoxesError:
        visit.boxes = ()
        return Marked(edges or NO_EDGES, text.NO_BOX, *_told(visit))
    visit.boxes = (box,)
    return Marked(edges or _edges(visit), "", *_told(visit))


def _edges(visit: Visit) -> Edges:
    if not visit.boxes:
        return NO_EDGES
    left, top, right, bottom = (round(PERCENT * edge, 1) for edge in visit.boxes[0])
    return left, top, right, bottom


def _told(visit: Visit) -> tuple[str, Sight | None]:
    if visit.outcome is None:
        return "", None
    verdict, sight = judge(visit.outcome, visit.boxes)
    return verdict.sentence, sight
