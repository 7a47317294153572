"""Comparisons over a study's photos: methods with baselines, and their lift with what the model needed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from camcore.methods.method_table import METHODS, MethodName
from camcore.metrics.counterfactuals import Finding
from camcore.metrics.intervals import Interval, share_interval, spearman
from camcore.report import summary
from camcore.report.means import Mean, mean
from camcore.report.metrics_table import METRICS, Metric
from camcore.report.summary import Record

FINDINGS: dict[Finding, str] = {
    "needs the target": "The prediction needs the {target}",
    "relies on the background": "It needs the background, not the {target}",
    "either suffices": "Either suffices",
    "needs both": "It needs both",
    "not decided": "Not decided",
}
_COMPARED = ("lift", "insertion_auc")


@dataclass(frozen=True)
class AgainstCentre:
    """How far a method exceeds the baseline `centre` in one metric: the mean of the photos' differences."""

    method: MethodName
    metric: Metric
    difference: Mean

    @property
    def conclusion(self) -> str:
        """Return whether the method beats the baseline, by the interval of the difference."""
        interval = self.difference.interval
        if interval is None:
            return "too few photos to tell"
        if interval.low > 0:
            return "better than the centre"
        return "worse than the centre" if interval.high < 0 else "not shown to beat the centre"


@dataclass(frozen=True)
class FindingCount:
    """How many of the photos that were asked about have one finding."""

    title: str
    count: int
    total: int

    @property
    def interval(self) -> Interval | None:
        """Return the interval of its share."""
        return share_interval(self.count, self.total)


@dataclass(frozen=True)
class LiftAgainstAnswers:
    """Rank correlation of a method's lift with log p(target only) - log p(background only), over the photos."""

    method: MethodName
    photos: int
    correlation: float | None  # None for fewer than 3 photos, or if one of the two does not vary
    interval: Interval | None


def against_centre(records: Sequence[Record]) -> list[AgainstCentre]:
    """Return the paired differences of each method and `centre` in lift and insertion, where there are any."""
    metrics = [metric for metric in METRICS if metric.key in _COMPARED]
    pairs = [(method, metric) for metric in metrics for method in METHODS]
    compared = [AgainstCentre(method, metric, _difference(records, method, metric)) for method, metric in pairs]
    return [entry for entry in compared if entry.difference.count]


def centre_note(records: Sequence[Record]) -> str:
    """Return a sentence on whether a map that knows nothing has much lift too; "" without boxes."""
    (lift,) = (metric for metric in METRICS if metric.key == "lift")
    average = mean(_values(records, "centre", lift))
    if average.value is None or average.interval is None:
        return ""
    text = f"A centred map that knows nothing has a mean lift of {lift.text(average.value)} on these photos"
    if average.interval.low > 1:
        return f"{text}: the boxes lie in the middle, so a lift above 1 says little by itself."
    return f"{text}: the boxes do not simply lie in the middle."


def finding_counts(records: Sequence[Record]) -> list[FindingCount]:
    """Return how many photos have each finding, of those with a marked target; nothing if there are none."""
    counts = Counter(entry["finding"] for record in summary.explained(records) if (entry := _answers(record)))
    total = counts.total()
    return [FindingCount(title, counts[finding], total) for finding, title in FINDINGS.items()] if total else []


def lift_against_answers(records: Sequence[Record]) -> list[LiftAgainstAnswers]:
    """Return for each method whether its lift predicts what the model needed; nothing without a marked target."""
    compared = []
    for method in METHODS:
        pairs = [
            (entry["localisation"]["lift"], answers["log_ratio"])
            for record in summary.explained(records)
            for entry in record["explanations"]
            if entry["method"] == method and entry["localisation"] and (answers := _answers(record))
        ]
        if pairs:
            lifts, ratios = zip(*pairs, strict=True)
            correlation = spearman(lifts, ratios) or (None, None)
            compared.append(LiftAgainstAnswers(method, len(pairs), *correlation))
    return compared


def _answers(record: Record) -> Record | None:
    """Return the counterfactuals of a marked target, if there are any."""
    answers: Record | None = record.get("counterfactuals")
    return answers if answers and answers["marked_by"] == "target" else None


def _values(records: Sequence[Record], method: str, metric: Metric) -> list[float | None]:
    """Return a metric of one method or baseline for each explained photo; None where it does not exist."""
    values = []
    for record in summary.explained(records):
        entries = (entry for entry in summary.columns_of(record) if entry["method"] == method)
        values.append(next((metric.read(record, entry) for entry in entries), None))
    return values


def _difference(records: Sequence[Record], method: MethodName, metric: Metric) -> Mean:
    pairs = zip(_values(records, method, metric), _values(records, "centre", metric), strict=True)
    return mean(None if own is None or centre is None else own - centre for own, centre in pairs)
