"""Other ways to explain a class with few runs of the model, written plainly, beside the fast Score-CAM.

Each takes a subject and a number of forwards, and returns a map (h, w) >= 0. None of the publications states how alike
its map is to the exhaustive one, and some aim at another map: hence the other measures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camcore.methods.definitions import DEFINITIONS, channel_weights
from camcore.methods.effort import Effort
from camcore.methods.grad_cam import weighted_map
from camcore.methods.heatmap import correlation, min_max, upsample
from camcore.methods.method_table import MethodName
from camcore.metrics.faithfulness import blurred, faithfulness
from camcore.metrics.intervals import mean_interval
from camcore.types import softmax
from tests.bench.subjects import Array, Subject

OURS = "camcore, fast"
_GROUP_BLUR, _GROUP_THRESHOLD = 50.0, 70  # pixels and percentile, those of the authors of Group-CAM
_EXHAUSTIVE = "Score-CAM, exhaustive"


def random_channels(subject: Subject, forwards: int) -> Array:
    """Return Score-CAM of channels drawn at random, always in the same way."""
    return _some_channels(subject, np.random.default_rng(0).permutation(len(subject.activations))[:forwards])


def gscore_cam(subject: Subject, forwards: int) -> Array:
    """Return gScoreCAM (Chen et al. 2022): Score-CAM of the channels whose gradients have the largest means."""
    return _some_channels(subject, np.argsort(-subject.gradients.mean(axis=(1, 2)), kind="stable")[:forwards])


def group_cam(subject: Subject, forwards: int) -> Array:
    """Return Group-CAM (Zhang, Rao and Yang 2021, arXiv 2103.13859); one forward is for the blurred input.

    Neighbouring channels form a group, whose mask is their Grad-CAM without its lower values. A group's weight is the
    probability that its mask adds to that of the blurred input.
    """
    weights = subject.gradients.mean(axis=(1, 2))
    groups = np.array_split(np.arange(len(weights)), min(forwards - 1, len(weights)))
    maps = np.stack([weighted_map(weights[group], subject.activations[group]) for group in groups])
    maps[maps < np.percentile(maps, _GROUP_THRESHOLD, axis=(1, 2), keepdims=True)] = 0
    maps = min_max(maps[maps.max(axis=(1, 2)) > maps.min(axis=(1, 2))])
    x, mask = subject.forward_pass.x, upsample(maps, subject.size)[:, None]
    blur = blurred(x, _GROUP_BLUR)
    base, *scores = subject.scores(np.concatenate([blur, x * mask + blur * (1 - mask)]))
    return weighted_map(np.array([_probability(subject, row) - _probability(subject, base) for row in scores]), maps)


def cluster_cam(subject: Subject, forwards: int) -> Array:
    """Return a map after Cluster-CAM (Feng et al. 2023, arXiv 2302.01642): one mask per cluster of channels.

    The masks are the means of k-means clusters of the channels' masks, weighted as by Score-CAM. The publication's
    merger of the best and the worst clusters is left out.
    """
    from sklearn.cluster import KMeans

    flat = min_max(subject.activations).reshape(len(subject.activations), -1)
    clusters = KMeans(min(forwards, len(flat)), n_init=1, random_state=0).fit(flat)
    maps = min_max(clusters.cluster_centers_.reshape(-1, *subject.activations.shape[1:]).astype(np.float32))
    logits = subject.scores(subject.forward_pass.x * upsample(maps, subject.size)[:, None])
    return weighted_map(_paper_weights(logits[:, subject.class_idx]), maps)


def _of_camcore(subject: Subject, method: MethodName, effort: Effort = "fast") -> Array:
    """Return camcore's own map of a method."""
    (explanation,) = subject.explainer.explain(subject.forward_pass, subject.class_idx, [method], effort=effort)
    assert explanation.cam is not None
    return explanation.cam


COMPANY: dict[str, Callable[[Subject, int], Array]] = {
    OURS: lambda subject, forwards: _of_camcore(subject, "score-cam", forwards),
    "gScoreCAM": gscore_cam,
    "random channels": random_channels,
    "Cluster-CAM, simplified": cluster_cam,
    "Group-CAM": group_cam,
    "Recipro-CAM, no forward": lambda subject, _: _of_camcore(subject, "recipro-cam"),
    "Grad-CAM, no forward": lambda subject, _: _of_camcore(subject, "grad-cam"),
    _EXHAUSTIVE: lambda subject, _: _some_channels(subject, np.arange(len(subject.activations))),
}


