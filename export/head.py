"""What the scores of a model mean, and whether classic CAM applies to a layer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from camcore.model.layer import Layer
from camcore.model.manifest import Head
from export.errors import ExportError
from export.graph import weight_names
from export.onnx_models.onnx_head import OnnxPart
from export.trace import SplitClassifier

_TOLERANCE = 1e-4  # as a share of the largest logit


class OneLogit(nn.Module):
    """Turns one logit z into those of two classes, -z/2 and z/2, whose softmax is the sigmoid of z."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, 2) for one logit per photo, (N, 1)."""
        return torch.cat([-x / 2, x / 2], dim=1)


@dataclass(frozen=True)
class HeadForm:
    """What the scores of a model mean, and what the export appends to them.

    `restore` turns the exported logits into what the model itself returns, so that both can be compared.
    """

    head: Head
    ending: nn.Module | None
    restore: Callable[[Tensor], Tensor]


def choose_head(activation: str, outputs: int, *, multi_label: bool) -> HeadForm:
    """Return the form of a head with `outputs` scores, before an `activation` as of `final_activation`.

    Raise ExportError for a softmax over one output, and if `multi_label` contradicts a softmax.
    """
    excludes = activation in ("softmax", "log_softmax")
    if excludes and outputs == 1:
        raise ExportError("the model ends in a softmax over one output, which is always 1: replace it by a sigmoid")
    if excludes and multi_label:
        raise ExportError("the model ends in a softmax, so that one class excludes the others: leave out --multi-label")
    applied = {
        "": nn.Identity(),
        "softmax": nn.Softmax(dim=1),
        "log_softmax": nn.LogSoftmax(dim=1),
        "sigmoid": nn.Sigmoid(),
    }[activation]
    if outputs == 1:
        return HeadForm("one logit", OneLogit(), lambda logits: applied(logits[:, 1:] - logits[:, :1]))
    return HeadForm("multi-label" if multi_label or activation == "sigmoid" else "softmax", None, applied)


def is_linear_head(model: SplitClassifier, number: int, layer: Layer) -> bool:
    """Return whether only global average pooling and one linear layer follow the layer with a number in the model.

    It is so if the rest of the graph has one weight matrix and at most its bias, and if its result is a linear function
    of the activations' means: measured on random activations.
    """
    rest = model.segments[model.ends[number] :]
    tensors = [tensor for part in rest for tensor in (*part.parameters(), *part.buffers())]
    if [tensor.ndim > 1 for tensor in tensors].count(True) != 1 or len(tensors) > 2 or layer.other_tokens:
        return False
    first, second = np.random.default_rng(0).normal(size=(2, layer.channels, *layer.map_size)).astype(np.float32)
    means = np.broadcast_to(first.mean(axis=(1, 2), keepdims=True), first.shape)
    outputs = [layer.to_output(values) for values in (first, means, second, (first + second) / 2)]
    with torch.no_grad():
        logits = [model.head(torch.from_numpy(output[None].copy()), number) for output in outputs]
    whole, pooled, other, middle = logits
    errors = (whole - pooled).abs().max(), (whole + other - 2 * middle).abs().max()
    return float(max(errors)) <= _TOLERANCE * float(max(whole.abs().max(), other.abs().max()))


def classifier_name(model: SplitClassifier) -> str | None:
    """Return the name of the last weight matrix in the TorchScript model, or None if the model has none."""
    parts = model.segments.named_modules(prefix="segments")
    names = [
        f"{prefix}.{name}"
        for prefix, part in parts
        for name in (part.weight_names if isinstance(part, OnnxPart) else weight_names(part))
    ]
    return names[-1] if names else None
