"""HTML of what is folded away: where the heat lies, how faithful the maps are, and the contrast of two classes."""

from collections.abc import Sequence
from html import escape
from itertools import combinations

from camcore.formatting import percent
from camcore.images.preprocess import View
from camcore.methods.grad_cam import METHODS
from camcore.metrics.localisation import Box, in_view
from camcore.metrics.verdict import TargetEvidence
from camcore.report.metrics_table import METRICS, MISSING, Metric
from camcore.report.plots import mean_curves
from camcore.results import Explanation
from demo.compare import text
from demo.compare.html import message, picture
from demo.compare.questions import ContrastAnswer, FaithfulnessAnswer
from demo.service import messages

_BY_KEY = {figure.key: figure for figure in METRICS}


def outlines(view: View | None, boxes: Sequence[Box]) -> str:
    """Where the model's crop and the box lie: on the photo, and on the maps. The style sheet draws them."""
    if view is None:
        return ""
    width, height = view.photo_size
    left, top, right, bottom = view.box
    crop = Box(max(left / width, 0), max(top / height, 0), min(right / width, 1), min(bottom / height, 1))
    rules = [f"--aspect: {width} / {height}", *_edges("crop", crop)]
    classes = ""
    for box in boxes[:1]:
        rules += _edges("box", box)
        seen = in_view(box, view)
        classes = ".marked" + (".seen" if seen else "")
        rules += _edges("seen", seen) if seen else []
    return f'<style>:root {{ {"; ".join(rules)} }}</style><i class="drawn {classes.replace(".", " ")}"></i>'


def where(target_evidence: TargetEvidence | None) -> str:
    """Energy, lift and pointing of each method; nothing without a box."""
    if target_evidence is None:
        return ""
    rows = [
        _row(_BY_KEY[key], list(target_evidence.localisations.values())) for key in ("energy", "lift", "pointing_hit")
    ]
    said = f"The marked {target_evidence.word} fills {percent(target_evidence.share)} of what the model saw; "
    said += f"{percent(target_evidence.cut_off)} of it was cut off."
    return f'<p class="hint">{escape(said)}</p>{_table(rows)}'


def faithful(evidence: FaithfulnessAnswer) -> str:
    """Curves, figures and agreement, each with how to read it."""
    if evidence.agreed is None:
        return message(evidence.message)
    keys = ("average_drop", "increase", "average_gain", "deletion_auc", "insertion_auc")
    rows = [_row(_BY_KEY[key], list(evidence.faithful)) for key in keys]
    return f'<div class="curves">{_curves(evidence)}</div>{_table(rows)}{_agreement(evidence)}'


def contrast(found: ContrastAnswer) -> str:
    """Both directions, a row each of the maps there are."""
    if found.finished is None:
        return message(found.message)
    return "".join(_side(list(side.values()), found.finished.forward_pass.view) for side in found.sides if side)


def _edges(name: str, box: Box) -> list[str]:
    left, top, right, bottom = box
    values = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    return [f"--{name}-{edge}: {value:.4%}" for edge, value in values.items()]


def _row(figure: Metric, found: Sequence[object]) -> tuple[str, ...]:
    """A figure's name with the direction that is better, what it means, and its value for each method."""
    title = escape(figure.title.replace("{target}", messages.TARGET))
    better = f' <span class="hint">{figure.better} is better</span>' if figure.better else ""
    return f"{title}{better}", figure.meaning, *(figure.text(getattr(each, figure.key, None)) for each in found)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    titles = "".join(f'<th scope="col">{escape(method.title)}</th>' for method in METHODS.values())
    body = "".join(
        f'<tr><th scope="row">{head}</th>{"".join(f"<td>{escape(value)}</td>" for value in values)}</tr>'
        f'<tr class="meaning"><td colspan="{1 + len(values)}">{escape(meaning)}</td></tr>'
        for head, meaning, *values in rows
    )
    return f'<table class="told"><thead><tr><td></td>{titles}</tr></thead><tbody>{body}</tbody></table>'


def _curves(evidence: FaithfulnessAnswer) -> str:
    parts = []
    for name, title, axis, hint in zip(
        ("deletion", "insertion"), text.CURVES, text.CURVE_AXES, text.CURVE_HINTS, strict=True
    ):
        curves = {
            explanation.method: getattr(figures, name)
            for explanation, figures in zip(evidence.explanations, evidence.faithful, strict=True)
            if figures is not None
        }
        plot = mean_curves(title, axis, curves)
        parts.append(f'<figure><figcaption>{title}. <span class="hint">{hint}</span></figcaption>{plot}</figure>')
    return "".join(parts)


def _agreement(evidence: FaithfulnessAnswer) -> str:
    agreed = evidence.agreed
    if agreed is None:
        return ""
    rows = []
    for i, j in combinations(range(len(evidence.explanations)), 2):
        pair = " and ".join(METHODS[evidence.explanations[each].method].title for each in (i, j))
        spearman, overlap = agreed.spearman[i][j], agreed.overlap[i][j]
        values = (MISSING if spearman is None else f"{spearman:.2f}", MISSING if overlap is None else percent(overlap))
        cells = "".join(f"<td>{value}</td>" for value in values)
        rows.append(f'<tr><th scope="row">{escape(pair)}</th>{cells}</tr>')
    head = '<tr><td></td><th scope="col">Spearman</th><th scope="col">Overlap</th></tr>'
    caption = f'{escape(text.AGREEMENT)}. <span class="hint">{escape(text.AGREEMENT_HINT)}</span>'
    return (
        f'<table class="told"><caption>{caption}</caption><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _side(explanations: Sequence[Explanation], view: View) -> str:
    first = explanations[0]
    other = first.contrast_class.name if first.contrast_class else ""
    maps = "".join(picture(explanation, view) for explanation in explanations)
    return f'<h3 class="side">{escape(text.rather(first.name, other))}</h3><div class="maps">{maps}</div>'