@dataclass(frozen=True)
class Measures:
    """How good one map of a photo is: like the exhaustive one, and by what the model answers."""

    fidelity: float  # Pearson correlation with the exhaustive heatmap
    insertion: float  # area under the curve, higher is better
    deletion: float  # area under the curve, lower is better
    needs: float  # 1 if the class stays with the hottest fifth alone, and is lost without it; else 0


TITLES = {
    "fidelity": "like the exhaustive map",
    "insertion": "insertion (higher is better)",
    "deletion": "deletion (lower is better)",
    "needs": "class needs the hottest fifth",
}


def compare(subject: Subject, forwards: int) -> dict[str, Measures]:
    """Return the measures of every map of `COMPANY` that is not empty, at equal forwards."""
    heatmaps = {name: subject.to_heatmap(method(subject, forwards)) for name, method in COMPANY.items()}
    reference = heatmaps[_EXHAUSTIVE]
    curves = faithfulness(subject.forward_pass.x, list(heatmaps.values()), subject.class_idx, subject.scores)
    measures = {}
    for (name, heatmap), curve in zip(heatmaps.items(), curves, strict=True):
        answers = subject.explainer.counterfactuals(subject.forward_pass, heatmap=heatmap, class_idx=subject.class_idx)
        if curve is not None and answers is not None:
            needs = float(answers.finding == "needs the target")
            fidelity = correlation(heatmap, reference)
            measures[name] = Measures(fidelity, curve.insertion_auc, curve.deletion_auc, needs)
    return measures


def tabulate_company(compared: Sequence[dict[str, Measures]], forwards: int) -> list[str]:
    """Return a Markdown table: one row per way, with the means, and how far each is from camcore's, photo by photo."""
    lines = [
        f"| {forwards} forwards | {' | '.join(TITLES.values())} | 5th percentile of the first |",
        f"| --- |{' ---: |' * (len(TITLES) + 1)}",
    ]
    for name in COMPANY:
        cells = []
        for key in TITLES:
            average = np.mean([getattr(photo[name], key) for photo in compared if name in photo])
            mean, low, high = _difference(compared, name, key)
            between = "" if name == OURS else f"; {mean:+.3f} ({low:+.3f} to {high:+.3f})"
            cells.append(f"{average:.3f}{between}")
        worst = np.percentile([photo[name].fidelity for photo in compared if name in photo], 5)
        lines.append(f"| {name} | {' | '.join(cells)} | {worst:.3f} |")
    return lines


def draw_company(compared: Sequence[dict[str, Measures]], forwards: int, path: Path) -> None:
    """Draw how far each measure of every way is from camcore's, photo by photo: the mean and its 95% interval."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(TITLES), sharey=True)
    for axis, (key, title) in zip(axes, TITLES.items(), strict=True):
        for row, name in enumerate(COMPANY):
            mean, low, high = _difference(compared, name, key)
            colour = "#2a6349" if name == OURS else "#777777"
            axis.plot([low, high], [row, row], color=colour, linewidth=2)
            axis.plot(mean, row, "o", color=colour)
        axis.axvline(0, color="#2a6349", linewidth=0.8)
        axis.set_title(title, loc="left", fontsize=10)
        axis.grid(True, axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(COMPANY)), COMPANY)
    axes[0].invert_yaxis()
    text = f"Difference from camcore's map at {forwards} forwards each: mean over {len(compared)} photos, 95% intervals"
    figure.suptitle(text, fontsize=10)
    figure.savefig(path, dpi=110)


def _difference(compared: Sequence[dict[str, Measures]], name: str, key: str) -> tuple[float, float, float]:
    """Return the mean difference of a measure from camcore's, of the same photo, and its interval."""
    values = [getattr(photo[name], key) - getattr(photo[OURS], key) for photo in compared if {name, OURS} <= set(photo)]
    low, high = mean_interval(values) or (values[0], values[0])
    return float(np.mean(values)), low, high


def _some_channels(subject: Subject, channels: NDArray[np.intp]) -> Array:
    weights = _paper_weights(subject.logits[channels, subject.class_idx])
    return weighted_map(weights, subject.activations[channels])


def _paper_weights(scores: Array) -> NDArray[np.float64]:
    return channel_weights(scores.astype(np.float64), DEFINITIONS["paper"])


def _probability(subject: Subject, logits: Array) -> float:
    return float(softmax(logits.astype(np.float64))[subject.class_idx])
