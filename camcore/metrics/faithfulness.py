"""How the model answers when what a heatmap points at is kept, taken away, or given back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from camcore.types import Array, Forward, Precision, softmax

STEPS = 32
BLUR = 10.0  # standard deviation in pixels
BATCH = 16  # inputs run at once; 8 take 7% longer on two cores, 32 as long as 8
_REACH = 4  # standard deviations that the blur's kernel extends


@dataclass(frozen=True)
class Protocol:
    """How faithfulness was measured: figures from different protocols are not comparable.

    Scores are softmax probabilities of the explained class. Pixels go in `steps` equal steps, the hottest first, equal
    ones by position, row by row; areas are by the trapezoid rule over the share of pixels, 0 to 1.
    """

    steps: int = STEPS
    masking: str = "the normalised input times the heatmap"
    deletion: str = "pixels become 0 after normalisation, the hottest first"
    insertion: str = f"pixels return over the input blurred by a Gaussian of {BLUR:.0f} pixels, the hottest first"
    blur: float = BLUR


PROTOCOL = Protocol()


@dataclass(frozen=True)
class Faithfulness:
    """How one heatmap stands up to the model, as `PROTOCOL` says.

    With p the probability of the class for the input, and q for the input times the heatmap: `average_drop` is
    100 max(0, p - q) / p, `average_gain` is 100 max(0, q - p) / (1 - p), both in percent, and `increase` is q > p
    (Chattopadhay et al. 2018, arXiv 1710.11063; for the gain Zhang et al. 2023, arXiv 2301.07002). `deletion` and
    `insertion` are the probabilities after each of `steps` steps, the first of them before any (Petsiuk et al. 2018,
    arXiv 1806.07421, RISE), and `deletion_auc`, the lower the better, and `insertion_auc`, the higher the better,
    their areas in [0, 1].
    `precision` is that of the curves; drop, increase and gain are fp32.
    """

    average_drop: float
    increase: bool
    average_gain: float
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    deletion_auc: float
    insertion_auc: float
    precision: Precision


def faithfulness(
    x: Array,
    heatmaps: Sequence[Array],
    class_idx: int,
    forward: Forward,
    *,
    int8: Forward | None = None,
    chunk: int = BATCH,
) -> list[Faithfulness | None]:
    """The faithfulness of several heatmaps (H, W) of one input x (1, 3, H, W), their forwards batched together.

    `forward` goes from a batch of inputs (N, 3, H, W) to logits (N, K); `int8`, where given, runs the curves instead.
    An empty heatmap has no order of pixels, so it gets None.
    """
    shown = [heatmap for heatmap in heatmaps if heatmap.any()]
    if not shown:
        return [None] * len(heatmaps)
    p, *masked = _probabilities(chain(x, (x[0] * heatmap for heatmap in shown)), class_idx, forward, chunk)
    curves = _curves(x[0], shown, class_idx, int8 or forward, chunk)
    precision: Precision = "int8" if int8 else "fp32"
    measured = (
        Faithfulness(drop(p, q), q > p, gain(p, q), deleted, inserted, area(deleted), area(inserted), precision)
        for q, (deleted, inserted) in zip(masked, curves, strict=True)
    )
    return [next(measured) if heatmap.any() else None for heatmap in heatmaps]


def drop(p: float, q: float) -> float:
    """Average drop in percent, from the probability p of the whole input to q of the masked one."""
    return 100 * max(0.0, p - q) / p if p > 0 else 0.0


def gain(p: float, q: float) -> float:
    """Average gain in percent, from the probability p of the whole input to q of the masked one."""
    return 100 * max(0.0, q - p) / (1 - p) if p < 1 else 0.0


def area(curve: Sequence[float]) -> float:
    """Area under a curve over [0, 1] by the trapezoid rule, its points evenly spaced."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


def blurred(x: Array, deviation: float = BLUR) -> Array:
    """x (..., H, W) convolved with a Gaussian of that many pixels, cut at four deviations, its edges mirrored."""
    result: Array = _blur(x.shape[-2], deviation) @ (x @ _blur(x.shape[-1], deviation).T)
    return result


def _blur(size: int, deviation: float) -> Array:
    """The (size, size) matrix of that convolution along one axis."""
    offsets = np.arange(-round(_REACH * deviation), round(_REACH * deviation) + 1)
    kernel = np.exp(-0.5 * (offsets / deviation) ** 2)
    at = (np.arange(size)[:, None] + offsets) % (2 * size)
    at = np.minimum(at, 2 * size - 1 - at)  # mirrored, the edge pixel repeated
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], at), kernel / kernel.sum())
    result: Array = matrix.astype(np.float32)
    return result


def _curves(
    x: Array, heatmaps: Sequence[Array], class_idx: int, forward: Forward, chunk: int
) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Deletion and insertion of each heatmap; their ends are the same for all, and are run once."""
    baselines = np.zeros_like(x), blurred(x)
    inner = (_perturbed(x, *baselines, heatmap) for heatmap in heatmaps)
    values = iter(_probabilities(chain((x, *baselines), chain.from_iterable(inner)), class_idx, forward, chunk))
    whole, nothing, blur = islice(values, 3)
    for _ in heatmaps:
        deleted, inserted = (tuple(islice(values, STEPS - 1)) for _ in range(2))
        yield (whole, *deleted, nothing), (blur, *inserted, whole)


def _perturbed(x: Array, zeros: Array, blur: Array, heatmap: Array) -> Iterator[Array]:
    """The inputs (3, H, W) of the steps between the ends: first with pixels deleted, then with pixels inserted."""
    order = np.argsort(-heatmap, axis=None, kind="stable")
    place = np.empty(order.size, np.intp)
    place[order] = np.arange(order.size)
    counts = [round(order.size * step / STEPS) for step in range(1, STEPS)]
    for hottest, rest in ((zeros, x), (x, blur)):
        for count in counts:
            yield np.where(place.reshape(heatmap.shape) < count, hottest, rest)


def _probabilities(inputs: Iterator[Array], class_idx: int, forward: Forward, chunk: int) -> list[float]:
    """Of the class, for inputs (3, H, W), run in batches."""
    found: list[float] = []
    while batch := list(islice(inputs, chunk)):
        found += softmax(forward(np.stack(batch)))[:, class_idx].tolist()
    return found
