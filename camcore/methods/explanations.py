"""Explanations from arrays: each method is run and timed, and its map becomes a heatmap."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from camcore.methods.definitions import DEFINITIONS
from camcore.methods.effort import to_rule
from camcore.methods.heatmap import to_heatmap
from camcore.methods.method_table import METHODS, MapInput, MethodName
from camcore.methods.score_cam import Int8Forward, score_cam
from camcore.options import ExplainOptions
from camcore.results import ExplainedClass, Explanation, ForwardPass
from camcore.types import Array, Forward


def finished(steps: Iterable[Explanation], methods: Sequence[MethodName]) -> list[Explanation]:
    """Return the last explanation of each method, in the order of `methods`."""
    last = {explanation.method: explanation for explanation in steps}
    return [last[method] for method in methods]


def undefined_methods(methods: Iterable[MethodName], activations: Array, layer: str) -> dict[MethodName, str]:
    """Return for each method that is not defined for the activations (C, h, w) of a layer, why, and what to do.

    The values of the photo decide: at a layer with activations of both signs, those of one photo may all be >= 0.
    """
    if activations.min() >= 0:
        return {}
    problem = f"is defined only for features that are never negative, and those of the layer {layer} are negative"
    signed = (name for name in methods if not METHODS[name].accepts_signed)
    return {
        name: f"{METHODS[name].title} {problem} in places: choose another method, such as HiResCAM" for name in signed
    }


def explain_by_rules(
    forward_pass: ForwardPass,
    explained_class: ExplainedClass,
    methods: Sequence[MethodName],
    inputs: Mapping[MapInput, Callable[[], Any]],
    shared_seconds: float,
) -> Iterator[Explanation]:
    """Yield the explanations of those `methods` that have a rule.

    `inputs` returns what the rules take. Each input is computed when it is first needed, and the methods that take it
    share its time. `shared_seconds` is each method's share of the time of the forward pass.
    """
    rules = {name: rule for name in methods if (rule := METHODS[name].rule)}
    users = Counter(item for name in rules for item in METHODS[name].inputs)
    values: dict[MapInput, Any] = {}
    costs: dict[MapInput, float] = {}
    for name, rule in rules.items():
        names = METHODS[name].inputs
        for item in names:
            if item not in values:
                start = time.perf_counter()
                values[item] = inputs[item]()
                costs[item] = (time.perf_counter() - start) / users[item]
        start = time.perf_counter()
        cam = rule(*(values[item] for item in names))
        heatmap, peak = to_heatmap(cam, forward_pass.view.image.size[::-1])
        duration = shared_seconds + sum(costs[item] for item in names) + time.perf_counter() - start
        yield replace(_explanation(name, explained_class, heatmap, peak, duration), cam=cam)


def explain_by_scores(
    forward_pass: ForwardPass,
    explained_class: ExplainedClass,
    options: ExplainOptions,
    forward: Forward,
    gradients: Callable[[], Array],
    *,
    int8: Int8Forward | None,
    chunk: int,
    shared_seconds: float,
) -> Iterator[Explanation]:
    """Yield Score-CAM as it grows; `shared_seconds` is its share of the time of the forward pass.

    `gradients` returns the gradients (C, h, w), from which channels that are not run are predicted better.
    """
    start = time.perf_counter()
    class_idx, contrast_idx = explained_class.class_indices
    rule = to_rule(options.effort)
    contributions = None if rule is None else (gradients() * forward_pass.activations).sum(axis=0)
    steps = score_cam(
        forward_pass.x, forward_pass.activations, class_idx, forward, contrast_idx=contrast_idx,
        definition=DEFINITIONS[options.definition], multi_label=forward_pass.multi_label,
        rule=rule, contributions=contributions, int8=int8, chunk=chunk,
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
