"""Comparison of every artefact with the original model, on random input and on photos."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from camcore.errors import CamError, PhotoError
from camcore.images.photo import open_photo
from camcore.images.preprocess import preprocess
from camcore.images.samples import sample_photos
from camcore.model.manifest import ONNX, TORCHSCRIPT, Preprocessing
from camcore.model.onnx import Scorer
from camcore.model.torchscript import TracedModel
from camcore.types import Array
from export.errors import ExportError, shortened
from export.trace import SplitClassifier

TOLERANCE = 1e-4  # as a share of the range of the original model's values
MAX_PHOTOS = 8


def find_photos(folder: Path | None) -> list[Path]:
    """Return at most `MAX_PHOTOS` photos of `folder`; without a folder, the sample photos of the gradio package.

    Raise ExportError if `folder` is not a folder or contains no readable photo.
    """
    if folder is None:
        return sample_photos()
    if not folder.is_dir():
        raise ExportError(f"--photos {folder} is not a folder: name a folder of photos")
    readable = (path for path in sorted(folder.iterdir()) if path.is_file() and _is_photo(path))
    photos = list(islice(readable, MAX_PHOTOS))
    if not photos:
        raise ExportError(f"--photos {folder} holds no readable photo: name a folder of photos")
    return photos


@dataclass(frozen=True)
class OriginalModel:
    """A model as it was before the export: whole, and split at its layers.

    `restore` turns the logits of the split model into what the whole one returns: probabilities if it ends in a
    softmax, one logit instead of two.
    """

    whole: nn.Module
    split: SplitClassifier
    restore: Callable[[Tensor], Tensor] = torch.clone

    def forward(self, x: Array) -> tuple[Array, list[Array]]:
        """Return the logits (N, K) and the output (N, *`Layer.output_shape`) of each layer for inputs (N, 3, H, W).

        Raise ExportError if they are not finite, or if the split model gives another result than the whole one.
        """
        inputs = torch.from_numpy(x)
        with torch.inference_mode():
            activations = [self.split.features(inputs, layer) for layer in range(len(self.split.ends))]
            logits = self.split.head(activations[0])
            expected, actual = self.whole(inputs).numpy(), self.restore(logits).numpy()
        if not all(np.isfinite(values).all() for values in (expected, *(values.numpy() for values in activations))):
            raise ExportError("the model's own values overflow (they are not finite numbers): check its weights")
        _check("split", "results", actual, expected)
        return logits.numpy(), [values.numpy() for values in activations]


def measure(directory: Path, original: OriginalModel, steps: Preprocessing, photos: Sequence[Path]) -> dict[str, Any]:
    """Return the largest absolute differences of both artefacts in `directory` from the original model.

    For each runtime these are those of logits and of activations; `worst_share_of_range` is the largest as a share of
    the range of the original model's values. Raise ExportError if a share is not a number, or above `TOLERANCE`.
    """
    runtimes, kinds, worst = _runtimes(directory, len(original.split.ends)), ("logits", "activations"), 0.0
    differences = {name: dict.fromkeys(kinds, 0.0) for name, _, _ in runtimes}
    for x in _inputs(steps, photos):
        logits, activations = original.forward(x)
        for name, layer, forward in runtimes:
            for kind, actual, reference in zip(
                kinds, _run(name, forward, x), (logits, activations[layer]), strict=True
            ):
                difference, share = _check(name, kind, actual, reference)
                differences[name][kind] = max(differences[name][kind], difference)
                worst = max(worst, share)
    return {"photos": len(photos), "tolerance": TOLERANCE, "worst_share_of_range": worst, **differences}


def signed_layers(split: SplitClassifier, steps: Preprocessing, photos: Sequence[Path]) -> list[bool]:
    """Return whether each layer has activations below zero, on photos, or on random input without photos."""
    *_, x = _inputs(steps, photos)
    with torch.inference_mode():
        return [bool((split.features(torch.from_numpy(x), layer) < 0).any()) for layer in range(len(split.ends))]


def _runtimes(directory: Path, layers: int) -> list[tuple[str, int, Callable[[Array], tuple[Array, Array]]]]:
    """Return what to compare, and its layer: TorchScript's methods of each layer, its `forward`, and the ONNX model."""
    traced, scorer = TracedModel(directory / TORCHSCRIPT), Scorer(directory / ONNX)
    if not traced.has_features:
        heads = [partial(_run_head, scorer.at_layer(layer), traced.at_layer(layer)) for layer in range(layers)]
        whole = [("onnx", layer, scorer.at_layer(layer).forward) for layer in range(layers)]
        return [*whole, *(("torchscript", layer, head) for layer, head in enumerate(heads))]
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch.jit
        module = torch.jit.load(str(directory / TORCHSCRIPT), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def forward(x: Array) -> tuple[Array, Array]:
        with torch.inference_mode():
            logits, activations = module(torch.from_numpy(x))
        return logits.numpy(), activations.numpy()

    methods = [("torchscript", layer, traced.at_layer(layer).forward) for layer in range(layers)]
    return [*methods, ("torchscript", 0, forward), ("onnx", 0, scorer.forward)]


def _run_head(scorer: Scorer, traced: TracedModel, x: Array) -> tuple[Array, Array]:
    """Return the logits that TorchScript computes from a layer's output, and that output."""
    _, outputs = scorer.forward(x)
    return np.concatenate([traced.logits(output[None]) for output in outputs]), outputs


def _run(name: str, forward: Callable[[Array], tuple[Array, Array]], x: Array) -> tuple[Array, Array]:
    """Return what a runtime computes; raise ExportError if it fails, as where tracing fixed the number of photos."""
    try:
        return forward(x)
    except CamError:
        raise
    except Exception as error:  # each runtime has errors of its own
        reason = shortened(str(error).strip().rpartition("\n")[2])
        problem = f"the {name} model fails on {len(x)} photos ({reason})"
        raise ExportError(f"{problem}: let the model's code compute its shapes from the shape of its input") from error


def _check(name: str, kind: str, actual: Array, reference: Array) -> tuple[float, float]:
    """Return the difference of two results, and its share of the range; raise ExportError above `TOLERANCE`."""
    difference, share = _difference(actual, reference)
    if not share <= TOLERANCE:
        raise ExportError(
            f"the {name} model differs from the original by {share:.1e} of the range of its {kind}, "
            f"above {TOLERANCE:.0e}: this model cannot be exported faithfully"
        )
    return difference, share


def _difference(actual: Array, reference: Array) -> tuple[float, float]:
    """Return the largest absolute difference, and its share of the reference's range (of its magnitude if K is 1)."""
    if actual.shape != reference.shape:
        return float("inf"), float("inf")
    difference = float(np.abs(actual - reference).max())
    scale = float(np.ptp(reference) if reference.shape[1] > 1 else np.abs(reference).max())
    return difference, difference / max(scale, float(np.finfo(np.float32).tiny))


def _inputs(steps: Preprocessing, photos: Sequence[Path]) -> Iterator[Array]:
    """Yield single images and batches, first of random input and then of photos."""
    random = np.random.default_rng(0).normal(size=(3, 3, *steps.size)).astype(np.float32)
    yield from (random[:1], random)
    if photos:
        batch = np.concatenate([preprocess(open_photo(path), steps)[0] for path in photos])
        yield batch[:1]
        yield batch if len(batch) > 1 else np.concatenate([batch, batch[..., ::-1]])


def _is_photo(path: Path) -> bool:
    try:
        open_photo(path)
    except PhotoError:
        return False
    return True
