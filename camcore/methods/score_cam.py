"""Score-CAM (Wang et al. 2020, arXiv 1910.01279): its definitions, and the exhaustive or the predicted map."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from camcore.methods.definitions import DEFINITIONS, Definition, channel_weights, log_weights
from camcore.methods.effort import StoppingRule
from camcore.methods.grad_cam import weighted_map
from camcore.methods.heatmap import min_max, upsample
from camcore.methods.surrogate import ExhaustiveSampler, GaussianProcessSampler, MaskedForward
from camcore.types import Array, Floats, Forward, Precision

CHUNK = 8  # masked inputs of 224 x 224 pixels that are run at once; larger batches are no faster


def batch_size(size: Sequence[int], of_224: int = CHUNK) -> int:
    """Return how many inputs of `size` (H, W) to run at once: as many pixels as `of_224` inputs of 224 x 224 have."""
    return max(of_224 * 224 * 224 // (size[0] * size[1]), 1)


def alive_channels(activations: Array) -> NDArray[np.intp]:
    """Return the indices of the channels that vary over (h, w), the most varied first.

    With this order, early maps resemble the last one. A constant channel has no mask; it is recognised before
    upsampling, because rounding makes it vary afterwards.
    """
    varies = activations.max(axis=(1, 2)) > activations.min(axis=(1, 2))
    spread = activations.std(axis=(1, 2), dtype=np.float64)
    order = np.argsort(-spread, kind="stable")
    alive: NDArray[np.intp] = order[varies[order]]
    return alive


def masks(activations: Array, size: tuple[int, int], definition: Definition) -> Array:
    """Return the masks (n, H, W) in [0, 1] of n channels (n, h, w) that vary."""
    if definition.stretch == "before upsampling":
        return upsample(min_max(activations), size, definition.align_corners)
    return min_max(upsample(activations, size, definition.align_corners))


@dataclass(frozen=True)
class Int8Forward:
    """A faster forward with inexact scores."""

    forward: Forward
    noise: float  # variance of the scores' error, as a share of the scores' own variance
    speed_up: float  # how many of its runs take the time of one exact run


@dataclass(frozen=True)
class ScoreCamStep:
    """Score-CAM after some of its forwards."""

    cam: Array  # the map, (h, w) and >= 0
    forwards: int  # number of forwards so far
    exact_forwards: int  # number of those that were run in fp32
    channels_alive: int  # number of channels that vary
    fidelity: float | None  # estimated correlation of the heatmap with the exhaustive one; None without an estimate
    done: bool  # whether this is the last map

    @property
    def precision(self) -> Precision:
        """Return the precision of the forwards so far."""
        if self.exact_forwards == self.forwards:
            return "fp32"
        return "int8+fp32" if self.exact_forwards else "int8"


def score_cam(
    x: Array,
    activations: Array,
    class_idx: int,
    forward: Forward,
    *,
    contrast_idx: int | None = None,
    definition: Definition = DEFINITIONS["paper"],
    multi_label: bool = False,
    rule: StoppingRule | None = None,
    contributions: Array | None = None,
    int8: Int8Forward | None = None,
    chunk: int = CHUNK,
) -> Iterator[ScoreCamStep]:
    """Yield Score-CAM after every chunk of forwards; the last map is the final one.

    Closing the generator stops the work after the current chunk. If no channel varies, it yields one empty map.

    Args:
        x: the model's input, (1, 3, H, W); it is multiplied by the masks after normalisation.
        activations: of the target layer, (C, h, w).
        class_idx, contrast_idx, multi_label: the class to explain, the class that it is set against, and whether
            several classes may be right at once; see `log_weights`.
        rule: when to stop. The most informative channels then run first, and those that do not run are predicted. With
            None, or a limit that leaves no channel out, every channel that varies is run: the exhaustive map.
        contributions: the sum over channels of gradient times activation, (h, w), which makes the predictions better.
        int8: a forward to run instead of `forward` where, under a rule, it is more informative for its time.
        chunk: number of masked inputs per batch; it changes time and memory, but not the exhaustive map.
    """
    alive = alive_channels(activations)
    if not alive.size:
        yield ScoreCamStep(np.zeros(activations.shape[1:], np.float32), 0, 0, 0, 1.0, True)
        return
    activations, size = activations[alive], (x.shape[2], x.shape[3])
    sampler: ExhaustiveSampler | GaussianProcessSampler = ExhaustiveSampler(alive.size)
    limit = alive.size
    if rule is not None and not rule.runs_every_channel(alive.size):
        limit = rule.limit
        int8_options = (int8.noise, int8.speed_up) if int8 else ()
        sampler = GaussianProcessSampler(activations, size, limit, *int8_options, contributions=contributions)
    forwards = {True: forward} | ({False: int8.forward} if int8 else {})
    batch = np.empty((min(chunk, limit), *x.shape[1:]), np.float32)
    scores = partial(log_weights, class_idx=class_idx, definition=definition, contrast_idx=contrast_idx)
    scores = partial(scores, multi_label=multi_label)
    measure = _Measurement(x, activations, definition, forwards, scores, batch)
    forwards_run, exact_forwards, done = 0, 0, False
    while not done:
        runs = sampler.choose(min(chunk, limit - forwards_run))
        sampler.observe(measure(runs))
        forwards_run += len(runs)
        exact_forwards += sum(run.exact for run in runs)
        fidelity = sampler.fidelity
        done = sampler.exhausted or (rule is not None and rule.ends(forwards_run, fidelity))
        cam = weighted_map(channel_weights(sampler.log_weights, definition), activations)
        yield ScoreCamStep(cam, forwards_run, exact_forwards, alive.size, fidelity, done)


@dataclass(frozen=True)
class _Measurement:
    """Callable that runs masked inputs, and returns the logarithms of their channels' weights."""

    x: Array
    activations: Array
    definition: Definition
    forwards: Mapping[bool, Forward]  # by `MaskedForward.exact`
    log_weights: Callable[[Array], Floats]
    batch: Array  # memory for the masked inputs

    def __call__(self, runs: Sequence[MaskedForward]) -> Floats:
        values = np.empty(len(runs))
        for exact, forward in self.forwards.items():
            chosen = [number for number, run in enumerate(runs) if run.exact == exact]
            if chosen:
                logits = forward(self._masked([runs[number].channel for number in chosen]))
                values[chosen] = self.log_weights(logits)
        return values

    def _masked(self, channels: list[int]) -> Array:
        mask = masks(self.activations[channels], (self.x.shape[2], self.x.shape[3]), self.definition)
        masked: Array = np.multiply(self.x, mask[:, None], out=self.batch[: len(channels)])
        return masked
