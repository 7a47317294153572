"""HTML of the answers to questions: where the heat is, how faithful the heatmaps are, and how two classes differ."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from itertools import combinations
from typing import Any

from PIL import Image

from camcore.formatting import changed_input, percent, subject
from camcore.images.preprocess import View
from camcore.methods.method_table import METHODS
from camcore.metrics.agreement import Agreement
from camcore.metrics.baselines import column_titles
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.metrics.evidence import TargetEvidence
from camcore.metrics.localisation import in_view
from camcore.report.metrics_table import METRICS, MISSING, Metric
from camcore.report.plots import mean_curves
from camcore.results import Explanation, Prediction
from camcore.types import Box
from demo.compare import text
from demo.compare.html import contrast_figure, data_uri, message
from demo.compare.questions import ContrastAnswer, FaithfulnessAnswer
from demo.service import messages

_METRICS = {metric.key: metric for metric in METRICS}
_LOCALISATION = ("energy", "lift", "pointing_hit")
_MOST_COLUMNS = 5  # of a table that does not need to be scrolled
_MOST_PAIRS = 6  # of methods that are visible at once
_FAITHFULNESS = ("average_drop", "increase", "average_gain", "deletion_auc", "insertion_auc")


def outlines(view: View | None, boxes: Sequence[Box], corner: tuple[float, float] | None = None) -> str:
    """Return variables with which the style sheet draws the outlines of the model's crop and of the box.

    The first `corner` of a new box, if there is one, is drawn on the photo in place of the former box.
    """
    if view is None:
        return ""
    width, height = view.photo_size
    left, top, right, bottom = view.box
    crop = Box(max(left / width, 0), max(top / height, 0), min(right / width, 1), min(bottom / height, 1))
    rules = [f"--aspect: {width} / {height}", *_edges("crop", crop)]
    classes = ""
    for box in boxes[:1]:
        rules += _edges("box", box)
        visible = in_view(box, view)
        classes = " marked seen" if visible else " marked"
        rules += _edges("seen", visible) if visible else []
    if corner is not None:
        rules += [f"--corner-left: {corner[0]:.4%}", f"--corner-top: {corner[1]:.4%}"]
        classes = classes.replace(" marked", "") + " corner"
    return f'<style>:root {{ {"; ".join(rules)} }}</style><i class="drawn{classes}"></i>'


def localisation(target_evidence: TargetEvidence | None) -> str:
    """Return a table of how much of each heatmap is on the animal, or an empty string without a box."""
    if target_evidence is None:
        return ""
    word, share, cut_off = target_evidence.word, percent(target_evidence.share), percent(target_evidence.cut_off)
    size = f"The marked {word} fills {share} of what the model saw. {cut_off} of the {word} is outside of that."
    return f'<p class="hint">{escape(size)}</p>{_table(_LOCALISATION, target_evidence.localisations)}'


def faithfulness(answer: FaithfulnessAnswer) -> str:
    """Return curves, metrics and agreement, each with how to read it."""
    if answer.agreement is None:
        return message(answer.message)
    table = _table(_FAITHFULNESS, answer.faithfulness)
    return f'<div class="curves">{_curves(answer)}</div>{table}{_agreement(answer.explanations, answer.agreement)}'


def counterfactuals(view: View | None, results: Counterfactuals | None) -> str:
    """Return a row with what the model was shown, the photo first, and its answers; "" without any."""
    if view is None or results is None:
        return ""
    word = messages.TARGET if results.marked_by == "target" else text.HOTTEST_FIFTH
    cells = [_answer(view.image, text.BEFORE, results.explained, results.explained)]
    for answer in results.answers:
        part_title = changed_input(answer.part, answer.filling, word)
        after = replace(results.explained, probability=answer.probability)
        cells.append(_answer(Image.fromarray(answer.pixels), part_title, answer.first_choice, after))
    return f'<div class="answers">{"".join(cells)}</div>'


def _answer(image: Image.Image, title: str, first_choice: Prediction, explained: Prediction) -> str:
    names = [f"<strong>{escape(first_choice.name)}</strong> {percent(first_choice.probability)}"]
    if explained.class_idx != first_choice.class_idx:
        names.append(f"{escape(explained.name)} {percent(explained.probability)}")
    lines = "".join(f"<p>{name}</p>" for name in names)
    caption = f'<figcaption><p class="hint">{escape(title)}</p>{lines}</figcaption>'
    return f'<figure><img src="{data_uri(image)}" alt="">{caption}</figure>'


def contrast(answer: ContrastAnswer) -> str:
    """Return the heatmaps of both directions that are ready, one row per direction."""
    if answer.finished is None:
        return message(answer.message)
    view = answer.finished.forward_pass.view
    return "".join(_direction(list(direction.values()), view) for direction in answer.directions if direction)


def _edges(name: str, box: Box) -> list[str]:
    left, top, right, bottom = box
    values = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    return [f"--{name}-{edge}: {value:.4%}" for edge, value in values.items()]


def _table(keys: Sequence[str], measured: Mapping[Any, object]) -> str:
    """Return a table of metrics, with one column for each method or baseline in `measured`."""
    titles = "".join(f'<th scope="col">{escape(column_titles()[name])}</th>' for name in measured)
    body = "".join(_rows(_METRICS[key], list(measured.values())) for key in keys)
    table = f'<table class="metrics"><thead><tr><td></td>{titles}</tr></thead><tbody>{body}</tbody></table>'
    if len(measured) <= _MOST_COLUMNS:
        return table
    return f'<div class="scroll" role="region" aria-label="{escape(text.METRICS_BY_METHOD)}" tabindex="0">{table}</div>'


def _rows(metric: Metric, measured: Sequence[object]) -> str:
    """Return a row with a metric's name, the direction that is better and its values, and a row with its meaning."""
    title = escape(metric.title.replace("{target}", messages.TARGET))
    better = f' <span class="hint">{metric.better} is better</span>' if metric.better else ""
    values = (metric.text(getattr(values, metric.key, None)) for values in measured)
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    return (
        f'<tr><th scope="row">{title}{better}</th>{cells}</tr>'
        f'<tr class="meaning"><td colspan="{1 + len(measured)}">{escape(metric.meaning)}</td></tr>'
    )


