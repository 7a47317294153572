"""`python -m tests.bench fidelity DIR`: how alike the fast Score-CAM is to the exhaustive one, photo by photo."""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camcore import Explainer, open_photo
from camcore.images.preprocess import RESIZE_MODES
from camcore.methods.definitions import DefinitionName
from camcore.methods.effort import Effort, read_effort
from camcore.methods.heatmap import correlation
from camcore.methods.score_cam import CHUNK
from camcore.model.manifest import ONNX
from camcore.model.onnx import Scorer
from export.pipeline import ExportOptions, export_artifact
from tests.bench.company import compare, draw_company, tabulate_company
from tests.bench.curves import draw_curves, tabulate_curves
from tests.bench.estimators import ESTIMATORS, OURS
from tests.bench.machine import describe_machine, describe_versions
from tests.bench.subjects import Subject, subjects
from tests.bench.targets import Replay, replay, tabulate_targets

COMPARED: tuple[DefinitionName, ...] = ("paper", "probability")
FORWARDS = range(CHUNK, 129, CHUNK)
TABULATED = (32, 64, 96, 128)
_CLAIMED, _TRUE = 0.99, 0.98


@dataclass(frozen=True)
class Row:
    """One photo under one definition: what the fast map says of itself, and its correlation with the exhaustive one."""

    photo: str
    definition: DefinitionName
    forwards: int
    precision: str
    seconds: float
    estimate: float
    correlation: float


def main(arguments: list[str]) -> int:
    """Measure, print a row a photo and the percentiles, and draw the curves. Returns 0, or 2 without a photo."""
    options = _parse(arguments)
    rows: list[Row] = []
    curves: dict[str, dict[str, list[list[float]]]] = {d: {name: [] for name in ESTIMATORS} for d in COMPARED}
    compared = []
    replays: dict[DefinitionName, list[Replay]] = {definition: [] for definition in COMPARED}
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        artifact = options.artifact or export_artifact(ExportOptions("efficientnet_lite0", out=Path(folder) / "lite0"))
        explainer = Explainer.load(artifact)
        for subject in subjects(explainer, Scorer(artifact / ONNX), options):
            for definition in COMPARED:
                rows.append(_row(explainer, subject, definition, options.effort))
                if options.targets:
                    replays[definition].append(replay(subject, definition))
                for name in ESTIMATORS if options.plot else ():
                    curves[definition][name].append(_curve(subject, definition, name))
            if options.company:
                compared.append(compare(subject, options.company_forwards))
    if not rows:
        print(f"{options.photos} holds no readable photo", file=sys.stderr)
        return 2
    print(_report(rows, explainer.manifest.model))
    if options.targets:
        print("", *tabulate_targets(replays), sep="\n")
    if options.plot:
        print("", *tabulate_curves(FORWARDS, curves, TABULATED), sep="\n")
        draw_curves(FORWARDS, curves, OURS, options.plot)
    if options.company:
        print("", *tabulate_company(compared, options.company_forwards), sep="\n")
        draw_company(compared, options.company_forwards, options.company)
    return 0


def _row(explainer: Explainer, subject: Subject, definition: DefinitionName, effort: Effort) -> Row:
    start = time.perf_counter()
    (fast,) = explainer.explain(
        subject.forward_pass, subject.class_idx, ["score-cam"], definition=definition, effort=effort
    )
    return Row(
        subject.photo,
        definition,
        fast.forwards or 0,
        str(fast.precision),
        time.perf_counter() - start,
        float("nan") if fast.fidelity_estimate is None else fast.fidelity_estimate,
        correlation(fast.heatmap, subject.heatmap(subject.log_weights(definition), definition)),
    )


def _curve(subject: Subject, definition: DefinitionName, name: str) -> list[float]:
    """Correlations that an estimator reaches at each of `FORWARDS`."""
    estimator, true = ESTIMATORS[name](subject.activations, subject.contributions), subject.log_weights(definition)
    reference, reached = subject.heatmap(true, definition), []
    for _ in FORWARDS:
        runs = estimator.choose(CHUNK)
        if runs:
            estimator.observe(true[[run.channel for run in runs]])
        reached.append(correlation(subject.heatmap(estimator.log_weights, definition), reference))
    return reached


