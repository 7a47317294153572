"""The TorchScript model, which computes logits, activations and gradients. No tensor leaves this module."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from camcore.errors import ArtifactError
from camcore.types import Array


class TracedModel:
    """A traced classifier with the methods `features` and `head`, on the CPU.

    `features` runs without gradients; `head` is differentiated by a leaf tensor. No call leaves hooks or state behind.
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
                self._module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise ArtifactError(f"{path} is not a TorchScript model: export it again") from error

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return the logits (N, K) and the target layer's activations (N, C, h, w) of inputs (N, 3, H, W)."""
        with torch.inference_mode():
            activations = self._module.features(torch.from_numpy(x))
            return self._module.head(activations).numpy(), activations.numpy()

    def gradients(self, activations: Array, class_idx: int, contrast_idx: int | None = None) -> Array:
        """Return the gradients of a class's logit, or of a difference of two, by activations; both are (C, h, w)."""
        leaf = torch.from_numpy(activations)[None].requires_grad_()
        with torch.enable_grad():
            logits = self._module.head(leaf)[0]
            score = logits[class_idx] if contrast_idx is None else logits[class_idx] - logits[contrast_idx]
            (gradients,) = torch.autograd.grad(score, leaf)
        return gradients[0].numpy()

    def randomised_gradients(
        self, activations: Array, class_idx: int, contrast_idx: int | None, seeds: Iterable[int]
    ) -> Iterator[Array]:
        """Yield for each seed the gradients (C, h, w) of a copy whose classifier is randomised.

        The last layer's weight matrix is replaced by normal values of mean 0 and the matrix's own standard deviation.
        """
        copy = TracedModel(self._path)
        weight = [parameter for parameter in copy._module.parameters() if parameter.ndim == 2][-1].data
        deviation = float(weight.std())
        for seed in seeds:
            weight.normal_(0, deviation, generator=torch.Generator().manual_seed(seed))
            yield copy.gradients(activations, class_idx, contrast_idx)
