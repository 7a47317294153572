"""The order in which Score-CAM runs channels, and the prediction of the others by a Gaussian process.

The logarithm of a channel's weight is a smooth function of its mask. It also grows with the mask's area, and with the
score that the rest of the model alone gives to the masked activations. To first order, that score is free: the
gradient that Grad-CAM uses also gives it. From the channels that were run, the process predicts the logarithms of the
others and their covariance. To first order, this also gives the covariance of the map. Two questions therefore have
closed-form answers: which run lowers the expected error of the map the most for its time, and how far the map may still
be from the exhaustive one.

A run of the int8 model is fast and inexact. Similar masks have similar errors, so the error is a second process with
the same kernel (Kennedy and O'Hagan 2000, "Predicting the output from a complex computer code when fast approximations
are available"), and exact runs also correct other channels. `tests/bench/README.md` justifies the constants.
"""

from typing import NamedTuple

import numpy as np

from camcore.methods.heatmap import correlation_vectors, min_max
from camcore.types import Array, Floats

# The kernel, as a share of the variance of the part that depends on the mask:
LENGTH_SCALE = 0.3  # root mean square difference of two masks' square roots at which scores become nearly independent
MEAN_VARIANCE = 10.0  # variance of the mean that all scores share
LINEAR_VARIANCE = (
    0.5  # variance of the part that grows with a mask's area, and of the part that the head alone predicts
)
NUGGET = 0.04  # variance of the part that the mask on the layer's grid does not determine
# The estimate of the fidelity:
INFLATION_RUNS = 96  # the estimated error is multiplied by 1 + 96 / runs, because the kernel and its scale are guesses
MAX_VARIANCE = 4.0  # largest variance of a predicted logarithm; beyond it, its expectation would be meaningless
MIN_RUNS_FOR_ESTIMATE = 8  # with fewer runs, the spread of the scores is too uncertain for an estimate
_ROUNDING = 1e-5  # of a variance, in float32

_EXACT, _INT8 = 0, 1  # first index of the arrays about both kinds of scores


class MaskedForward(NamedTuple):
    """A forward pass with one channel's mask, by the fp32 model if `exact`, else by the int8 model."""

    channel: int
    exact: bool


class ExhaustiveSampler:
    """Runs every channel exactly, in order, and predicts none; the plain counterpart of `GaussianProcessSampler`."""

    def __init__(self, channels: int):
        self._run = 0
        self.log_weights = np.full(channels, -np.inf)

    def choose(self, count: int) -> list[MaskedForward]:
        """Return exact runs of the next `count` channels."""
        return [MaskedForward(channel, True) for channel in range(self._run, self._run + count)]

    def observe(self, values: Floats) -> None:
        """Store the logarithms of the weights from the runs chosen last."""
        self.log_weights[self._run : self._run + len(values)] = values
        self._run += len(values)

    @property
    def exhausted(self) -> bool:
        """Return whether every channel was run exactly."""
        return self._run == len(self.log_weights)

    @property
    def fidelity(self) -> float | None:
        """Return 1 if every channel was run, else None."""
        return 1.0 if self.exhausted else None


