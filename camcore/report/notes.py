"""What a report says of figures that do not exist, and of how far maps agree."""

from collections.abc import Sequence

from camcore.methods.grad_cam import METHODS
from camcore.metrics.verdict import FILLS
from camcore.report import summary
from camcore.report.metrics_table import number
from camcore.report.summary import Record


def missing_metrics(record: Record) -> tuple[str, ...]:
    """Why figures of a photo do not exist, in sentences."""
    if record["error"] is not None:
        return ()
    said = []
    if record["target"] is None:
        found = record.get("unmarked") == "none found"
        why = "The detector found nothing on this photo" if found else "This photo has no box"
        said.append(f"{why}, so nothing tells whether the heat is in the right place.")
    elif record["target"]["share"] == 0:
        said.append("The box lies outside of what the model saw.")
    empty = [METHODS[found["method"]].title for found in record["explanations"] if found["faithfulness"] is None]
    if empty:
        said.append(f"No place in the map: {', '.join(empty)}. Its figures do not exist.")
    return tuple(said)


def excluded_counts(records: Sequence[Record]) -> list[str]:
    """What the means leave out, in words."""
    found = summary.explained(records)
    empty = sum(explanation["faithfulness"] is None for record in found for explanation in record["explanations"])
    counts = {
        ("photo that could not be explained", "photos that could not be explained"): len(records) - len(found),
        ("photo without a box", "photos without a box"): sum(record["target"] is None for record in found),
        ("map that shows no place", "maps that show no place"): empty,
    }
    return [f"{count} {one if count == 1 else many}" for (one, many), count in counts.items() if count]


def undetectable_problems(records: Sequence[Record]) -> str:
    """What cannot have stood out, for want of boxes or of true names; "" if nothing."""
    found = summary.explained(records)
    no_boxes = all(record["target"] is None for record in found)
    no_names = all(record["truth"]["status"] == "not told" for record in found)
    missing = [what for what, lacks in (("boxes", no_boxes), ("true names", no_names)) if lacks]
    return f"There were no {' and no '.join(missing)}: what they would tell is not among these." if missing else ""


def large_targets(records: Sequence[Record]) -> str:
    """How many photos pull the mean lift towards 1, because the target fills them; "" if none does."""
    targets = (record["target"] for record in summary.explained(records))
    count = sum(target is not None and target["share"] > FILLS for target in targets)
    if not count:
        return ""
    which = "1 photo has" if count == 1 else f"{count} photos have"
    return f"{which} its box on more than {FILLS:.0%} of the view, which pulls lift towards 1."


def agreement_of(record: Record) -> str:
    """How far the maps of one photo agree, in a sentence."""
    pairs = summary.agreement([record])
    ranks = [pair.spearman.value for pair in pairs if pair.spearman.value is not None]
    overlaps = [pair.overlap.value for pair in pairs if pair.overlap.value is not None]
    if not ranks or not overlaps:
        return "The maps cannot be compared: fewer than two of them show a place."
    ranking = _span("{:z.2f}", ranks)
    shared = _span("{:.0%}", overlaps)
    return f"Agreement of the maps, pair by pair: rank correlation {ranking}, overlap of the hottest fifths {shared}."


def _span(form: str, values: Sequence[float]) -> str:
    least, most = number(form, min(values)), number(form, max(values))
    return least if least == most else f"{least} to {most}"
