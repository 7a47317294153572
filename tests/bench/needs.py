"""`python -m tests.bench needs`: counterfactuals on photos on which what the network needs is known, and their cost."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from camcore import Explainer, Target, localise, open_photo
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MethodName
from camcore.metrics.baselines import column_titles
from camcore.metrics.counterfactuals import Counterfactuals, change_inputs
from camcore.metrics.intervals import share_interval, spearman
from camcore.metrics.thresholds import OFF, ON
from camcore.types import Box
from tests.bench.machine import describe_machine, describe_versions
from tests.bench.scene import bundled_photo, imagenet_photos, prepare_scene
from tests.bench.timing import in_turns
from tests.planted import TRUTH, Evidence, planted_explainer, planted_photos

_BOX = Box(0.3, 0.25, 0.75, 0.85)  # of the bundled photo's animal, roughly; the time does not depend on it
_MOST_FORWARDS = 12  # in int8 if there is such a model


@dataclass(frozen=True)
class Asked:
    """One planted photo: what its network needs, what was found, and the lift of each method and baseline."""

    evidence: Evidence
    is_centred: bool
    counterfactuals: Counterfactuals
    lifts: dict[str, float]


def main(arguments: list[str]) -> int:
    """Measure, print Markdown tables and draw a plot. Returns 0 whatever the figures are."""
    options = _parse(arguments)
    print(f"{describe_machine()}; {describe_versions()}.")
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        asked = _ask(options.count, Path(folder))
        _print_findings(asked)
        _print_methods(asked)
        if options.plot:
            _draw_thresholds(asked, options.plot)
        if options.rounds:
            _print_cost(Path(folder), options.model, options.rounds)
    return 0


def _ask(count: int, folder: Path) -> list[Asked]:
    asked = []
    for evidence in TRUTH:
        explainer = planted_explainer(evidence, folder)
        for number, planted in enumerate(planted_photos(evidence, count // len(TRUTH), imagenet_photos())):
            print(f"\r{evidence} {number + 1}  ", end="", file=sys.stderr, flush=True)
            target = Target.of_boxes([planted.box])
            photo = explainer.forward(planted.image, box=planted.box)
            explanations, coverage = explainer.explain(photo), target.coverage(photo.view)
            heatmaps = {str(explanation.method): explanation.heatmap for explanation in explanations}
            heatmaps |= {baseline.name: baseline.heatmaps[0] for baseline in explainer.baselines(explanations)}
            measured = {name: localise(heatmap, coverage) for name, heatmap in heatmaps.items()}
            lifts = {name: entry.lift for name, entry in measured.items() if entry}
            if found := explainer.counterfactuals(photo, target):
                asked.append(Asked(evidence, planted.is_centred, found, lifts))
        print(file=sys.stderr)
    return asked


def _print_findings(asked: Sequence[Asked]) -> None:
    print("\n| the network answers to | photos | decided | right, of those | 95% interval |")
    print("| --- | ---: | ---: | ---: | --- |")
    for evidence in (*TRUTH, None):
        some = [entry for entry in asked if evidence in {entry.evidence, None}]
        decided = [entry for entry in some if entry.counterfactuals.finding != "not decided"]
        right = sum(entry.counterfactuals.finding == TRUTH[entry.evidence] for entry in decided)
        interval = share_interval(right, len(decided))
        between = "–" if interval is None else f"{interval.low:.1%} to {interval.high:.1%}"
        share = right / max(len(decided), 1)
        print(f"| {evidence or 'all'} | {len(some)} | {len(decided) / len(some):.0%} | {share:.1%} | {between} |")


def _print_methods(asked: Sequence[Asked]) -> None:
    """Print how well lift tells what the network needs, where animals are centred and where they are not."""
    print("\n| lift of | rank correlation with the answers | centred | not centred | place of the heat right |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name, title in column_titles(DEFAULT_METHODS).items():
        cells = []
        for places in ((True, False), (True,), (False,)):
            some = [entry for entry in asked if entry.is_centred in places and name in entry.lifts]
            ratios = [entry.counterfactuals.log_ratio for entry in some]
            found = spearman([entry.lifts[name] for entry in some], ratios)
            value = "–" if found is None else f"{found[0]:.2f}"
            cells.append(value + (f" ({found[1].low:.2f} to {found[1].high:.2f})" if found and len(places) > 1 else ""))
        print(f"| {title} | {' | '.join(cells)} | {_right_places(asked, name, ON, OFF):.0%} |")


def _right_places(asked: Sequence[Asked], name: str, on: float, off: float) -> float:
    """Return the share of photos, of networks that need one part alone, whose lift lies on the right side."""
    some = [entry for entry in asked if entry.evidence in {"animal", "background"} and name in entry.lifts]
    right = sum(entry.lifts[name] >= on if entry.evidence == "animal" else entry.lifts[name] <= off for entry in some)
    return right / max(len(some), 1)


def _draw_thresholds(asked: Sequence[Asked], path: Path) -> None:
    """Draw which share of the photos of each network a threshold of lift calls on, or off, the animal."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(DEFAULT_METHODS), sharey=True)
    thresholds = np.linspace(0, 3, 121)
    method: MethodName
    for axis, method in zip(axes, DEFAULT_METHODS, strict=True):
        for evidence, colour in (("animal", "#2a6349"), ("background", "#9a2f1f")):
            lifts = np.array(
                [entry.lifts[method] for entry in asked if entry.evidence == evidence and method in entry.lifts]
            )
            above = (lifts[:, None] >= thresholds).sum(axis=0) / max(lifts.size, 1)
            axis.plot(thresholds, above, color=colour, label=f"the network answers to the {evidence}")
        for threshold, style in ((ON, "-"), (OFF, ":")):
            axis.axvline(threshold, color="#66635e", linestyle=style, linewidth=1)
        axis.set_title(METHODS[method].title, loc="left", fontsize=11)
        axis.set_xlabel("threshold of lift")
    axes[0].set_ylabel("share of photos above it")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=110)


