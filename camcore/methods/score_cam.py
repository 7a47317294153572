"""Score-CAM (Wang et al. 2020, arXiv 1910.01279) under a stated definition: exhaustive, or as far as is needed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from camcore.methods.effort import StoppingRule
from camcore.methods.grad_cam import weighted_map
from camcore.methods.heatmap import min_max, upsample
from camcore.methods.surrogate import ExhaustiveSampler, GaussianProcessSampler, MaskedForward
from camcore.types import Array, Forward, Precision, softmax

DefinitionName = Literal["paper", "probability", "pytorch-grad-cam", "torchcam"]
CHUNK = 8


@dataclass(frozen=True)
class Definition:
    """The choices in which public Score-CAMs differ; `reproduces` says whose map these give.

    A logit score is softmaxed over the channels to give the weights; a probability is the weight as it is. Masks are
    stretched to [0, 1] after upsampling, or before it on the layer's grid.
    """

    score: Literal["logit", "probability"]
    stretch: Literal["after upsampling", "before upsampling"]
    align_corners: bool
    reproduces: str


DEFINITIONS: dict[DefinitionName, Definition] = {
    "paper": Definition("logit", "after upsampling", False, "Algorithm 1 of the paper's later version"),
    "probability": Definition("probability", "after upsampling", False, "the authors' published code"),
    "pytorch-grad-cam": Definition("logit", "after upsampling", True, "grad-cam 1.5.7"),
    "torchcam": Definition("logit", "before upsampling", False, "torchcam 0.5.0"),
}


def alive_channels(activations: Array) -> NDArray[np.intp]:
    """Indices of the channels whose (h, w) map varies, the most varied first, so that early maps resemble the last.

    A constant channel has no mask. It is told before upsampling, after which rounding would make it vary.
    """
    varies = activations.max(axis=(1, 2)) > activations.min(axis=(1, 2))
    spread = activations.std(axis=(1, 2), dtype=np.float64)
    order = np.argsort(-spread, kind="stable")
    alive: NDArray[np.intp] = order[varies[order]]
    return alive


def masks(activations: Array, size: tuple[int, int], definition: Definition) -> Array:
    """Masks (n, H, W) in [0, 1] of n alive channels (n, h, w)."""
    if definition.stretch == "before upsampling":
        return upsample(min_max(activations), size, definition.align_corners)
    return min_max(upsample(activations, size, definition.align_corners))


def log_weights(
    logits: Array, class_idx: int, definition: Definition, contrast_idx: int | None = None
) -> NDArray[np.float64]:
    """Logarithms (N,) of the weights that `logits` (N, K) give, up to a sum that they have in common: the score's.

    With `contrast_idx` the score is the difference of the two logits, or the probability among these two classes alone.
    """
    values = logits.astype(np.float64)
    if contrast_idx is not None:
        values = values[:, [class_idx, contrast_idx]]
        values, class_idx = values - values[:, 1:], 0
    if definition.score == "logit":
        return values[:, class_idx]
    values -= values.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = values[:, class_idx] - np.log(np.exp(values).sum(axis=1))
    return result


def channel_weights(logarithms: NDArray[np.float64], definition: Definition) -> NDArray[np.float64]:
    """Weights (n,) of n channels from their `log_weights`: softmaxed over channels, or the probabilities themselves."""
    if definition.score == "logit":
        return softmax(logarithms)
    weights: NDArray[np.float64] = np.exp(logarithms)
    return weights


@dataclass(frozen=True)
class Int8Forward:
    """A faster `forward` whose scores err: by a variance of `noise`, as a share of their own."""

    forward: Forward
    noise: float
    speed_up: float


@dataclass(frozen=True)
class ScoreCamStep:
    """Score-CAM so far: its map (h, w) >= 0, the forwards run, how many of them exactly, and how many channels live.

    `fidelity` estimates the heatmap's correlation with the exhaustive one, in [0, 1]; None where nothing tells it.
    `done` says that no other follows.
    """

    cam: Array
    forwards: int
    exact_forwards: int
    channels_alive: int
    fidelity: float | None
    done: bool

    @property
    def precision(self) -> Precision:
        """In which the forwards were run."""
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
    rule: StoppingRule | None = None,
    int8: Int8Forward | None = None,
    chunk: int = CHUNK,
) -> Iterator[ScoreCamStep]:
    """Yield Score-CAM as it grows, once a chunk of forwards; the last is the best that was asked for.

    Args:
        x: the model's input (1, 3, H, W); masks multiply it after normalisation.
        activations: of the target layer, (C, h, w), after its ReLU.
        forward: from a batch of inputs (N, 3, H, W) to logits (N, K).
        contrast_idx: the class that the score is set against, if any; see `log_weights`.
        rule: when to stop. Channels then run in the order that tells most, and those not run are predicted. None runs
            every channel alive and predicts none, as does a limit that leaves none out: the exhaustive map.
        int8: what to run, under a rule, wherever it tells more for its time than `forward`.
        chunk: masked inputs run at once; it changes time and memory, not the exhaustive map.

    Closing the generator stops the work at the chunk it stands at. With no channel alive it yields one empty map.
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
        sampler = GaussianProcessSampler(activations, size, limit, *((int8.noise, int8.speed_up) if int8 else ()))
    forwards = {True: forward} | ({False: int8.forward} if int8 else {})
    batch = np.empty((min(chunk, limit), *x.shape[1:]), np.float32)
    scores = partial(log_weights, class_idx=class_idx, definition=definition, contrast_idx=contrast_idx)
    measure = _Measurement(x, activations, definition, forwards, scores, batch)
    run = exact = 0
    done = False
    while not done:
        runs = sampler.choose(min(chunk, limit - run))
        sampler.observe(measure(runs))
        run, exact = run + len(runs), exact + sum(each.exact for each in runs)
        fidelity = sampler.fidelity
        done = sampler.exhausted or (rule is not None and rule.ends(run, fidelity))
        cam = weighted_map(channel_weights(sampler.log_weights, definition), activations)
        yield ScoreCamStep(cam, run, exact, alive.size, fidelity, done)


@dataclass(frozen=True)
class _Measurement:
    """Runs masked inputs, and gives the logarithms of the weights that they tell."""

    x: Array
    activations: Array
    definition: Definition
    forwards: Mapping[bool, Forward]  # exact or not
    log_weights: Callable[[Array], NDArray[np.float64]]
    batch: Array  # the memory for masked inputs

    def __call__(self, runs: Sequence[MaskedForward]) -> NDArray[np.float64]:
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