def _report(rows: list[Row], model: str) -> str:
    lines = [
        f"{describe_machine()}; {describe_versions()}.",
        f"{model}, {len({row.photo for row in rows})} photos; Pearson correlation of heatmaps.",
        "",
        "| photo | definition | forwards | precision | seconds | estimate | correlation |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.photo} | {row.definition} | {row.forwards} | {row.precision} | {row.seconds:.2f} | "
        f"{row.estimate:.4f} | {row.correlation:.4f} |"
        for row in rows
    ]
    lines += ["", *_summary(rows)]
    return "\n".join(lines)


def _summary(rows: list[Row]) -> list[str]:
    lines = [
        "|  | paper | probability | target |",
        "| --- | ---: | ---: | --- |",
    ]
    by_definition = {name: [row for row in rows if row.definition == name] for name in COMPARED}
    true = {name: np.array([row.correlation for row in each]) for name, each in by_definition.items()}
    for label, figure, target in (
        ("correlation, 5th percentile", lambda values: np.percentile(values, 5), 0.995),
        ("… mean", np.mean, 0.998),
        ("… least", np.min, 0.98),
    ):
        values = {name: float(figure(true[name])) for name in COMPARED}
        met = "met" if min(values.values()) >= target else "missed"
        lines.append(f"| {label} | {values['paper']:.4f} | {values['probability']:.4f} | at least {target} ({met}) |")
    claims = {name: _overclaimed(each) for name, each in by_definition.items()}
    met = "met" if max(claims.values()) <= 0.01 else "missed"
    lines.append(
        f"| estimate {_CLAIMED} or more, truth under {_TRUE} | {claims['paper']:.1%} | {claims['probability']:.1%} | "
        f"at most 1% ({met}) |"
    )
    forwards = [np.array([row.forwards for row in each]) for each in by_definition.values()]
    for label, figure, target in (
        ("forwards, median", np.median, 48),
        ("… 90th percentile", lambda counts: np.percentile(counts, 90), 80),
    ):
        values = [float(figure(counts)) for counts in forwards]
        met = "met" if values[0] <= target else "missed"
        lines.append(f"| {label} | {' | '.join(f'{value:.0f}' for value in values)} | paper at most {target} ({met}) |")
    lines.append(f"| … most | {' | '.join(str(counts.max()) for counts in forwards)} |  |")
    return lines


def _overclaimed(rows: list[Row]) -> float:
    return float(np.mean([row.estimate >= _CLAIMED and row.correlation < _TRUE for row in rows]))


def median_forwards(explainer: Explainer, photos: list[Path]) -> int:
    """Forwards that the fast rule takes on these photos, the most probable class, under both definitions."""
    forward_pass = [explainer.forward(open_photo(path)) for path in photos]
    found = [
        explainer.explain(each, None, ["score-cam"], definition=definition)[0].forwards or 0
        for each in forward_pass
        for definition in COMPARED
    ]
    return round(float(np.median(found)))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench fidelity", description="The fast Score-CAM against the exhaustive one, in fp32."
    )
    parser.add_argument("photos", type=Path, metavar="DIR", help="a folder of photos")
    parser.add_argument("--artifact", type=Path, metavar="DIR", help="default: EfficientNet-Lite0, exported for this")
    parser.add_argument(
        "--effort", default="fast", type=read_effort, help="fast or a number of forwards (default: fast)"
    )
    parser.add_argument("--rank", type=int, default=0, help="class to explain: 0 for the most probable, 1 for the next")
    parser.add_argument("--fit", choices=RESIZE_MODES, default="crop", help="default: crop")
    parser.add_argument("--targets", action="store_true", help="tabulate the rule if it stopped at other estimates")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw fidelity against forwards, for every estimator")
    parser.add_argument(
        "--company", type=Path, metavar="FILE", help="draw other ways at equal forwards, and tabulate them"
    )
    parser.add_argument("--company-forwards", type=int, default=48, metavar="N", help="their forwards (default: 48)")
    return parser.parse_args(arguments)