def _print_cost(folder: Path, model: str, rounds: int) -> None:
    print(f"exporting a {model} of seeded weights", file=sys.stderr, flush=True)
    explainer = Explainer.load(prepare_scene(folder, model, bundled_photo()).artifact)
    photo = explainer.forward(open_photo(bundled_photo()), box=_BOX)
    target = Target.of_boxes([_BOX])
    coverage, x = target.coverage(photo.view), photo.x
    int8 = explainer._int8
    forwards = {"fp32": explainer._scorer.logits} | ({"int8": int8.forward} if int8 else {})
    works = {f"one forward in {name}": (lambda run=run: run(x)) for name, run in forwards.items()}
    works["the prediction, from the view"] = lambda: explainer.forward(photo.view)
    works["the inputs"] = lambda: change_inputs(x, coverage, {})
    works["the counterfactuals"] = lambda: explainer.counterfactuals(photo, target)
    samples = in_turns(works, rounds)
    asked = explainer.counterfactuals(photo, target)
    count = len(asked.answers) if asked else 0
    print(f"\n{model} of seeded weights, {count} answers; medians of {rounds} rounds in turns.\n")
    heads = "".join(f" against {name} |" for name in list(works)[: len(forwards)])
    print(f"|  | seconds |{heads}\n| --- | ---: |{' ---: |' * len(forwards)}")
    for name, each in samples.items():
        ratios = [
            median(one.seconds / other.seconds for one, other in zip(each, samples[first], strict=True))
            for first in list(works)[: len(forwards)]
        ]
        seconds = median(sample.seconds for sample in each)
        asks = ""
        if name == "the counterfactuals":
            asks = f" (at most {_MOST_FORWARDS} forwards: {'met' if ratios[-1] <= _MOST_FORWARDS else 'missed'})"
        print(f"| {name}{asks} | {seconds:.3f} |{''.join(f' {ratio:.1f} |' for ratio in ratios)}")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench needs", description="Counterfactuals where the truth is known, and their cost."
    )
    parser.add_argument("--count", type=int, default=200, metavar="N", help="planted photos (default: 200)")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the shares over thresholds of lift")
    parser.add_argument("--model", default="resnet50", metavar="NAME", help="for the cost (default: resnet50)")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="of timing; 0 for none (default: 15)")
    return parser.parse_args(arguments)
