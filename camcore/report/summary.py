"""The summary of a study's records: tables by method and by species, and the photos with warnings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from camcore.methods.method_table import METHODS, MethodName
from camcore.metrics.baselines import BASELINES, column_titles
from camcore.report.means import Mean, mean
from camcore.report.metrics_table import METRICS, SECTIONS, Metric

Record = Mapping[str, Any]
UNKNOWN = "unknown"
PLACES = {"on the target": "On the {target}", "in between": "In between", "off the target": "Off the {target}",
          UNKNOWN: "Not judged"}  # fmt: skip
STATUSES = {"right": "Predicted as labelled", "wrong": "Predicted differently",
            "no such class": "No class for the label", "not told": "No label"}  # fmt: skip


@dataclass(frozen=True)
class MetricRow:
    """One metric of each method and baseline in `columns`, and the indices of the best, as rounded."""

    metric: Metric
    columns: tuple[str, ...]
    means: tuple[Mean, ...]
    best: frozenset[int]


@dataclass(frozen=True)
class MethodPair:
    """Two methods, and the mean agreement of their heatmaps."""

    first: MethodName
    second: MethodName
    spearman: Mean
    overlap: Mean


@dataclass(frozen=True)
class GroupSummary:
    """The photos of one species, or of one site.

    `why_not` is the reason if none of them can be predicted as labelled, else "".
    """

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


def columns_of(record: Record) -> list[Mapping[str, Any]]:
    """Return the entries of a record that have metrics: its explanations, then the baselines."""
    return [*record["explanations"], *record.get("baselines", ())]


def explained(records: Iterable[Record]) -> list[Record]:
    """Return the records without an error."""
    return [record for record in records if record["error"] is None]


def methods_of(records: Iterable[Record]) -> list[MethodName]:
    """Return the methods that explained any of the photos, in the order of their table."""
    names = {explanation["method"] for record in explained(records) for explanation in record["explanations"]}
    return [method for method in METHODS if method in names]


def by_method(records: Sequence[Record]) -> list[MetricRow]:
    """Return the mean of each metric over the explained photos, for each method and baseline."""
    existing, columns = explained(records), _columns(records)
    return [_row(metric, columns, [mean(_read(metric, existing, name)) for name in columns]) for metric in METRICS]


def of_photo(record: Record) -> list[MetricRow]:
    """Return each metric of one explained photo, for each method and baseline."""
    rows, columns = [], _columns([record])
    for metric in METRICS:
        values = [next(iter(_read(metric, [record], name)), None) for name in columns]
        rows.append(_row(metric, columns, [Mean(value, int(value is not None), 1) for value in values]))
    return rows


def by_section(rows: Iterable[MetricRow]) -> list[list[MetricRow]]:
    """Group rows by the section of their metric, without those that have no value."""
    existing = [row for row in rows if any(cell.count for cell in row.means)]
    groups = ([row for row in existing if row.metric.section == section] for section in SECTIONS)
    return [group for group in groups if group]


def by_species(records: Sequence[Record], species: Iterable[Mapping[str, Any]]) -> list[GroupSummary]:
    """Return each species that has photos: first those of the list, in its order, then others as they occur."""
    listed = {entry["code"]: entry for entry in species}
    groups: dict[str, list[Record]] = {code: [] for code in listed}
    for record in records:
        groups.setdefault(record["species"], []).append(record)
    return [_group(code, listed.get(code, {}), group) for code, group in groups.items() if group]


def by_site(records: Sequence[Record]) -> list[GroupSummary]:
    """Return each site in alphabetical order, the photos of no known site last; nothing if no site is known."""
    groups: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.get("site", "") == "", record.get("site", ""))):
        groups.setdefault(record.get("site", ""), []).append(record)
    if not any(groups):
        return []
    return [_group(site, {"title": site or "No site"}, group) for site, group in groups.items()]


def agreement(records: Sequence[Record]) -> list[MethodPair]:
    """Return the agreement of each two methods over the explained photos."""
    matrices = [record["agreement"] for record in explained(records) if record["agreement"]]
    pairs = []
    for first, second in combinations(methods_of(records), 2):
        spearman = mean(_agreement_of_pair(entry, "spearman", first, second) for entry in matrices)
        overlap = mean(_agreement_of_pair(entry, "overlap", first, second) for entry in matrices)
        pairs.append(MethodPair(first, second, spearman, overlap))
    return pairs


def flagged_photos(records: Sequence[Record]) -> list[Record]:
    """Return the photos with warnings, the most severe first."""
    flagged = [record for record in explained(records) if record["verdict"]["warnings"]]
    return sorted(flagged, key=lambda record: -record["verdict"]["severity"])


def warning_counts(records: Sequence[Record]) -> list[tuple[str, int]]:
    """Return each warning with its number of photos, the most frequent first."""
    flagged = flagged_photos(records)
    return Counter(warning for record in flagged for warning in record["verdict"]["warnings"]).most_common()


def outcomes(records: Sequence[Record]) -> dict[str, Counter[str]]:
    """Return the number of photos by status of the prediction and place of the heat, without empty statuses."""
    counts = {status: Counter[str]() for status in STATUSES}
    for record in explained(records):
        counts[record["truth"]["status"]][record["verdict"]["place"]] += 1
    return {status: places for status, places in counts.items() if places}


def count_states(records: Sequence[Record], target_word: str) -> str:
    """Return the number of photos in each state: "2 to look at, 5 on the animal, 5 not judged"."""
    states = Counter(record["verdict"]["state"] for record in explained(records))
    titles = {"look again": "to look at", "on the target": f"on the {target_word}", "not judged": "not judged"}
    return ", ".join(f"{states[state]:,} {title}" for state, title in titles.items())


def totals(records: Sequence[Record]) -> dict[str, int]:
    """Return the numbers of photos that the head of the summary shows."""
    existing = explained(records)
    statuses = Counter(record["truth"]["status"] for record in existing)
    places = Counter(record["verdict"]["place"] for record in existing)
    return {
        "photos": len(records), "explained": len(existing), "flagged": len(flagged_photos(records)),
        "right": statuses["right"], "nameable": statuses["right"] + statuses["wrong"],
        "on": places["on the target"], "placed": len(existing) - places[UNKNOWN],
    }  # fmt: skip


def _columns(records: Sequence[Record]) -> tuple[str, ...]:
    """Return the methods of the records, and the baselines."""
    return tuple(column_titles(methods_of(records)))


def _row(metric: Metric, columns: Sequence[str], means: Sequence[Mean]) -> MetricRow:
    values = [cell.value for cell in means if cell.value is not None]
    methods = len(columns) - len(BASELINES)
    compared = means if any(cell.count for cell in means[methods:]) else means[:methods]
    texts = [metric.text(cell.value) for cell in compared]
    same_photos = len({cell.count for cell in compared}) == 1
    best: frozenset[int] = frozenset()
    if metric.better and same_photos and len(values) == len(compared) and len(set(texts)) > 1:
        best_text = metric.text(min(values) if metric.better == "lower" else max(values))
        best = frozenset(index for index, text in enumerate(texts) if text == best_text)
    return MetricRow(metric, tuple(columns), tuple(means), best)


def _read(metric: Metric, records: Sequence[Record], method: str) -> list[float | None]:
    pairs = ((record, explanation) for record in records for explanation in columns_of(record))
    return [metric.read(record, explanation) for record, explanation in pairs if explanation["method"] == method]


def _group(code: str, listed: Mapping[str, Any], records: Sequence[Record]) -> GroupSummary:
    existing = explained(records)
    statuses = Counter(record["truth"]["status"] for record in existing)
    nameable = statuses["right"] + statuses["wrong"]
    reasons = [status for status in ("no such class", "not told") if statuses[status]]
    return GroupSummary(
        code, title=listed.get("title") or code or "All photos", scientific_name=listed.get("scientific_name") or "",
        records=tuple(records), right=statuses["right"], nameable=nameable,
        why_not="" if nameable else next(iter(reasons), UNKNOWN),
        places=Counter(record["verdict"]["place"] for record in existing),
        energy=mean(_mean_over_methods(record, "energy") for record in existing),
        lift=mean(_mean_over_methods(record, "lift") for record in existing),
    )  # fmt: skip


def _mean_over_methods(record: Record, key: str) -> float | None:
    """Return the mean over a photo's maps, so that each photo counts once."""
    localisations = (explanation["localisation"] for explanation in record["explanations"])
    return mean(localisation[key] for localisation in localisations if localisation).value


def _agreement_of_pair(matrices: Mapping[str, Any], name: str, first: MethodName, second: MethodName) -> float | None:
    methods = matrices["methods"]
    if first not in methods or second not in methods:
        return None
    value: float | None = matrices[name][methods.index(first)][methods.index(second)]
    return value
