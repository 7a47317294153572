"""The TorchScript graph: logits, activations and their gradients. No tensor leaves this module."""

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from camcore.errors import ArtifactError

Array = NDArray[np.float32]


class TracedModel:
    """A traced classifier with the methods `features` and `head`, loaded onto the CPU.

    `features` runs without gradients and `head` is differentiated on a leaf, so nothing is hooked and no call leaves
    state for the next.
    """

    def __init__(self, path: Path):
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
                module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
            self._module = module.eval()
        except RuntimeError as error:
            raise ArtifactError(f"{path} is not a TorchScript model: export it again") from error

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Logits (N, K) and the target layer's activations (N, C, h, w) of inputs (N, 3, H, W)."""
        with torch.inference_mode():
            activations = self._module.features(torch.from_numpy(x))
            return self._module.head(activations).numpy(), activations.numpy()

    def gradients(self, activations: Array, class_idx: int) -> Array:
        """Gradients of the class's logit with respect to one photo's activations, both (C, h, w)."""
        leaf = torch.from_numpy(activations)[None].requires_grad_()
        with torch.enable_grad():
            logit = self._module.head(leaf)[0, class_idx]
            (gradients,) = torch.autograd.grad(logit, leaf)
        return gradients[0].numpy()