class GaussianProcessSampler:
    """Chooses the most informative runs, and predicts the weights of the channels that were not run."""

    def __init__(
        self,
        activations: Array,
        size: tuple[int, int],
        capacity: int,
        noise: float | None = None,
        speed_up: float = 1.0,
        *,
        contributions: Array | None = None,
    ):
        """Start without any run, with the activations (n, h, w) of the n channels that vary.

        `size` is the (H, W) of the heatmap whose correlation is estimated, and `capacity` the largest number of runs.
        `noise` and `speed_up` are those of `Int8Forward`; without int8 runs, `noise` is None. `contributions` (h, w) is
        the sum over all channels of gradient times activation: what each cell adds to the class's score.
        """
        count = len(activations)
        self._maps = correlation_vectors(activations, size)
        self._covariance = _kernel(min_max(activations), contributions)
        self._noise, self._speed_up = noise or 0.0, speed_up
        # Variances (2, n) of the exact and the int8 scores, given the runs so far.
        self._variance = np.outer((1, 1 + self._noise), self._covariance.diagonal()).astype(np.float32)
        self._is_run = np.zeros((2, count), bool)
        self._is_run[_INT8] = noise is None
        # Rows of the transposed Cholesky factor of the runs' covariance, continued to all exact and int8 scores, and
        # its diagonal.
        self._rows = np.empty((2, capacity, count), np.float32)
        self._pivots = np.empty(capacity)
        # The inverse of the factor times a vector of ones, and times the measured values.
        self._whitened = np.empty((2, capacity))
        self._runs: list[MaskedForward] = []
        self._values = np.empty(0)
        self.log_weights = np.zeros(count)
        self._linearise_map()

    def choose(self, count: int) -> list[MaskedForward]:
        """Return at most `count` runs; each lowers the expected error of the map the most for its time."""
        map_covariance, start = self._map_covariance.copy(), len(self._runs)
        while len(self._runs) < start + count and not self.exhausted:
            gain = np.einsum("kpn,kpn->kn", map_covariance, map_covariance) / np.maximum(self._variance, _ROUNDING)
            gain[_INT8] *= self._speed_up
            gain[self._is_run] = -1
            kind, channel = divmod(int(gain.argmax()), gain.shape[1])
            rows = self._condition(kind, channel)
            map_covariance -= (self._map_jacobian @ rows[_EXACT])[:, None] * rows[:, None]
            self._is_run[kind:, channel] = True
        return self._runs[start:]

    def observe(self, values: Floats) -> None:
        """Store the logarithms of the weights from the runs chosen last, and predict those of the other channels."""
        start, stop = len(self._values), len(self._values) + len(values)
        self._values = np.concatenate([self._values, values])
        for number in range(start, stop):
            channel, exact = self._runs[number]
            column = self._rows[_EXACT if exact else _INT8, :number, channel]
            self._whitened[:, number] = (1, self._values[number]) - self._whitened[:, :number] @ column
            self._whitened[:, number] /= self._pivots[number]
        mean = self._values.mean()
        whitened_ones, whitened_values = self._whitened[:, :stop]
        residuals = whitened_values - mean * whitened_ones
        scale = float(residuals @ residuals) / stop
        variance = np.minimum(scale * self._variance[_EXACT], MAX_VARIANCE)
        self.log_weights = mean + residuals @ self._rows[_EXACT, :stop] + variance / 2
        for (channel, exact), value in zip(self._runs, self._values, strict=True):
            if exact:
                self.log_weights[channel] = value
        self._linearise_map()
        squared_error = max(float((self._map_covariance[_EXACT] * self._map_jacobian).sum()), 0.0)
        self._error = (1 + INFLATION_RUNS / stop) * scale * squared_error

    @property
    def exhausted(self) -> bool:
        """Return whether every channel was run exactly."""
        return bool(self._is_run[_EXACT].all())

    @property
    def fidelity(self) -> float | None:
        """Return a cautious estimate of the heatmap's correlation with the exhaustive one; None with too few runs."""
        if self.exhausted:
            return 1.0
        if len(self._values) < MIN_RUNS_FOR_ESTIMATE:
            return None
        return float(1 / np.sqrt(1 + self._error / self._signal))

    def _condition(self, kind: int, channel: int) -> Array:
        """Condition the process on a run, whose value may follow later, and return its rows (2, n) of the factor."""
        number = len(self._runs)
        factor = self._rows[:, :number]
        prior = np.array([1, 1 + self._noise * (kind == _INT8)], np.float32)
        rows: Array = np.outer(prior, self._covariance[channel]) - factor[kind, :, channel] @ factor
        pivot = np.sqrt(max(float(rows[kind, channel]), _ROUNDING))
        rows /= np.float32(pivot)
        self._rows[:, number], self._pivots[number] = rows, pivot
        self._variance = self._variance - rows * rows
        self._runs.append(MaskedForward(channel, kind == _EXACT))
        return rows

    def _linearise_map(self) -> None:
        """Compute the first-order change of the map with the logarithms, and its covariance with the scores.

        The map is a vector of p values, as `correlation_vectors` gives them. `_map_jacobian` (p, n) is its derivative
        with respect to the n logarithms, without the part along the map itself, which only scales the map and changes
        no heatmap. `_map_covariance` (2, p, n) is the covariance of the map with the exact and the int8 scores, given
        the runs so far. `_signal` is the map's squared length.
        """
        weights = np.exp(self.log_weights - self.log_weights.max()).astype(np.float32)
        cam = weights @ self._maps
        self._signal = max(float(cam @ cam), float(np.finfo(np.float32).tiny))
        derivative = (self._maps * weights[:, None]).T
        self._map_jacobian = derivative - np.outer(cam, cam @ derivative) / np.float32(self._signal)
        factor = self._rows[:, : len(self._runs)]
        self._map_covariance = self._map_jacobian @ self._covariance - (self._map_jacobian @ factor[_EXACT].T) @ factor


def _kernel(masks: Array, contributions: Array | None) -> Array:
    """Return the prior covariance (n, n) of the logarithms of n channels from their masks (n, h, w)."""
    roots: Array = np.sqrt(masks).reshape(
        len(masks), -1
    )  # so that weak parts of a mask, which the model sees, count more
    features = [roots.mean(axis=1)] + ([] if contributions is None else [roots @ contributions.ravel()])
    flat = roots / np.float32(LENGTH_SCALE * np.sqrt(2 * masks[0].size))
    squares = (flat * flat).sum(axis=1)
    covariance: Array = flat @ flat.T
    covariance *= 2
    covariance -= squares
    covariance -= squares[:, None]
    np.exp(np.minimum(covariance, 0, out=covariance), out=covariance)
    covariance += np.float32(MEAN_VARIANCE)
    covariance.flat[:: len(masks) + 1] = 1 + MEAN_VARIANCE + NUGGET
    for feature in features:
        deviation = feature - feature.mean()
        if deviation.any():
            deviation *= np.float32(LINEAR_VARIANCE**0.5) / deviation.std()
            covariance += deviation[:, None] * deviation
    return covariance
