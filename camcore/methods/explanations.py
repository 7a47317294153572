"""Explanations from arrays: each method is run and timed, and its map becomes a heatmap."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from camcore.methods.definitions import DEFINITIONS
from camcore.methods.effort import to_rule
from camcore.methods.heatmap import to_heatmap
from camcore.methods.method_table import METHODS, MethodName
from camcore.methods.score_cam import Int8Forward, score_cam
from camcore.options import ExplainOptions
from camcore.results import ExplainedClass, Explanation, ForwardPass
from camcore.types import Array, Forward


def finished(steps: Iterable[Explanation], methods: Sequence[MethodName]) -> list[Explanation]:
    """Return the last explanation of each method, in the order of `methods`."""
    last = {explanation.method: explanation for explanation in steps}
    return [last[method] for method in methods]


def explain_by_gradients(
    forward_pass: ForwardPass,
    explained_class: ExplainedClass,
    methods: Sequence[MethodName],
    gradients: Callable[[], Array],
    shared_seconds: float,
) -> Iterator[Explanation]:
    """Yield the explanations of those `methods` that are functions of activations and gradients.

    `gradients` returns the gradients (C, h, w); it is called once, and only if a method needs them. `shared_seconds` is
    each method's share of the time of the forward pass.
    """
    rules = {name: rule for name in methods if (rule := METHODS[name].from_gradients)}
    if not rules:
        return
    start = time.perf_counter()
    values = gradients()
    shared_seconds += (time.perf_counter() - start) / len(rules)
    for name, rule in rules.items():
        start = time.perf_counter()
        cam = rule(forward_pass.activations, values)
        heatmap, peak = to_heatmap(cam, forward_pass.view.image.size[::-1])
        duration = shared_seconds + time.perf_counter() - start
        yield replace(_explanation(name, explained_class, heatmap, peak, duration), cam=cam)


def explain_by_scores(
    forward_pass: ForwardPass,
    explained_class: ExplainedClass,
    options: ExplainOptions,
    forward: Forward,
    *,
    int8: Int8Forward | None,
    chunk: int,
    shared_seconds: float,
) -> Iterator[Explanation]:
    """Yield Score-CAM as it grows; `shared_seconds` is its share of the time of the forward pass."""
    start = time.perf_counter()
    class_idx, contrast_idx = explained_class.class_indices
    steps = score_cam(
        forward_pass.x, forward_pass.activations, class_idx, forward, contrast_idx=contrast_idx,
        definition=DEFINITIONS[options.definition], multi_label=forward_pass.multi_label,
        rule=to_rule(options.effort), int8=int8, chunk=chunk,
    )  # fmt: skip
    duration = shared_seconds
    for step in steps:
        heatmap, peak = to_heatmap(step.cam, forward_pass.view.image.size[::-1])
        duration += time.perf_counter() - start
        yield replace(
            _explanation("score-cam", explained_class, heatmap, peak, duration),
            definition=options.definition, effort=options.effort, forwards=step.forwards, precision=step.precision,
            channels=len(forward_pass.activations), channels_alive=step.channels_alive,
            fidelity_estimate=step.fidelity, complete=step.done, cam=step.cam,
        )  # fmt: skip
        start = time.perf_counter()  # the time that the caller spends on a map is not counted


def _explanation(
    method: MethodName, explained_class: ExplainedClass, heatmap: Array, peak: float, seconds: float
) -> Explanation:
    prediction = explained_class.prediction
    return Explanation(
        method, prediction.class_idx, prediction.name, prediction.probability, heatmap, peak, seconds,
        contrast_class=explained_class.contrast_class,
    )  # fmt: skip
