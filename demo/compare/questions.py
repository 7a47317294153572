"""Answers to questions about an explained photo: is the heat on the animal, are maps faithful, why this class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from camcore.errors import BoxesError, CamError
from camcore.explainer import Explainer
from camcore.images.worker import DISPLAY_SIDE
from camcore.methods.method_table import MethodName
from camcore.metrics import agreement
from camcore.metrics.agreement import Agreement
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.evidence import TargetEvidence
from camcore.metrics.faithfulness import Faithfulness
from camcore.metrics.localisation import Target
from camcore.options import ExplainOptions
from camcore.results import Explanation
from camcore.types import Box
from demo.compare import text
from demo.compare.explain import assess_finished
from demo.compare.session import FinishedExplanation, Session, choose_class
from demo.service import messages
from demo.service.models import Models

Edges = tuple[float | None, float | None, float | None, float | None]
NO_EDGES: Edges = (None, None, None, None)


@dataclass(frozen=True)
class MarkedBox:
    """The box as the page shows it: its edges in percent and a message, with the verdict once there are heatmaps.

    The verdict does not say yet what the model answers to parts of the photo: see `ask_again`.
    """

    edges: Edges = NO_EDGES
    message: str = ""
    verdict: str = ""
    target_evidence: TargetEvidence | None = None


@dataclass(frozen=True)
class FaithfulnessAnswer:
    """How faithful the heatmaps and the baselines are, and how far the heatmaps agree; None if there is a message."""

    explanations: tuple[Explanation, ...] = ()
    faithfulness: Mapping[str, Faithfulness | None] = field(default_factory=dict)  # by method or baseline
    agreement: Agreement | None = None
    message: str = ""


@dataclass(frozen=True)
class ContrastAnswer:
    """The heatmaps of both directions so far, in two dictionaries by method, or a message if there are none."""

    finished: FinishedExplanation | None = None
    directions: tuple[Mapping[MethodName, Explanation], ...] = ({}, {})
    message: str = ""


def click(session: Session, x: float, y: float) -> MarkedBox:
    """Take a click on the photo, in its pixels, as the first corner of a box, or as the second, and return the box."""
    if session.view is None:
        return MarkedBox(message=text.TOO_EARLY)
    # A copy that is shown in place of the photo may be smaller than the photo.
    scale = min(DISPLAY_SIDE / max(session.view.photo_size), 1) if session.originals else 1
    width, height = (scale * side for side in session.view.photo_size)
    corner = (min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0))
    if session.corner is None:
        session.corner = corner
        return MarkedBox(box_edges(session), text.OTHER_CORNER, *_assessment(session))
    first, session.corner = session.corner, None
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(first, corner, strict=True))
    return _mark(session, Box(left, top, right, bottom))


def type_edges(session: Session, edges: Edges) -> MarkedBox:
    """Mark a box by its edges in percent, and return it. While an edge is missing, there is no box.

    A right or bottom edge of 0 is missing too: for fields that were never filled, Gradio may send 0.
    """
    session.corner = None
    if any(edge is None for edge in edges) or not (edges[2] and edges[3]):
        session.boxes = ()
        return MarkedBox(edges, "", *_assessment(session))
    return _mark(session, Box(*((edge or 0.0) / 100 for edge in edges)), edges)


def clear(session: Session) -> MarkedBox:
    """Remove the box, and return the empty one."""
    session.boxes, session.corner = (), None
    return MarkedBox(NO_EDGES, "", *_assessment(session))


def ask_again(models: Models, session: Session) -> tuple[str, Counterfactuals | None] | None:
    """Ask the model about parts of the photo, and return the verdict and the answers; None if nothing has changed.

    The box, or else the hottest fifth of the Score-CAM map, marks the parts.
    """
    finished, boxes = session.finished, session.boxes
    if finished is None or finished.checks.counterfactuals is not None or session.corner is not None:
        return None
    request = finished.request
    try:
        explainer, deadline = models.explainer(request.model), models.queue.deadline()
        view = models.photos.view(
            id(session), Path(request.path or ""), explainer.manifest.preprocessing, request.options.resize_mode,
            deadline, boxes=boxes,
        )  # fmt: skip
        with models.queue.acquire(deadline):
            forward_pass = replace(finished.forward_pass, view=view)
            target = Target.of_boxes(boxes) if boxes else None
            checks = explainer.cross_check(
                forward_pass, finished.explanations, session.first_choice_maps(finished), target
            )
    except CamError:  # the verdict then says nothing about it
        return None
    if session.finished is not finished or session.boxes != boxes:  # the visitor went on
        return None
    session.finished = replace(finished, checks=checks)
    return assess_finished(session.finished, boxes)[0], checks.counterfactuals


def measure(models: Models, session: Session) -> FaithfulnessAnswer:
    """Measure how faithful the heatmaps on the page are, beside heatmaps that know nothing, and return the answer."""
    finished = session.finished
    if finished is None:
        return FaithfulnessAnswer(message=text.TOO_EARLY)
    try:
        with models.queue.acquire(models.queue.deadline()):
            explainer = models.explainer(finished.request.model)
            baselines = explainer.baselines(finished.explanations)
            others = [baseline.heatmaps[0] for baseline in baselines]
            faithfulness = explainer.faithfulness(finished.forward_pass, finished.explanations, others=others)
    except CamError as error:
        return FaithfulnessAnswer(message=messages.sentence(error))
    heatmaps = [explanation.heatmap for explanation in finished.explanations]
    names: list[str] = [item.method for item in finished.explanations]
    names += [baseline.name for baseline in baselines]
    measured = dict(zip(names, faithfulness, strict=True))
    return FaithfulnessAnswer(finished.explanations, measured, agreement.agreement(heatmaps))


def contrast(models: Models, session: Session, query: str) -> Iterator[ContrastAnswer]:
    """Yield the heatmaps of the explained class rather than another, then of the reverse, as they become ready.

    `query` is what the visitor typed as the other class.
    """
    finished = session.finished
    if finished is None or not query.strip():
        yield ContrastAnswer(message=text.TOO_EARLY if finished is None else text.NO_CONTRAST_CLASS)
        return
    try:
        explainer = models.explainer(finished.request.model)
        contrast_idx, problem = choose_class(explainer.manifest.labels, query)
        if contrast_idx is None:
            yield ContrastAnswer(message=problem)
            return
        with models.queue.acquire(deadline := models.queue.deadline()):
            for answer in _answers(explainer, finished, contrast_idx):
                deadline.check()
                if session.finished is not finished:  # the visitor made another request
                    return
                if answer is not None:
                    yield answer
    except CamError as error:
        yield ContrastAnswer(message=messages.sentence(error))


def _answers(explainer: Explainer, finished: FinishedExplanation, contrast_idx: int) -> Iterator[ContrastAnswer | None]:
    """Yield the answer after each heatmap that is complete, and None after each step in between."""
    class_idx, definition = finished.explanations[0].class_idx, finished.request.options.definition
    directions: tuple[dict[MethodName, Explanation], ...] = ({}, {})
    pairs = ((class_idx, contrast_idx), (contrast_idx, class_idx))
    undefined = explainer.undefined_methods(finished.forward_pass, finished.request.methods)
    methods = [method for method in finished.request.methods if method not in undefined]
    for direction, pair in zip(directions, pairs, strict=True):
        for explanation in explainer.stream(finished.forward_pass, ExplainOptions(*pair, definition), methods):
            direction[explanation.method] = explanation
            yield _contrast_so_far(finished, directions, methods) if explanation.complete else None


def _contrast_so_far(
    finished: FinishedExplanation,
    directions: Sequence[Mapping[MethodName, Explanation]],
    methods: Sequence[MethodName],
) -> ContrastAnswer:
    ready = ({method: maps[method] for method in methods if method in maps} for maps in directions)
    return ContrastAnswer(finished, tuple(ready))


def _mark(session: Session, box: Box, edges: Edges | None = None) -> MarkedBox:
    try:
        Target.of_boxes([box])
    except BoxesError:
        session.boxes = ()
        return MarkedBox(edges or NO_EDGES, text.NO_BOX if edges else text.NO_SPAN, *_assessment(session))
    session.boxes = (box,)
    return MarkedBox(edges or box_edges(session), "", *_assessment(session))


def box_edges(session: Session) -> Edges:
    """Return the edges of the first marked box in percent, each None without a box."""
    if not session.boxes:
        return NO_EDGES
    left, top, right, bottom = (round(100 * edge, 1) for edge in session.boxes[0])
    return left, top, right, bottom


def _assessment(session: Session) -> tuple[str, TargetEvidence | None]:
    """Return what is known of the box without the model; its answers about the former box no longer count."""
    if session.finished is None:
        return "", None
    if session.corner is None:
        checks = replace(session.finished.checks, counterfactuals=None)
        session.finished = replace(session.finished, checks=checks)
    return assess_finished(session.finished, session.boxes)
