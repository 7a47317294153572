"""Faithfulness: change of the model's answer when the places that a heatmap marks are kept, removed or restored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice

import numpy as np

from camcore.methods.score_cam import batch_size
from camcore.types import Array, Forward, Precision, to_probabilities

STEPS = 32
BLUR = 10.0  # standard deviation in pixels
_BATCH = 16  # inputs of 224 x 224 pixels per forward pass; 8 and 32 both take 7% longer on two cores
_REACH = 4  # half-width of the blur's kernel in standard deviations


@dataclass(frozen=True)
class Protocol:
    """The protocol of the measurement; metrics from different protocols are not comparable.

    Scores are probabilities of the explained class. Areas follow the trapezoid rule over the share of pixels.
    """

    steps: int = STEPS  # of equal numbers of pixels, the hottest first; equally hot pixels change row by row
    masking: str = "the normalised input times the heatmap"
    deletion: str = "pixels become 0 after normalisation, the hottest first"
    insertion: str = f"pixels return over the input blurred by a Gaussian of {BLUR:.0f} pixels, the hottest first"
    blur: float = BLUR


PROTOCOL = Protocol()


@dataclass(frozen=True)
class Faithfulness:
    """The faithfulness of one heatmap, measured as `PROTOCOL` states.

    Let p be the probability of the class for the input, and q for the input times the heatmap, both in fp32. A curve
    holds the value before the first and after each of `steps` steps (RISE, Petsiuk et al. 2018, arXiv 1806.07421).
    """

    average_drop: float  # 100 max(0, p - q) / p, in percent (Chattopadhay et al. 2018, arXiv 1710.11063)
    increase: bool  # q > p (Chattopadhay et al. 2018)
    average_gain: float  # 100 max(0, q - p) / (1 - p), in percent (Zhang et al. 2023, arXiv 2301.07002)
    deletion: tuple[float, ...]  # probabilities while pixels are deleted
    insertion: tuple[float, ...]  # probabilities while pixels are inserted
    deletion_auc: float  # area under `deletion`, in [0, 1]; lower is better
    insertion_auc: float  # area under `insertion`, in [0, 1]; higher is better
    precision: Precision  # of the two curves


def faithfulness(
    x: Array,
    heatmaps: Sequence[Array],
    class_idx: int,
    forward: Forward,
    *,
    int8: Forward | None = None,
    multi_label: bool = False,
    chunk: int | None = None,
) -> list[Faithfulness | None]:
    """Measure the faithfulness of several heatmaps (H, W) of one input x (1, 3, H, W), in batches of `chunk` inputs.

    By default, a batch has fewer of larger inputs. The heatmaps explain the class `class_idx`. `int8` is a quantised
    model for the curves; None to use `forward`. An empty heatmap gives no order of pixels; its entry is None. With
    `multi_label`, scores are sigmoids; see `to_probabilities`.
    """
    nonempty = [heatmap for heatmap in heatmaps if heatmap.any()]
    if not nonempty:
        return [None] * len(heatmaps)
    count = chunk or batch_size(x.shape[2:], _BATCH)
    exact, fast = (_Score(model, class_idx, multi_label, count) for model in (forward, int8 or forward))
    p, *masked = exact(chain(x, (x[0] * heatmap for heatmap in nonempty)))
    curves = _curves(x[0], nonempty, fast)
    precision: Precision = "int8" if int8 else "fp32"
    measured = (
        Faithfulness(drop(p, q), q > p, gain(p, q), deleted, inserted, area(deleted), area(inserted), precision)
        for q, (deleted, inserted) in zip(masked, curves, strict=True)
    )
    return [next(measured) if heatmap.any() else None for heatmap in heatmaps]


def drop(p: float, q: float) -> float:
    """Return the average drop in percent, from the probability p of the whole input to q of the masked one."""
    return 100 * max(0.0, p - q) / p if p > 0 else 0.0


def gain(p: float, q: float) -> float:
    """Return the average gain in percent, from the probability p of the whole input to q of the masked one."""
    return 100 * max(0.0, q - p) / (1 - p) if p < 1 else 0.0


def area(curve: Sequence[float]) -> float:
    """Return the area under a curve of evenly spaced points over [0, 1], by the trapezoid rule."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


def blurred(x: Array, deviation: float = BLUR) -> Array:
    """Blur x (..., H, W) with a Gaussian of `deviation` pixels, cut at four deviations, with mirrored edges."""
    result: Array = _blur(x.shape[-2], deviation) @ (x @ _blur(x.shape[-1], deviation).T)
    return result


@lru_cache(maxsize=8)
def _blur(size: int, deviation: float) -> Array:
    """Return the matrix (size, size) that blurs along one axis."""
    offsets = np.arange(-round(_REACH * deviation), round(_REACH * deviation) + 1)
    kernel = np.exp(-0.5 * (offsets / deviation) ** 2)
    source = (np.arange(size)[:, None] + offsets) % (2 * size)
    source = np.minimum(source, 2 * size - 1 - source)  # mirrored; the edge pixel is repeated
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], source), kernel / kernel.sum())
    result: Array = matrix.astype(np.float32)
    return result


def _curves(
    x: Array, heatmaps: Sequence[Array], score: "_Score"
) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Yield the deletion and insertion curves of each heatmap; their shared end points are run once."""
    baselines = np.zeros_like(x), blurred(x)
    perturbed = chain.from_iterable(_perturbed(x, *baselines, heatmap) for heatmap in heatmaps)
    values = iter(score(chain((x, *baselines), perturbed)))
    original, empty, blur = islice(values, 3)
    for _ in heatmaps:
        deleted, inserted = (tuple(islice(values, STEPS - 1)) for _ in range(2))
        yield (original, *deleted, empty), (blur, *inserted, original)


def _perturbed(x: Array, zeros: Array, blur: Array, heatmap: Array) -> Iterator[Array]:
    """Yield the inputs (3, H, W) of the steps between the end points: all deletions, then all insertions."""
    order = np.argsort(-heatmap, axis=None, kind="stable")
    ranks = np.empty(order.size, np.intp)
    ranks[order] = np.arange(order.size)
    counts = [round(order.size * step / STEPS) for step in range(1, STEPS)]
    for hottest, rest in ((zeros, x), (x, blur)):
        for count in counts:
            yield np.where(ranks.reshape(heatmap.shape) < count, hottest, rest)


@dataclass(frozen=True)
class _Score:
    """Callable that returns the probability of a class for each input (3, H, W), run in batches of `chunk`."""

    forward: Forward
    class_idx: int
    multi_label: bool
    chunk: int

    def __call__(self, inputs: Iterator[Array]) -> list[float]:
        probabilities: list[float] = []
        while batch := list(islice(inputs, self.chunk)):
            logits = self.forward(np.stack(batch))
            probabilities += to_probabilities(logits, self.multi_label)[:, self.class_idx].tolist()
        return probabilities
