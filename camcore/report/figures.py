"""The figures of a study's report, drawn from its records."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from markupsafe import Markup

from camcore.metrics.baselines import column_titles
from camcore.report import plots, summary
from camcore.report.summary import GroupSummary, Record, columns_of


def lift_figures(species: Sequence[GroupSummary]) -> list[tuple[str, Markup]]:
    """Return the title and the plot of the lifts by species, for each method and baseline that has any."""
    figures = []
    for method, method_title in column_titles().items():
        strips = []
        for group in species:
            dots = [
                (record["file"], explanation["localisation"]["lift"])
                for record in summary.explained(group.records)
                for explanation in columns_of(record)
                if explanation["method"] == method and explanation["localisation"]
            ]
            strips.append(plots.Strip(group.title, dots))
        figures.append((method_title, plots.lift_strips(method, strips)))
    return [(title, plot) for title, plot in figures if plot]


def curve_figures(records: Sequence[Record]) -> list[tuple[str, Markup]]:
    """Return the title and the plot of the mean deletion curves and of the mean insertion curves, if there are any."""
    figures, value = [], "mean probability" if len(records) > 1 else "probability"
    for name, better, change in (("deletion", "lower", "removed"), ("insertion", "higher", "restored")):
        title, axis = f"{name.capitalize()}: {better} is better", f"pixels {change}, hottest first"
        figures.append((title, plots.mean_curves(title, axis, average_curves(records, name), value)))
    return [(title, plot) for title, plot in figures if plot]


def average_curves(records: Sequence[Record], name: str) -> dict[str, list[float]]:
    """Return the mean "deletion" or "insertion" curve of each method and baseline that has one.

    If curves differ in length, only those of the most frequent length count.
    """
    curves: list[tuple[str, list[float]]] = [
        (explanation["method"], explanation["faithfulness"][name])
        for record in summary.explained(records)
        for explanation in columns_of(record)
        if explanation["faithfulness"]
    ]
    lengths = Counter(len(curve) for _, curve in curves).most_common(1)
    means = {}
    for method in column_titles():
        same = [curve for owner, curve in curves if owner == method and len(curve) == lengths[0][0]]
        if same:
            means[method] = [fmean(values) for values in zip(*same, strict=True)]
    return means
