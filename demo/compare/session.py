"""One visitor's session on the tab Compare: requests, results, and what the page shows of them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from camcore.errors import ClassError
from camcore.images.preprocess import View
from camcore.methods.method_table import DEFAULT_METHODS, MethodName
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.evidence import NO_CHECKS, CrossChecks, TargetEvidence
from camcore.model.classes import find_class
from camcore.options import ExplainOptions
from camcore.results import Explanation, ForwardPass, Prediction
from camcore.types import Box
from demo.compare import text
from demo.service import messages


@dataclass(frozen=True)
class PageState:
    """What the page shows of one photo and class.

    `class_idx` is the explained class, None until it is determined; `view` is what the model sees of the photo.
    `more_methods` have a panel beside the default methods, and `undefined` says why one of them has no heatmap.
    `target_evidence` is how much of the heat is on the marked animal, and `counterfactuals` what the model answers to
    parts of the photo. `caution` says why the maps deserve less trust than those of other models, if they do. `running`
    says whether the explanation goes on.
    """

    predictions: tuple[Prediction, ...] = ()
    class_idx: int | None = None
    view: View | None = None
    verdict: str = ""
    caution: str = ""
    target_evidence: TargetEvidence | None = None
    counterfactuals: Counterfactuals | None = None
    more_methods: tuple[MethodName, ...] = ()
    undefined: Mapping[MethodName, str] = field(default_factory=dict)
    explanations: Mapping[MethodName, Explanation] = field(default_factory=dict)
    status: str = text.BEGIN
    photo_message: str = ""
    running: bool = False


@dataclass(frozen=True)
class ExplainRequest:
    """A visitor's request to explain the photo at `path`, if there is one, by a model, or by the first of them.

    `more_methods` run beside the default methods. The time at which it was made, by `time.monotonic()`, makes each
    request different from the one before.
    """

    path: str | None = None
    options: ExplainOptions = field(default_factory=ExplainOptions)
    model: str | None = None
    more_methods: tuple[MethodName, ...] = ()
    made_at: float = field(default_factory=time.monotonic)

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """Return all methods that are to run."""
        return (*DEFAULT_METHODS, *self.more_methods)


@dataclass(frozen=True)
class FinishedExplanation:
    """A request and its results: complete, or as far as they were when the visitor stopped."""

    request: ExplainRequest
    forward_pass: ForwardPass
    predictions: tuple[Prediction, ...]
    explanations: tuple[Explanation, ...]
    checks: CrossChecks = NO_CHECKS
    caution: str = ""


@dataclass
class Session:
    """The state of one visitor.

    `newest` is None after Stop; the explanation of any other request ends. `started` is the request that was started
    last, and `finished` its results, None until it ends. `first_choice` has the latest results for the class that the
    model predicted. What the visitor marked is in `boxes`, and in `corner` the first corner (x, y) of the next box, in
    fractions of the photo. `linked_class` is the class that a link names for the next photo, and a message about it,
    and `linked_boxes` are the boxes of the next photo. `originals` has the upload that a picture on the page stands
    for, if browsers do not show the upload itself. `visited` has the explained requests by the entries of the browser's
    history that show them. `names` has the names that the page offers, with their class indexes, and the chosen index;
    `named_at` is when they came, by `time.monotonic()`.
    """

    newest: ExplainRequest | None = None
    started: ExplainRequest | None = None
    finished: FinishedExplanation | None = None
    first_choice: FinishedExplanation | None = None
    view: View | None = None
    boxes: tuple[Box, ...] = ()
    corner: tuple[float, float] | None = None
    linked_class: tuple[int | None, str] = (None, "")
    linked_boxes: tuple[Box, ...] = ()
    visited: dict[str, ExplainRequest] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)
    names: tuple[tuple[tuple[str, int], ...], int | None] = ((), None)
    named_at: float = 0.0

    def start(self, request: ExplainRequest) -> bool:
        """Mark a request as started, and return whether to explain it.

        A request is explained only if it is the newest, and only once: Gradio may report one change twice.
        """
        is_new = self.newest == request and self.started != request
        self.started = request
        if is_new:
            self.finished = None
        return is_new

    def finish(self, finished: FinishedExplanation) -> None:
        """Keep the results of the request that was started last."""
        self.finished = finished
        if finished.explanations[0].class_idx == finished.predictions[0].class_idx:
            self.first_choice = finished

    def first_choice_maps(self, finished: FinishedExplanation) -> tuple[Explanation, ...]:
        """Return the complete maps of the predicted class for the same view and settings, if any."""
        if self.first_choice is None:
            return ()
        request, earlier = finished.request, self.first_choice.request
        same = replace(request.options, class_idx=earlier.options.class_idx) == earlier.options
        box, earlier_box = finished.forward_pass.view.box, self.first_choice.forward_pass.view.box
        is_same_view = (request.path, request.model, box) == (earlier.path, earlier.model, earlier_box)
        maps = self.first_choice.explanations if same and is_same_view else ()
        return tuple(explanation for explanation in maps if explanation.complete)


def choose_class(labels: Sequence[str], query: str | int) -> tuple[int | None, str]:
    """Return the index of the class that a visitor chose or typed, or None and a message that says what is wrong."""
    try:
        return find_class(labels, query), ""
    except ClassError as error:
        return None, messages.sentence(error)
