"""Which of Score-CAM's channels to run next, and what the map would be: in order, or by a Gaussian process.

The logarithm of a channel's weight is a smooth function of its mask. From the channels run so far the process predicts
the others, with a covariance, which to first order is also the map's. So two questions have closed answers: which run
lowers the map's expected error the most for its time, and how far the map may still be from the exhaustive one.

A quick run, by a quantised model, errs. Alike masks err alike, so the error is a second process of the same kernel
(Kennedy and O'Hagan 2000, "Predicting the output from a complex computer code when fast approximations are available"),
and running the telling channels again exactly corrects the rest. `tests/bench/README.md` has the measurements behind
every constant, and the alternatives that lost.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camcore.methods.heatmap import correlation_vectors, min_max
from camcore.types import Array

# Of the kernel, whose own variance is 1:
LENGTH_SCALE = 0.2  # root mean square difference of two masks at which their scores have little in common
MEAN_VARIANCE = 10.0  # variance of what all scores have in common
NUGGET = 0.02  # variance of what a channel's mask on the layer's grid does not tell
ERROR_INFLATION = (
    3.0  # the error's variance is taken to be this much larger: the kernel is a guess, and so is its scale
)
MAX_VARIANCE = 4.0  # of a predicted logarithm, beyond which its expectation would be no more than a guess
MIN_RUNS_FOR_ESTIMATE = 8  # runs, below which nothing is said of the fidelity: they do not tell how far scores spread
_ROUNDING = 1e-5  # of a variance, in float32

_EXACT, _INT8 = 0, 1


class MaskedForward(NamedTuple):
    """A masked forward: of which channel, and whether exactly or quickly."""

    channel: int
    exact: bool


class ExhaustiveSampler:
    """Every channel, as they come, none predicted: the plain counterpart of `GaussianProcessSampler`."""

    def __init__(self, channels: int):
        self._run = 0
        self.log_weights = np.full(channels, -np.inf)

    def choose(self, count: int) -> list[MaskedForward]:
        """The next `count` channels, exactly."""
        return [MaskedForward(channel, True) for channel in range(self._run, self._run + count)]

    def observe(self, values: NDArray[np.float64]) -> None:
        """Take the logarithms of the weights that the runs chosen last gave."""
        self.log_weights[self._run : self._run + len(values)] = values
        self._run += len(values)

    @property
    def exhausted(self) -> bool:
        """Whether every channel was run exactly."""
        return self._run == len(self.log_weights)

    @property
    def fidelity(self) -> float | None:
        """1 once every channel was run; until then nothing tells it."""
        return 1.0 if self.exhausted else None


class GaussianProcessSampler:
    """Weights of n channels, some run and the rest predicted."""

    def __init__(
        self,
        activations: Array,
        size: tuple[int, int],
        capacity: int,
        noise: float | None = None,
        speed_up: float = 1.0,
    ):
        """Nothing run yet.

        Args:
            activations: of the channels alive, (n, h, w).
            size: (H, W) of the heatmap, whose correlation is meant.
            capacity: how many runs there will be at most.
            noise: variance of a quick run's error, as a share of the scores' own; None if there are no quick runs.
            speed_up: how many quick runs take the time of an exact one.
        """
        count = len(activations)
        self._maps = correlation_vectors(activations, size)
        self._covariance = _kernel(min_max(activations))
        self._noise, self._speed_up = noise or 0.0, speed_up
        # Of each pair, the first is about exact scores and the second about quick ones.
        self._variance = np.outer((1, 1 + self._noise), self._covariance.diagonal()).astype(np.float32)
        self._is_run = np.zeros((2, count), bool)
        self._is_run[_INT8] = noise is None
        self._rows = np.empty((2, capacity, count), np.float32)  # a Cholesky factor: what each run tells of all scores
        self._pivots = np.empty(capacity)
        self._whitened = np.empty((2, capacity))  # by the factor: ones, and the values
        self._runs: list[MaskedForward] = []
        self._values = np.empty(0)
        self.log_weights = np.zeros(count)
        self._linearise_map()

    def choose(self, count: int) -> list[MaskedForward]:
        """At most `count` runs, each the one that most lowers the expected error of the map for the time it takes."""
        pull, start = self._map_covariance.copy(), len(self._runs)
        while len(self._runs) < start + count and not self.exhausted:
            gain = np.einsum("kpn,kpn->kn", pull, pull) / np.maximum(self._variance, _ROUNDING)
            gain[_INT8] *= self._speed_up
            gain[self._is_run] = -1
            kind, channel = divmod(int(gain.argmax()), gain.shape[1])
            rows = self._condition(kind, channel)
            pull -= (self._map_jacobian @ rows[_EXACT])[:, None] * rows[:, None]
            self._is_run[kind:, channel] = True
        return self._runs[start:]

    def observe(self, values: NDArray[np.float64]) -> None:
        """Take the logarithms of the weights that the runs chosen last gave, and predict the others."""
        start, stop = len(self._values), len(self._values) + len(values)
        self._values = np.concatenate([self._values, values])
        for number in range(start, stop):
            channel, exact = self._runs[number]
            column = self._rows[_EXACT if exact else _INT8, :number, channel]
            self._whitened[:, number] = (1, self._values[number]) - self._whitened[:, :number] @ column
            self._whitened[:, number] /= self._pivots[number]
        level = self._values.mean()
        ones, solved = self._whitened[:, :stop]
        residuals = solved - level * ones
        scale = float(residuals @ residuals) / stop
        variance = np.minimum(scale * self._variance[_EXACT], MAX_VARIANCE)
        self.log_weights = level + residuals @ self._rows[_EXACT, :stop] + variance / 2
        for (channel, exact), value in zip(self._runs, self._values, strict=True):
            if exact:
                self.log_weights[channel] = value
        self._linearise_map()
        self._error = (
            ERROR_INFLATION * scale * max(float((self._map_covariance[_EXACT] * self._map_jacobian).sum()), 0.0)
        )

    @property
    def exhausted(self) -> bool:
        """Whether every channel was run exactly."""
        return bool(self._is_run[_EXACT].all())

    @property
    def fidelity(self) -> float | None:
        """Expected correlation of the heatmap with the exhaustive one, in [0, 1], cautiously; None if too few runs."""
        if self.exhausted:
            return 1.0
        if len(self._values) < MIN_RUNS_FOR_ESTIMATE:
            return None
        return float(1 / np.sqrt(1 + self._error / self._signal))

    def _condition(self, kind: int, channel: int) -> Array:
        """Add what a run will tell to the factor, and return its rows (2, n)."""
        number = len(self._runs)
        known = self._rows[:, :number]
        prior = np.array([1, 1 + self._noise * (kind == _INT8)], np.float32)
        rows: Array = np.outer(prior, self._covariance[channel]) - known[kind, :, channel] @ known
        pivot = np.sqrt(max(float(rows[kind, channel]), _ROUNDING))
        rows /= np.float32(pivot)
        self._rows[:, number], self._pivots[number] = rows, pivot
        self._variance = self._variance - rows * rows
        self._runs.append(MaskedForward(channel, kind == _EXACT))
        return rows

    def _linearise_map(self) -> None:
        """How the map turns with each logarithm (p, n), and that direction's covariance with all scores (2, p, n).

        What only scales the map is left out: it changes no heatmap.
        """
        weights = np.exp(self.log_weights - self.log_weights.max()).astype(np.float32)
        cam = weights @ self._maps
        self._signal = max(float(cam @ cam), float(np.finfo(np.float32).tiny))
        toward = (self._maps * weights[:, None]).T
        self._map_jacobian = toward - np.outer(cam, cam @ toward) / np.float32(self._signal)
        known = self._rows[:, : len(self._runs)]
        self._map_covariance = self._map_jacobian @ self._covariance - (self._map_jacobian @ known[_EXACT].T) @ known


def _kernel(masks: Array) -> Array:
    """Prior covariance (n, n) of the logarithms of n channels, from their masks (n, h, w) on the layer's grid."""
    flat = masks.reshape(len(masks), -1) / np.float32(LENGTH_SCALE * np.sqrt(2 * masks[0].size))
    squares = (flat * flat).sum(axis=1)
    covariance: Array = flat @ flat.T
    covariance *= 2
    covariance -= squares
    covariance -= squares[:, None]
    np.exp(np.minimum(covariance, 0, out=covariance), out=covariance)
    covariance += np.float32(MEAN_VARIANCE)
    covariance.flat[:: len(masks) + 1] = 1 + MEAN_VARIANCE + NUGGET
    return covariance
