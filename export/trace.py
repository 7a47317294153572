"""The split model, and its export to TorchScript and ONNX."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from export.errors import ExportError

BATCH = 2  # batch size of the traced example; with 1, ONNX would fix the batch size


class SplitClassifier(nn.Module):
    """A classifier split at its target layer: `head(features(x))`."""

    def __init__(self, features: nn.Module, head: nn.Module):
        super().__init__()
        self._features, self._head = features, head

    def features(self, x: Tensor) -> Tensor:
        """Return the activations (N, C, h, w) of the target layer for inputs (N, 3, H, W)."""
        activations: Tensor = self._features(x)
        return activations

    def head(self, activations: Tensor) -> Tensor:
        """Return the logits (N, K) for activations (N, C, h, w) of the target layer."""
        logits: Tensor = self._head(activations)
        return logits

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (N, K) and the activations (N, C, h, w) for inputs (N, 3, H, W)."""
        activations = self.features(x)
        return self.head(activations), activations


def activation_shape(model: SplitClassifier, size: int) -> tuple[int, int, int]:
    """Return the shape (C, h, w) of the target layer's activations for square inputs of `size` pixels."""
    with torch.no_grad():
        _, channels, height, width = model.features(torch.zeros(1, 3, size, size)).shape
    return channels, height, width


def to_torchscript(model: SplitClassifier, size: int, path: Path) -> None:
    """Trace `forward`, `features` and `head` for square inputs of `size` pixels, and save them in one file.

    The tracer's own check is disabled, because `export.parity` compares all three methods with the eager model. Raise
    OSError if the file cannot be written.
    """
    x = torch.zeros(BATCH, 3, size, size)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
        inputs = {"forward": x, "features": x, "head": model.features(x)}
        traced = torch.jit.trace_module(model, inputs, check_trace=False)  # type: ignore[no-untyped-call]
    path.write_bytes(traced.save_to_buffer())  # if torch writes the file itself, a full disk aborts the interpreter


def to_onnx(model: SplitClassifier, size: int, path: Path) -> None:
    """Export the model to one fp32 ONNX file, and run the full check of the onnx package on it.

    The graph maps `input` (N, 3, size, size) to `logits` (N, K) and `activations` (N, C, h, w), for any N. Raise
    ExportError if the model cannot be expressed in ONNX, and OSError if the file cannot be written.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with torch.no_grad():
            torch.onnx.export(
                model, (torch.zeros(BATCH, 3, size, size),), path,
                input_names=["input"], output_names=["logits", "activations"], dynamic_shapes=({0: "batch"},),
                external_data=False, dynamo=True, verbose=False,
            )  # fmt: skip
        onnx.checker.check_model(str(path), full_check=True)
    except (torch.onnx.OnnxExporterError, onnx.checker.ValidationError) as error:
        problem = f"the model cannot be exported to ONNX ({type(error).__name__})"
        raise ExportError(f"{problem}: install the versions of requirements.txt") from error
