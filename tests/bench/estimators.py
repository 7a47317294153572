"""Ways to guess the exhaustive Score-CAM from some of its channels: camcore's, and those that lost to it.

Each has the methods of `camcore.methods.surrogate.GaussianProcessSampler`: choose, observe, log_weights.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from camcore.methods.heatmap import min_max
from camcore.methods.surrogate import GaussianProcessSampler, MaskedForward

Array = NDArray[np.float32]
Order = Callable[[Array], NDArray[np.floating]]

_RIDGE_LENGTH, _RIDGE_NOISE = 0.3, 0.05  # the best of a search over lengths of 0.15 to 0.7 and noises of 0.01 to 0.2


class Estimator(Protocol):
    """Some channels run, and a guess of all weights."""

    log_weights: NDArray[np.float64]

    def choose(self, count: int) -> list[MaskedForward]:
        """The next channels to run."""

    def observe(self, values: NDArray[np.float64]) -> None:
        """The logarithms of their weights."""


def by_spread(activations: Array) -> NDArray[np.floating]:
    """The most varied first."""
    return -activations.std(axis=(1, 2))


def by_energy(activations: Array) -> NDArray[np.floating]:
    """The largest first."""
    return -np.linalg.norm(activations.reshape(len(activations), -1), axis=1)


def at_random(activations: Array) -> NDArray[np.floating]:
    """Shuffled, always the same way."""
    return np.random.default_rng(0).random(len(activations))


class Unpredicted:
    """Channels in an order; those not run weigh nothing."""

    def __init__(self, activations: Array, order: Order):
        self._order = np.argsort(order(activations), kind="stable")
        self._values = np.empty(0)
        self.log_weights = np.full(len(activations), -np.inf)

    def choose(self, count: int) -> list[MaskedForward]:
        return [MaskedForward(int(channel), True) for channel in self._order[len(self._values) :][:count]]

    def observe(self, values: NDArray[np.float64]) -> None:
        self._values = np.concatenate([self._values, values])
        self.log_weights[self._order[: len(self._values)]] = self._values


class KernelRidge(Unpredicted):
    """Channels in an order; the others predicted from their masks by kernel ridge regression."""

    def __init__(self, activations: Array, order: Order):
        super().__init__(activations, order)
        masks = min_max(activations).reshape(len(activations), -1).astype(np.float64)
        squares = (masks * masks).sum(axis=1)
        distances = np.maximum(squares[:, None] + squares - 2 * masks @ masks.T, 0) / masks.shape[1]
        self._kernel = np.exp(-distances / (2 * _RIDGE_LENGTH**2))

    def observe(self, values: NDArray[np.float64]) -> None:
        super().observe(values)
        run = self._order[: len(self._values)]
        level, spread = self._values.mean(), max(self._values.std(), 1e-9)
        known = self._kernel[np.ix_(run, run)] + _RIDGE_NOISE * np.eye(len(run))
        weights = np.linalg.solve(known, (self._values - level) / spread)
        self.log_weights = level + spread * (self._kernel[:, run] @ weights)
        self.log_weights[run] = self._values


class OrderedProcess(GaussianProcessSampler):
    """camcore's process, told what to run by an order instead of choosing."""

    def __init__(self, activations: Array, order: Order):
        super().__init__(activations, (224, 224), len(activations))
        self._order = np.argsort(order(activations), kind="stable")

    def choose(self, count: int) -> list[MaskedForward]:
        start = len(self._runs)
        for channel in self._order[start : start + count]:
            self._condition(0, int(channel))
            self._is_run[:, channel] = True
        return self._runs[start:]


OURS = "chosen by the process (camcore)"
ESTIMATORS: dict[str, Callable[[Array, Array], Estimator]] = {
    "random, none predicted": lambda activations, _: Unpredicted(activations, at_random),
    "by spread, none predicted": lambda activations, _: Unpredicted(activations, by_spread),
    "by energy, none predicted": lambda activations, _: Unpredicted(activations, by_energy),
    "by spread, kernel ridge": lambda activations, _: KernelRidge(activations, by_spread),
    "by energy, kernel ridge": lambda activations, _: KernelRidge(activations, by_energy),
    "by energy, Gaussian process": lambda activations, _: OrderedProcess(activations, by_energy),
    "chosen by the process, without the head": lambda activations, _: GaussianProcessSampler(
        activations, (224, 224), len(activations)
    ),
    OURS: lambda activations, contributions: GaussianProcessSampler(
        activations, (224, 224), len(activations), contributions=contributions
    ),
}
