"""The TorchScript model, which computes logits, activations and gradients. No tensor leaves this module."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

import torch

from camcore.errors import ArtifactError, DeviceError
from camcore.model.gpu import TOO_LITTLE_MEMORY
from camcore.model.manifest import export_again
from camcore.types import Array, Device, LogitWeights


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


def free_memory() -> int:
    """Return how many bytes of the GPU's memory are free; raise DeviceError if torch cannot use a GPU."""
    if not torch.cuda.is_available():
        problem = "has no GPU to use" if torch.version.cuda else "is a build for the CPU"
        remedy = "see whether `nvidia-smi` lists one" if torch.version.cuda else "install a build for CUDA"
        raise DeviceError(f"torch {torch.__version__} {problem}: {remedy}, or use --device cpu")
    return torch.cuda.mem_get_info()[0]


@contextmanager
def _enough_memory() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(TOO_LITTLE_MEMORY) from error


class TracedModel:
    """A traced classifier at one of its layers, on the CPU or on a GPU.

    `features` runs without gradients; `head` is differentiated by a leaf tensor. No call leaves hooks or state behind.
    """

    def __init__(self, path: Path, layer: int = 0, classifier: str | None = None, device: Device = "cpu"):
        """Load the model of a file, at the layer with a number; `classifier` names its last weight matrix."""
        self._path, self._classifier, self._device = path, classifier, device
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
                self._module = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
        except torch.OutOfMemoryError as error:
            raise DeviceError(TOO_LITTLE_MEMORY) from error
        except RuntimeError as error:
            problem = f"{path} is not a TorchScript model"
            raise ArtifactError(f"{problem}: {export_again(path.parent)}") from error
        parameters = dict(self._module.named_parameters())
        if classifier is not None and (classifier not in parameters or parameters[classifier].ndim < 2):
            problem = f"{path} has no weight matrix {classifier!r}, which the manifest names"
            raise ArtifactError(f"{problem}: {export_again(path.parent)}")
        self._use(layer)

    def at_layer(self, layer: int) -> "TracedModel":
        """Return this model at the layer with another number; both share their weights."""
        other = copy(self)
        other._use(layer)
        return other

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return the logits (N, K) and the target layer's output (N, *`Layer.output_shape`) of inputs (N, 3, H, W)."""
        with torch.inference_mode(), _enough_memory():
            output = self._features(torch.from_numpy(x).to(self._device))
            return self._head(output).cpu().numpy(), output.cpu().numpy()

    def logits(self, output: Array) -> Array:
        """Return the logits (N, K) for outputs of the layer, (N, *`Layer.output_shape`)."""
        with torch.inference_mode(), _enough_memory():
            outputs = torch.from_numpy(output).to(self._device)
            # The head of an ONNX file takes one photo at a time.
            parts = [outputs] if self.has_features else list(outputs[:, None])
            logits: Array = torch.cat([self._head(part) for part in parts]).cpu().numpy()
            return logits

    def gradients(self, output: Array, weights: LogitWeights) -> Array:
        """Return the gradients of a weighted sum of logits by the layer's output for one photo."""
        with torch.enable_grad(), _enough_memory():
            leaf = torch.from_numpy(output)[None].to(self._device).requires_grad_()
            logits = self._head(leaf)[0]
            score = torch.stack([weight * logits[class_idx] for class_idx, weight in weights.items()]).sum()
            (gradients,) = torch.autograd.grad(score, leaf)
        return gradients[0].cpu().numpy()

    def randomised_gradients(self, output: Array, weights: LogitWeights, seeds: Iterable[int]) -> Iterator[Array]:
        """Yield for each seed the gradients, as of `gradients`, of a copy whose classifier is randomised.

        The last layer's weight matrix is replaced by normal values of mean 0 and the matrix's own standard deviation.
        Yield nothing if the model has no weight matrix.
        """
        model = TracedModel(self._path, self._layer, device=self._device)
        parameters = dict(model._module.named_parameters())
        matrices = [name for name, parameter in parameters.items() if parameter.ndim == 2]
        if not (self._classifier or matrices):
            return
        weight = parameters[self._classifier or matrices[-1]].data
        values = weight.cpu()  # on the CPU the weight itself; on a GPU the same values are drawn
        deviation = float(values.std())
        for seed in seeds:
            weight.copy_(values.normal_(0, deviation, generator=torch.Generator().manual_seed(seed)))
            yield model.gradients(output, weights)

    def _use(self, layer: int) -> None:
        suffix = f"_{layer}" if layer else ""
        self._layer = layer
        if not hasattr(self._module, f"head{suffix}"):
            problem = f"{self._path} does not have all the layers that the manifest names"
            raise ArtifactError(f"{problem}: {export_again(self._path.parent)}")
        self._head = getattr(self._module, f"head{suffix}")
        self.has_features = hasattr(self._module, f"features{suffix}")  # not if the model is an ONNX file of a user
        self._features = getattr(self._module, f"features{suffix}") if self.has_features else self._head
