"""The split model, and its export to TorchScript and ONNX."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from export.errors import ExportError, shortened

BATCH = 2  # batch size of the traced example; with 1, ONNX would fix the batch size


class Permute(nn.Module):
    """Permutes the axes of a tensor."""

    def __init__(self, axes: Sequence[int]):
        super().__init__()
        self._axes = tuple(axes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tensor with its axes in another order."""
        return x.permute(self._axes)


class SplitClassifier(nn.Module):
    """A classifier split at one or more layers: `head(features(x))` for each of them.

    `segments` follow each other; each ends with a layer's output, the last with the logits. `ends` has, for each
    layer, the number of segments that compute its output; the first layer is the target layer. `ending` follows the
    scores. With `only_heads`, the first segment is not of torch, and the others take one input at a time.
    """

    def __init__(
        self,
        segments: Sequence[nn.Module],
        ends: Sequence[int] = (1,),
        ending: nn.Module | None = None,
        *,
        only_heads: bool = False,
    ):
        super().__init__()
        self.segments = nn.ModuleList(segments)
        self.ends = tuple(ends)
        self.ending = nn.Identity() if ending is None else ending
        self.only_heads = only_heads

    def features(self, x: Tensor, layer: int = 0) -> Tensor:
        """Return the output (N, *`Layer.output_shape`) of a layer for inputs (N, 3, H, W)."""
        if self.only_heads and len(x) > 1:
            return torch.cat([self.features(photo[None], layer) for photo in x])
        for part in self.segments[: self.ends[layer]]:
            x = part(x)
        return x

    def head(self, output: Tensor, layer: int = 0) -> Tensor:
        """Return the logits (N, K) for the output of a layer, which stays unchanged."""
        if self.only_heads and len(output) > 1:
            return torch.cat([self.head(one[None], layer) for one in output])
        x = output.clone()  # an operation in place may follow
        for part in self.segments[self.ends[layer] :]:
            x = part(x)
        logits: Tensor = self.ending(x)
        return logits

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (N, K) and the output of the target layer for inputs (N, 3, H, W)."""
        output = self.features(x)
        return self.head(output), output


def to_torchscript(model: SplitClassifier, size: tuple[int, int], path: Path) -> None:
    """Trace `forward`, and `features` and `head` of each layer, for inputs of `size` (H, W), and save them in one file.

    The methods of further layers are `features_1`, `head_1`, and so on. Of a model with `only_heads`, only
    the heads are traced. The tracer's own check is disabled, because `export.parity` compares all methods with the
    original model. Raise OSError if the file cannot be written.
    """
    x = torch.zeros(1 if model.only_heads else BATCH, 3, *size)
    inputs = {} if model.only_heads else {"forward": x}
    with torch.no_grad(), _differentiable_attention(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=".*might cause the trace to be incorrect.*")
        for layer in range(len(model.ends)):
            suffix = f"_{layer}" if layer else ""
            if layer:
                setattr(model, f"features{suffix}", partial(model.features, layer=layer))
                setattr(model, f"head{suffix}", partial(model.head, layer=layer))
            inputs[f"head{suffix}"] = model.features(x, layer)
            if not model.only_heads:
                inputs[f"features{suffix}"] = x
        traced = torch.jit.trace_module(model, inputs, check_trace=False)  # type: ignore[no-untyped-call]
    path.write_bytes(traced.save_to_buffer())  # if torch writes the file itself, a full disk aborts the interpreter


@contextmanager
def _differentiable_attention() -> Iterator[None]:
    """Let attention run as separate operations in the block: without gradients, torch has one that has none."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def to_onnx(model: SplitClassifier, size: tuple[int, int], path: Path) -> None:
    """Export the model to one fp32 ONNX file, and run the full check of the onnx package on it.

    The graph maps `input` (N, 3, H, W), with `size` (H, W), to `logits` (N, K) and the target layer's output, called
    `activations`, for any N. Raise ExportError if the model cannot be expressed in ONNX, and OSError if the file cannot
    be written.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with torch.no_grad():
            torch.onnx.export(
                model, (torch.zeros(BATCH, 3, *size),), path,
                input_names=["input"], output_names=["logits", "activations"], dynamic_shapes=({0: "batch"},),
                external_data=False, dynamo=True, verbose=False,
            )  # fmt: skip
        onnx.checker.check_model(str(path), full_check=True)
    except (torch.onnx.OnnxExporterError, onnx.checker.ValidationError) as error:
        cause: BaseException = error
        while cause.__cause__:
            cause = cause.__cause__
        problem = f"the model cannot be exported to ONNX ({type(error).__name__}: {shortened(cause)})"
        remedy = "install the versions of requirements.txt, or write that operation by others in the model's code"
        raise ExportError(f"{problem}: {remedy}") from error
