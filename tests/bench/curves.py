"""Fidelity against forwards, an estimator a line."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

# A row for each: its name, and what it makes of the values (photos, forwards).
_FIGURES = {
    "mean": lambda values: values.mean(axis=0),
    "5th percentile": lambda values: np.percentile(values, 5, axis=0),
}


def draw_curves(
    forwards: Sequence[int], curves: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], ours: str, path: Path
) -> None:
    """Draw `curves[column][estimator]`, a list of correlations a photo, one at each of `forwards`."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(_FIGURES), len(curves), sharex=True, sharey="row", squeeze=False)
    for column, (title, by_estimator) in enumerate(curves.items()):
        for row, (label, figure_of) in enumerate(_FIGURES.items()):
            axis = axes[row, column]
            for name, correlations in by_estimator.items():
                missing: NDArray[np.float64] = 1 - figure_of(np.array(correlations))
                style = {"color": "#2a6349", "linewidth": 3.0} if name == ours else {"linewidth": 1.2}
                axis.plot(forwards, np.maximum(missing, 1e-5), label=name, **style)
            axis.set(yscale="log", ylim=(0.5, 5e-5))  # what is missing to 1, downwards
            axis.set_yticks([1e-1, 1e-2, 1e-3], ["0.9", "0.99", "0.999"])
            axis.grid(True, alpha=0.3)
            axis.set_title(f"{title}: {label}", loc="left", fontsize=11)
    for axis in axes[-1]:
        axis.set_xlabel("forwards")
    for axis in axes[:, 0]:
        axis.set_ylabel("correlation with the exhaustive map")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110)


def tabulate_curves(
    forwards: Sequence[int], curves: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], at: Sequence[int]
) -> list[str]:
    """A Markdown table: an estimator a row, its 5th percentile and mean after so many forwards."""
    columns = [(title, list(forwards).index(count)) for title in curves for count in at]
    head = "".join(f" {title}, {forwards[index]} |" for title, index in columns)
    lines = [f"| 5th percentile / mean |{head}", f"| --- |{' ---: |' * len(columns)}"]
    for name in next(iter(curves.values())):
        cells = []
        for title, index in columns:
            values = np.array(curves[title][name])[:, index]
            cells.append(f"{np.percentile(values, 5):.3f} / {values.mean():.4f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