def _curves(answer: FaithfulnessAnswer) -> str:
    names, parts = ("deletion", "insertion"), []
    for name, title, axis, hint in zip(names, text.CURVES, text.CURVE_AXES, text.CURVE_HINTS, strict=True):
        curves = {
            method: getattr(metrics, name) for method, metrics in answer.faithfulness.items() if metrics is not None
        }
        caption = f'<figcaption>{title} <span class="hint">{hint}</span></figcaption>'
        parts.append(f"<figure>{caption}{mean_curves(title, axis, curves)}</figure>")
    return "".join(parts)


def _agreement(explanations: Sequence[Explanation], agreement: Agreement) -> str:
    rows = []
    for i, j in combinations(range(len(explanations)), 2):
        pair = " and ".join(METHODS[explanations[index].method].title for index in (i, j))
        spearman, overlap = agreement.spearman[i][j], agreement.overlap[i][j]
        correlation = MISSING if spearman is None else f"{spearman:.2f}"
        shared = MISSING if overlap is None else percent(overlap)
        rows.append(f'<tr><th scope="row">{escape(pair)}</th><td>{correlation}</td><td>{shared}</td></tr>')
    head = '<tr><td></td><th scope="col">Spearman</th><th scope="col">Overlap</th></tr>'
    caption = f'{escape(text.AGREEMENT)}. <span class="hint">{escape(text.AGREEMENT_HINT)}</span>'
    body = f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody>"
    table = f'<table class="metrics"><caption>{caption}</caption>{body}</table>'
    if len(rows) <= _MOST_PAIRS:
        return table
    return f"<details><summary>{escape(text.AGREEMENT)}: {len(rows)} pairs</summary>{table}</details>"


def _direction(explanations: Sequence[Explanation], view: View) -> str:
    heading = escape(subject(explanations[0]))
    figures = "".join(contrast_figure(explanation, view) for explanation in explanations)
    return f'<h3 class="side">{heading}</h3><div class="maps">{figures}</div>'
