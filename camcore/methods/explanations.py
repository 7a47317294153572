"""From arrays to explanations: what the facade does with each method, without knowing where scores come from."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from camcore.methods.effort import Effort, to_rule
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.methods.heatmap import Array, to_heatmap
from camcore.methods.score_cam import DEFINITIONS, DefinitionName, Forward, Int8Forward, score_cam
from camcore.results import ExplainedClass, Explanation, ForwardPass


@dataclass(frozen=True)
class Settings:
    """Of Score-CAM."""

    definition: DefinitionName
    effort: Effort
    chunk: int


def from_gradients(
    forward_pass: ForwardPass,
    question: ExplainedClass,
    methods: Sequence[MethodName],
    gradients: Callable[[], Array],
    shared: float,
) -> Iterator[Explanation]:
    """Those methods that are a function of activations and `gradients()`; `shared` seconds are added to each."""
    wanted = {name: rule for name in methods if (rule := METHODS[name].from_gradients)}
    if not wanted:
        return
    start = time.perf_counter()
    values = gradients()
    shared += (time.perf_counter() - start) / len(wanted)
    for name, rule in wanted.items():
        start = time.perf_counter()
        heatmap, peak = to_heatmap(rule(forward_pass.activations, values), forward_pass.view.image.size[::-1])
        yield _explanation(name, question, heatmap, peak, shared + time.perf_counter() - start)


def from_scores(
    forward_pass: ForwardPass,
    question: ExplainedClass,
    settings: Settings,
    forward: Forward,
    *,
    quick: Int8Forward | None,
    shared: float,
) -> Iterator[Explanation]:
    """Score-CAM as it grows; `shared` seconds are added to its own."""
    start = time.perf_counter()
    steps = score_cam(
        forward_pass.x,
        forward_pass.activations,
        question.class_idx,
        forward,
        rather_than=question.other_idx,
        definition=DEFINITIONS[settings.definition],
        rule=to_rule(settings.effort),
        quick=quick,
        chunk=settings.chunk,
    )
    spent = shared
    for step in steps:
        heatmap, peak = to_heatmap(step.cam, forward_pass.view.image.size[::-1])
        spent += time.perf_counter() - start
        yield replace(
            _explanation("score-cam", question, heatmap, peak, spent),
            definition=settings.definition,
            forwards=step.forwards,
            channels=len(forward_pass.activations),
            channels_alive=step.channels_alive,
            effort=settings.effort,
            precision=step.precision,
            fidelity_estimate=step.fidelity,
            complete=step.done,
        )
        start = time.perf_counter()  # what the reader does with a map is not the map's time


def _explanation(
    method: MethodName, question: ExplainedClass, heatmap: Array, peak: float, seconds: float
) -> Explanation:
    asked = question.prediction
    return Explanation(
        method, asked.class_idx, asked.name, asked.probability, heatmap, peak, seconds, rather_than=question.rather_than
    )
