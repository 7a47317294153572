"""The figures of `peers` as one Markdown table."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tests.bench.machine import cores, describe_machine, describe_versions
from tests.bench.timing import Sample

FEATURES = "features"
_OURS, *_PEERS = _COLUMNS = ("camcore", "grad-cam", "torchcam")
_FASTER = {"grad-cam": 3.0, "torchcam": 3.5}
_MEMORY = 1.1
_GRADIENTS = 1.5
_FAST, _RATIO, _FIRST, _INT8 = 1.0, 120, 0.3, 2.7
_QUARTERS = 4


@dataclass(frozen=True)
class Figures:
    """All that was measured, by library.

    `score_cam` ran on `channels` of `all_channels`; `complete` are its seconds for all of them, a round each; `peaks`
    are GB, on `memory_channels`; `gradients` are Grad-CAM and Grad-CAM++ together, beside `FEATURES`, one forward.
    """

    model: str
    channels: int
    memory_channels: int
    all_channels: int
    rounds: int
    score_cam: dict[str, list[Sample]]
    complete: dict[str, list[float]]
    peaks: dict[str, float]
    gradients: dict[str, list[Sample]]


@dataclass(frozen=True)
class Fast:
    """The fast comparison: three methods with so many `forwards`, and its peak in GB.

    `samples` are in turns: "three" methods, all until the "first" Score-CAM, and some channels in "fp32" and in "int8".
    """

    forwards: int
    samples: dict[str, list[Sample]]
    peak: float


def draw_table(figures: Figures, fast: Fast) -> str:
    """Two lines about the run, then the table."""
    head = ("", *_COLUMNS, "target")
    rows = [
        head,
        ("---", *["---:"] * len(_COLUMNS), "---"),
        *_score_cam(figures),
        _memory(figures),
        *_gradients(figures),
        *_fast(figures, fast),
    ]
    return "\n".join([*_preamble(figures), "", *(f"| {' | '.join(row)} |" for row in rows)])


def _preamble(figures: Figures) -> list[str]:
    return [
        f"{describe_machine()}; {describe_versions()}.",
        f"{figures.model} of seeded weights, layer4, {_number(figures.all_channels)} channels; "
        f"medians of {figures.rounds} round{'s'[: figures.rounds > 1]} in turns, the middle half in brackets.",
    ]


def _score_cam(figures: Figures) -> list[tuple[str, ...]]:
    every = _number(figures.all_channels)
    how = "" if figures.channels == figures.all_channels else f", extrapolated from {_number(figures.channels)}"
    seconds = {name: median(values) for name, values in figures.complete.items()}
    ratios = {name: _ratios(figures.complete[name], figures.complete[_OURS]) for name in _PEERS}
    verdicts = [f"{_FASTER[name]} {_verdict(median(ratios[name]) >= _FASTER[name])}" for name in _PEERS]
    busy = [median(sample.cores for sample in figures.score_cam[name]) for name in _COLUMNS]
    return [
        (f"Score-CAM, {every} channels{how}", *(f"{seconds[name]:.1f} s" for name in _COLUMNS), ""),
        ("… camcore is faster by", "", *(_spread(ratios[name]) for name in _PEERS), "at least " + "; ".join(verdicts)),
        (f"… cores kept busy, of {cores()}", *(f"{value:.2f}" for value in busy), ""),
    ]


def _memory(figures: Figures) -> tuple[str, ...]:
    begun = figures.memory_channels < figures.all_channels
    some = f", first {_number(figures.memory_channels)} channels" if begun else ""
    peaks = [f"{figures.peaks[name]:.2f} GB" for name in _COLUMNS]
    met = _verdict(figures.peaks[_OURS] <= _MEMORY)
    return (f"peak memory of a fresh process{some}", *peaks, f"camcore at most {_MEMORY} GB {met}")


def _gradients(figures: Figures) -> list[tuple[str, ...]]:
    seconds = {name: [sample.seconds for sample in samples] for name, samples in figures.gradients.items()}
    ratios = {name: _ratios(seconds[name], seconds[FEATURES]) for name in _COLUMNS}
    met = _verdict(median(ratios[_OURS]) <= _GRADIENTS)
    forward = f"… against one `features` forward ({1000 * median(seconds[FEATURES]):.0f} ms)"
    return [
        ("Grad-CAM and Grad-CAM++ together", *(f"{1000 * median(seconds[name]):.0f} ms" for name in _COLUMNS), ""),
        (forward, *(f"{median(ratios[name]):.2f} ×" for name in _COLUMNS), f"camcore at most {_GRADIENTS} {met}"),
    ]


def _fast(figures: Figures, fast: Fast) -> list[tuple[str, ...]]:
    """The peers' three methods are their Score-CAM of every channel and their gradient methods."""
    three, first = (median(sample.seconds for sample in fast.samples[name]) for name in ("three", "first"))
    theirs = [
        median(figures.complete[name]) + median(sample.seconds for sample in figures.gradients[name]) for name in _PEERS
    ]
    least = min(theirs) / three
    int8 = _ratios(*([sample.seconds for sample in fast.samples[name]] for name in ("fp32", "int8")))
    label = f"three methods, Score-CAM fast ({fast.forwards} forwards)"
    return [
        (label, f"{three:.2f} s", *(f"{seconds:.1f} s" for seconds in theirs), _at_most(_FAST, three, "s")),
        ("… faster than theirs by", "", *(f"{seconds / three:.0f} ×" for seconds in theirs), _at_least(_RATIO, least)),
        ("… until the first Score-CAM", f"{first:.2f} s", "", "", _at_most(_FIRST, first, "s")),
        ("… peak memory of a fresh process", f"{fast.peak:.2f} GB", "", "", _at_most(_MEMORY, fast.peak, "GB")),
        ("exhaustive in int8, faster than in fp32 by", _spread(int8), "", "", _at_least(_INT8, median(int8))),
    ]


def _at_most(limit: float, value: float, unit: str) -> str:
    return f"camcore at most {limit} {unit} {_verdict(value <= limit)}"


def _at_least(limit: float, value: float) -> str:
    return f"at least {limit} {_verdict(value >= limit)}"


def _ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round, so that the machine's pace cancels."""
    return [a / b for a, b in zip(above, below, strict=True)]


def _spread(ratios: Sequence[float]) -> str:
    if len(ratios) < _QUARTERS:
        return f"{median(ratios):.2f} ×"
    low, _, high = quantiles(ratios, n=_QUARTERS, method="inclusive")
    return f"{median(ratios):.2f} × ({low:.2f} to {high:.2f})"


def _verdict(met: bool) -> str:
    return "(met)" if met else "(missed)"


def _number(value: int) -> str:
    return f"{value:,}"
