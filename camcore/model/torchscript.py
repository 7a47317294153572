"""The TorchScript model, which computes logits, activations and gradients. No tensor leaves this module."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

import torch

from camcore.errors import ArtifactError
from camcore.types import Array


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to one thread in each thread that uses it, for the block.

    Several threads that use torch would otherwise start as many threads each, which wait for each other.
    """
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


class TracedModel:
    """A traced classifier at one of its layers, on the CPU.

    `features` runs without gradients; `head` is differentiated by a leaf tensor. No call leaves hooks or state behind.
    """

    def __init__(self, path: Path, layer: int = 0, classifier: str | None = None):
        """Load the model of a file, at the layer with a number; `classifier` names its last weight matrix."""
        self._path, self._classifier = path, classifier
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
                self._module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise ArtifactError(f"{path} is not a TorchScript model: export it again") from error
        self._use(layer)

    def at_layer(self, layer: int) -> "TracedModel":
        """Return this model at the layer with another number; both share their weights."""
        other = copy(self)
        other._use(layer)
        return other

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return the logits (N, K) and the target layer's activations (N, C, h, w) of inputs (N, 3, H, W)."""
        with torch.inference_mode():
            activations = self._features(torch.from_numpy(x))
            return self._head(activations).numpy(), activations.numpy()

    def gradients(self, activations: Array, class_idx: int, contrast_idx: int | None = None) -> Array:
        """Return the gradients of a class's logit, or of a difference of two, by activations; both are (C, h, w)."""
        leaf = torch.from_numpy(activations)[None].requires_grad_()
        with torch.enable_grad():
            logits = self._head(leaf)[0]
            score = logits[class_idx] if contrast_idx is None else logits[class_idx] - logits[contrast_idx]
            (gradients,) = torch.autograd.grad(score, leaf)
        return gradients[0].numpy()

    def randomised_gradients(
        self, activations: Array, class_idx: int, contrast_idx: int | None, seeds: Iterable[int]
    ) -> Iterator[Array]:
        """Yield for each seed the gradients (C, h, w) of a copy whose classifier is randomised.

        The last layer's weight matrix is replaced by normal values of mean 0 and the matrix's own standard deviation.
        """
        model = TracedModel(self._path, self._layer)
        parameters = dict(model._module.named_parameters())
        matrices = [name for name, parameter in parameters.items() if parameter.ndim == 2]
        weight = parameters[self._classifier or matrices[-1]].data
        deviation = float(weight.std())
        for seed in seeds:
            weight.normal_(0, deviation, generator=torch.Generator().manual_seed(seed))
            yield model.gradients(activations, class_idx, contrast_idx)

    def _use(self, layer: int) -> None:
        suffix = f"_{layer}" if layer else ""
        self._layer = layer
        self._features, self._head = (getattr(self._module, name + suffix) for name in ("features", "head"))
