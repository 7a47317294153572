"""Sentences of the report about missing metrics, agreement, and how far to trust maps of tokens."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from camcore.methods.method_table import METHODS
from camcore.metrics.caution import token_caution
from camcore.metrics.thresholds import FILLS
from camcore.report import summary
from camcore.report.means import mean
from camcore.report.metrics_table import number
from camcore.report.summary import Record


def missing_metrics(record: Record) -> tuple[str, ...]:
    """Return sentences on why some metrics of a photo do not exist."""
    if record["error"] is not None:
        return ()
    sentences = []
    empty = [METHODS[entry["method"]].title for entry in record["explanations"] if entry["faithfulness"] is None]
    if empty:
        sentences.append(f"No metrics for {', '.join(empty)}: the map highlights no part of the photo.")
    return tuple(sentences)


def excluded_counts(records: Sequence[Record]) -> list[str]:
    """Return what the means leave out, each with its number."""
    explained = summary.explained(records)
    empty = sum(entry["faithfulness"] is None for record in explained for entry in record["explanations"])
    counts = {
        ("photo that could not be explained", "photos that could not be explained"): len(records) - len(explained),
        ("photo without a box", "photos without a box"): sum(record["target"] is None for record in explained),
        ("map that highlights nothing", "maps that highlight nothing"): empty,
    }
    return [f"{count} {one if count == 1 else many}" for (one, many), count in counts.items() if count]


def caution(model: Mapping[str, Any], records: Sequence[Record]) -> str:
    """Return why the maps of a model that works on tokens deserve less trust, with their mean sanity; "" for others."""
    if not model.get("tokens"):
        return ""
    explained = summary.explained(records)
    methods = dict.fromkeys(entry["method"] for record in explained for entry in record["explanations"])
    means = {method: mean((record.get("sanity") or {}).get(method) for record in explained) for method in methods}
    photos = max((value.count for value in means.values()), default=0)
    values = {method: value.value for method, value in means.items()}
    return token_caution(methods, values, photos if len(records) > 1 else None)


def method_notes(records: Sequence[Record]) -> list[str]:
    """Return what the photos' records note about the methods, each with the number of photos unless it is all."""
    explained = summary.explained(records)
    counts = Counter(note for record in explained for note in record.get("method_notes", ()))
    return [
        note if count == len(explained) else f"In {count:,} of {len(explained):,} photos: {note}"
        for note, count in counts.items()
    ]


def undetectable_problems(records: Sequence[Record]) -> str:
    """Return a sentence on problems that cannot be detected without boxes or labels; "" if there are both."""
    explained = summary.explained(records)
    sentences = []
    if all(record["target"] is None for record in explained):
        sentences.append("There are no boxes, so heat in the wrong place cannot be detected.")
    if all(record["truth"]["status"] == "not told" for record in explained):
        sentences.append("There are no labels, so wrong predictions cannot be detected.")
    return " ".join(sentences)


def large_targets(records: Sequence[Record]) -> str:
    """Return a sentence on photos whose target fills nearly the whole view; "" if there are none."""
    targets = (record["target"] for record in summary.explained(records))
    count = sum(target is not None and target["share"] > FILLS for target in targets)
    photos = "1 photo" if count == 1 else f"{count} photos"
    return f"In {photos}, the box fills more than {FILLS:.0%} of the view, which moves lift towards 1." if count else ""


def agreement_of(record: Record) -> str:
    """Return a sentence on the agreement of one photo's maps."""
    pairs = summary.agreement([record])
    ranks = [pair.spearman.value for pair in pairs if pair.spearman.value is not None]
    overlaps = [pair.overlap.value for pair in pairs if pair.overlap.value is not None]
    if not ranks or not overlaps:
        return "The maps cannot be compared: fewer than two of them highlight a part of the photo."
    ranking, overlap = _range("{:z.2f}", ranks), _range("{:.0%}", overlaps)
    return f"Agreement between pairs of maps: rank correlation {ranking}, overlap of the hottest fifths {overlap}."


def _range(template: str, values: Sequence[float]) -> str:
    least, most = number(template, min(values)), number(template, max(values))
    return least if least == most else f"{least} to {most}"
