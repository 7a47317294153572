"""What a study's records add up to: tables by method and by species, and the photos to worry about."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from camcore.methods.grad_cam import METHODS, MethodName
from camcore.report.metrics_table import METRICS, Metric

Record = Mapping[str, Any]
UNKNOWN = "unknown"
PLACES = ("on the target", "in between", "off the target", UNKNOWN)
STATUSES = {
    "right": "Named right",
    "wrong": "Named wrong",
    "no such class": "The model has no such class",
    "not told": "True name not told",
}


@dataclass(frozen=True)
class Mean:
    """A mean of the values that exist, None if none does, with how many do and how many were asked for."""

    value: float | None
    count: int
    asked: int


@dataclass(frozen=True)
class MetricRow:
    """One figure of each method, in the order of METHODS, and which of them are the best as they are shown."""

    figure: Metric
    means: tuple[Mean, ...]
    best: frozenset[int]


@dataclass(frozen=True)
class MethodPair:
    """Two methods, and the means of how far their heatmaps agree."""

    first: MethodName
    second: MethodName
    spearman: Mean
    overlap: Mean


@dataclass(frozen=True)
class SpeciesSummary:
    """One species of a study. `why_not` says why none of its photos can be right, "" if some can."""

    code: str
    title: str
    scientific_name: str
    records: tuple[Record, ...]
    right: int
    nameable: int
    why_not: str
    places: Counter[str]
    energy: Mean
    lift: Mean


def mean(values: Iterable[float | None]) -> Mean:
    """The mean of the values that are not None."""
    asked = list(values)
    known = [value for value in asked if value is not None]
    return Mean(fmean(known) if known else None, len(known), len(asked))


def explained(records: Iterable[Record]) -> list[Record]:
    """The records of photos that were explained: those without an error."""
    return [record for record in records if record["error"] is None]


def by_method(records: Sequence[Record]) -> list[MetricRow]:
    """The mean of each figure over the photos explained, a mean a method."""
    found = explained(records)
    return [_row(figure, [mean(_read(figure, found, method)) for method in METHODS]) for figure in METRICS]


def of_photo(record: Record) -> list[MetricRow]:
    """Each figure of one photo that was explained, a value a method."""
    values = {figure: [_read(figure, [record], method)[0] for method in METHODS] for figure in METRICS}
    return [_row(figure, [Mean(value, int(value is not None), 1) for value in row]) for figure, row in values.items()]


def by_species(records: Sequence[Record], species: Iterable[Mapping[str, Any]]) -> list[SpeciesSummary]:
    """Each species that has photos: first those of the list, in its order, then others as they come."""
    listed = {entry["code"]: entry for entry in species}
    groups: dict[str, list[Record]] = {code: [] for code in listed}
    for record in records:
        groups.setdefault(record["species"], []).append(record)
    return [_species(code, listed.get(code, {}), group) for code, group in groups.items() if group]


def agreement(records: Sequence[Record]) -> list[MethodPair]:
    """How far each two methods agree, over the photos explained."""
    found = [record["agreement"] for record in explained(records) if record["agreement"]]
    return [
        MethodPair(
            first,
            second,
            mean(_between(matrices, "spearman", first, second) for matrices in found),
            mean(_between(matrices, "overlap", first, second) for matrices in found),
        )
        for first, second in combinations(METHODS, 2)
    ]


def flagged_photos(records: Sequence[Record]) -> list[Record]:
    """The photos with something to worry about: the gravest first, else in their order."""
    found = [record for record in explained(records) if record["verdict"]["warnings"]]
    return sorted(found, key=lambda record: -record["verdict"]["severity"])


def warning_counts(records: Sequence[Record]) -> list[tuple[str, int]]:
    """Each concern and how many photos have it, the most frequent first."""
    return Counter(
        concern for record in flagged_photos(records) for concern in record["verdict"]["warnings"]
    ).most_common()


def outcomes(records: Sequence[Record]) -> dict[str, Counter[str]]:
    """How many photos are at each of PLACES, by whether they were named right: only what of STATUSES there is."""
    found = {status: Counter[str]() for status in STATUSES}
    for record in explained(records):
        found[record["truth"]["status"]][record["verdict"]["place"]] += 1
    return {status: places for status, places in found.items() if places}


def curves(records: Sequence[Record], name: str) -> dict[MethodName, list[float]]:
    """The mean "deletion" or "insertion" curve of each method that has one; of the commonest length, if they differ."""
    found: dict[MethodName, list[list[float]]] = {method: [] for method in METHODS}
    for record in explained(records):
        for explanation in record["explanations"]:
            if explanation["faithfulness"]:
                found[explanation["method"]].append(explanation["faithfulness"][name])
    lengths = Counter(len(curve) for measured in found.values() for curve in measured)
    length = lengths.most_common(1)[0][0] if lengths else 0
    kept = {method: [curve for curve in measured if len(curve) == length] for method, measured in found.items()}
    return {method: list(map(fmean, zip(*same, strict=True))) for method, same in kept.items() if same}


def _row(figure: Metric, means: Sequence[Mean]) -> MetricRow:
    known = [value.value for value in means if value.value is not None]
    shown = [figure.text(value.value) for value in means]
    alike = len({value.count for value in means}) == 1  # else a mean is of other photos
    if not figure.better or not alike or len(known) < len(means) or len(set(shown)) == 1:
        return MetricRow(figure, tuple(means), frozenset())
    best = figure.text(min(known) if figure.better == "lower" else max(known))
    return MetricRow(figure, tuple(means), frozenset(index for index, text in enumerate(shown) if text == best))


def _read(figure: Metric, records: Sequence[Record], method: MethodName) -> list[float | None]:
    found = ((record, explanation) for record in records for explanation in record["explanations"])
    return [figure.read(record, explanation) for record, explanation in found if explanation["method"] == method]


def _species(code: str, listed: Mapping[str, Any], records: Sequence[Record]) -> SpeciesSummary:
    found = explained(records)
    statuses = Counter(record["truth"]["status"] for record in found)
    nameable = statuses["right"] + statuses["wrong"]
    why_not = (
        "" if nameable else next((status for status in ("no such class", "not told") if statuses[status]), UNKNOWN)
    )
    return SpeciesSummary(
        code,
        listed.get("title") or code or "All photos",
        listed.get("scientific_name") or "",
        tuple(records),
        statuses["right"],
        nameable,
        why_not,
        Counter(record["verdict"]["place"] for record in found),
        mean(_over_methods(record, "energy") for record in found),
        mean(_over_methods(record, "lift") for record in found),
    )


def _over_methods(record: Record, key: str) -> float | None:
    """A photo's mean over its maps, so that each photo counts once."""
    places = (explanation["localisation"] for explanation in record["explanations"])
    return mean(place[key] for place in places if place).value


def _between(matrices: Mapping[str, Any], name: str, first: MethodName, second: MethodName) -> float | None:
    order = matrices["methods"]
    value: float | None = matrices[name][order.index(first)][order.index(second)]
    return value
