"""The trade-off of the fast rule: forwards and fidelity, if it stopped at another estimate."""

from collections.abc import Mapping, Sequence

import numpy as np

from camcore.methods.definitions import DefinitionName
from camcore.methods.effort import MIN_FORWARDS, NAMED_EFFORTS
from camcore.methods.heatmap import correlation
from camcore.methods.score_cam import CHUNK
from camcore.methods.surrogate import GaussianProcessSampler
from tests.bench.subjects import Subject

_TARGETS = (0.994, 0.995, 0.996, 0.997, 0.998, 0.999)
_RULE = NAMED_EFFORTS["fast"]

Replay = list[tuple[int, float, float]]  # forwards, estimate, and true correlation after each chunk


def replay(subject: Subject, definition: DefinitionName) -> Replay:
    """Return a run of the fast rule in fp32 with the measured scores, until every target is reached."""
    true, steps = subject.log_weights(definition), []
    reference = subject.heatmap(true, definition)
    assert _RULE is not None
    limit = min(_RULE.limit, len(true))
    sampler = GaussianProcessSampler(subject.activations, subject.size, limit, contributions=subject.contributions)
    forwards, estimate = 0, 0.0
    while forwards < limit and not (forwards >= MIN_FORWARDS and estimate >= max(_TARGETS)):
        runs = sampler.choose(min(CHUNK, limit - forwards))
        sampler.observe(true[[run.channel for run in runs]])
        forwards, estimate = forwards + len(runs), sampler.fidelity or 0.0
        steps.append((forwards, estimate, correlation(subject.heatmap(sampler.log_weights, definition), reference)))
    return steps


def tabulate_targets(replays: Mapping[DefinitionName, Sequence[Replay]]) -> list[str]:
    """Return a Markdown table: one row per estimate at which the rule might stop."""
    head = " | ".join(f"{name}: forwards, median / 90th | {name}: 5th percentile / mean / least" for name in replays)
    lines = [f"| stops at | {head} |", f"| ---: |{' ---: |' * (2 * len(replays))}"]
    for target in _TARGETS:
        cells = []
        for runs in replays.values():
            ends = np.array([_end(run, target) for run in runs])
            counts, values = ends[:, 0], ends[:, 2]
            cells.append(f"{np.median(counts):.0f} / {np.percentile(counts, 90):.0f}")
            cells.append(f"{np.percentile(values, 5):.4f} / {values.mean():.4f} / {values.min():.4f}")
        lines.append(f"| {target} | {' | '.join(cells)} |")
    return lines


def _end(run: Replay, target: float) -> tuple[int, float, float]:
    return next((step for step in run if step[0] >= MIN_FORWARDS and step[1] >= target), run[-1])
