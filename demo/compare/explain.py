"""The explanation of a photo on the tab Compare, step by step."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from camcore.errors import CamError
from camcore.explainer import Explainer
from camcore.formatting import seconds
from camcore.images.preprocess import View
from camcore.methods.method_table import METHODS
from camcore.metrics.assessment import assess, locate_heat
from camcore.metrics.evidence import TargetEvidence
from camcore.metrics.localisation import Target
from camcore.model.manifest import ResizeMode
from camcore.results import Explanation
from camcore.trust_record import cautions, trust_record
from camcore.types import Box
from demo.compare import text
from demo.compare.session import ExplainRequest, FinishedExplanation, PageState, Session
from demo.service import messages
from demo.service.models import Models
from demo.service.queue import Deadline, QueuedRequest, RequestTimeoutError

logger = logging.getLogger(__name__)

_REPAINT_INTERVAL = 0.35  # seconds: short enough to watch the map grow and to stop it, long enough to cost little


def prepare_photo(
    models: Models, session: Session, path: Path, resize_mode: ResizeMode | None, model: str | None
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
    state = PageState(status=text.LOOKING, running=True, more_methods=request.more_methods)
    yield state
    deadline = models.queue.deadline(request.made_at)
    try:
        explainer, path, resize_mode = models.explainer(request.model), Path(request.path), request.options.resize_mode
        view = models.photos.view(
            id(session), path, explainer.manifest.preprocessing, resize_mode, deadline, boxes=session.boxes
        )
        with models.queue.enter() as queued:
            yield from _wait(queued, session, request, deadline)
            if session.newest == request:
                yield from _fill(explainer, view, session, request, deadline)
    except RequestTimeoutError as error:
        yield replace(state, status=messages.sentence(error), running=False)
    except CamError as error:
        yield PageState(photo_message=messages.sentence(error), status="")
    except Exception:
        logger.exception("explaining a photo failed")
        yield PageState(status=messages.FAILED)


def _wait(queued: QueuedRequest, session: Session, request: ExplainRequest, deadline: Deadline) -> Iterator[PageState]:
    """Yield how many requests come first, until the model is free or the request is no longer the newest."""
    state = PageState(running=True, more_methods=request.more_methods)
    for ahead in queued.ahead(deadline):
        if session.newest != request:
            break
        if state.status != (status := text.waiting(ahead)):
            state = replace(state, status=status)
            yield state
    if session.newest is None:
        yield PageState(status=text.STOPPED, more_methods=request.more_methods)


def _fill(
    explainer: Explainer, view: View, session: Session, request: ExplainRequest, deadline: Deadline
) -> Iterator[PageState]:
    """Yield the states from the predictions to the verdict, which is on the heatmaps so far if the visitor stops."""
    start = time.perf_counter()
    forward_pass = explainer.forward(view)
    if session.newest not in (None, request):
        return
    session.view = view
    predictions = tuple(explainer.predict(forward_pass))
    class_idx = predictions[0].class_idx if request.options.class_idx is None else request.options.class_idx
    undefined = explainer.undefined_methods(forward_pass, request.methods)
    state = PageState(
        predictions, class_idx, forward_pass.view, more_methods=request.more_methods, undefined=undefined,
        status=text.LOOKING, running=True,
    )  # fmt: skip
    yield state
    painted_at = time.perf_counter()
    methods = [method for method in request.methods if method not in undefined]
    for explanation in explainer.stream(forward_pass, request.options, methods):
        state = _with_explanation(state, explanation)
        if session.newest != request or deadline.left == 0:
            break
        if explanation.forwards is None or time.perf_counter() - painted_at > _REPAINT_INTERVAL:
            yield state
            painted_at = time.perf_counter()
    explanations = tuple(state.explanations[method] for method in methods if method in state.explanations)
    if session.newest == request and deadline.left:
        duration = seconds(time.perf_counter() - start)
        status = f"Done: all heatmaps for “{explainer.manifest.labels[class_idx]}” in {duration}."
    elif session.newest in (None, request):
        status = text.stopped(explanations, deadline.timeout if session.newest else None)
    else:
        return
    state = replace(state, status=status, running=False)
    if not explanations:
        yield state
        return
    finished = FinishedExplanation(request, forward_pass, predictions, explanations)
    yield replace(state, target_evidence=assess_finished(finished, session.boxes)[1])
    yield from _judge(explainer, session, finished, state)


def _judge(
    explainer: Explainer, session: Session, finished: FinishedExplanation, state: PageState
) -> Iterator[PageState]:
    """Keep what has been computed, and yield the state with the verdict, for which the model runs once more."""
    maps = session.first_choice_maps(finished)
    boxes = session.boxes
    target = Target.of_boxes(boxes) if boxes else None
    checks = explainer.cross_check(finished.forward_pass, finished.explanations, maps, target)
    caution = cautions(trust_record(explainer, finished.forward_pass, finished.explanations))
    if session.newest in (None, finished.request):
        if session.boxes != boxes:  # another box was marked meanwhile, about which the model is asked in its turn
            checks = replace(checks, counterfactuals=None)
        finished = replace(finished, checks=checks, caution=caution)
        session.finish(finished)
        verdict, target_evidence = assess_finished(finished, session.boxes)
        state = replace(state, verdict=verdict, caution=caution, target_evidence=target_evidence)
        yield replace(state, counterfactuals=checks.counterfactuals)


def _with_explanation(state: PageState, explanation: Explanation) -> PageState:
    status = state.status
    if explanation.forwards is not None:
        status = f"{METHODS[explanation.method].title} so far: {text.runs(explanation)}."
    return replace(state, explanations={**state.explanations, explanation.method: explanation}, status=status)


def assess_finished(finished: FinishedExplanation, boxes: Sequence[Box]) -> tuple[str, TargetEvidence | None]:
    """Return the verdict on a finished explanation, and how much of the heat is in the boxes, if there are any."""
    target_evidence = locate_heat(boxes, finished.forward_pass.view, finished.explanations, messages.TARGET)
    verdict, _ = assess(finished.predictions[0], finished.explanations, target_evidence, checks=finished.checks)
    return verdict.sentence, target_evidence
