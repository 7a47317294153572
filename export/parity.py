"""Comparison of every artefact with the eager model, on random input and on photos."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from camcore.errors import PhotoError
from camcore.images.photo import open_photo
from camcore.images.preprocess import preprocess
from camcore.images.samples import sample_photos
from camcore.model.manifest import ONNX, TORCHSCRIPT, Preprocessing
from camcore.model.onnx import Scorer
from camcore.model.torchscript import TracedModel
from camcore.types import Array
from export.errors import ExportError
from export.trace import SplitClassifier

TOLERANCE = 1e-4  # as a share of the range of the eager model's values
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


def measure(
    directory: Path, eager: nn.Module, split: SplitClassifier, steps: Preprocessing, photos: Sequence[Path]
) -> dict[str, Any]:
    """Return the largest absolute differences of both artefacts in `directory` from the eager model.

    For each runtime these are those of logits and of activations; `worst_share_of_range` is the largest as a share of
    the range of the eager model's values. Raise ExportError if a share is not a number, or above `TOLERANCE`.
    """
    runtimes, kinds, worst = _runtimes(directory), ("logits", "activations"), 0.0
    differences = {name: dict.fromkeys(kinds, 0.0) for name, _ in runtimes}
    for x in _inputs(steps, photos):
        expected = _expected(eager, split, x)
        for name, forward in runtimes:
            for kind, actual, reference in zip(kinds, forward(x), expected, strict=True):
                difference, share = _difference(actual, reference)
                if not share <= TOLERANCE:
                    raise ExportError(
                        f"the {name} model differs from the eager one by {share:.1e} of the range of its {kind}, "
                        f"above {TOLERANCE:.0e}: this model cannot be exported faithfully"
                    )
                differences[name][kind] = max(differences[name][kind], difference)
                worst = max(worst, share)
    return {"photos": len(photos), "tolerance": TOLERANCE, "worst_share_of_range": worst, **differences}


def _runtimes(directory: Path) -> list[tuple[str, Callable[[Array], tuple[Array, Array]]]]:
    """Return what to compare: the TorchScript methods `features` and `head`, its `forward`, and the ONNX model."""
    traced = TracedModel(directory / TORCHSCRIPT)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch.jit
        module = torch.jit.load(str(directory / TORCHSCRIPT), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def forward(x: Array) -> tuple[Array, Array]:
        with torch.inference_mode():
            logits, activations = module(torch.from_numpy(x))
        return logits.numpy(), activations.numpy()

    return [("torchscript", traced.forward), ("torchscript", forward), ("onnx", Scorer(directory / ONNX).forward)]


def _expected(eager: nn.Module, split: SplitClassifier, x: Array) -> tuple[Array, Array]:
    with torch.inference_mode():
        logits, activations = eager(torch.from_numpy(x)).numpy(), split.features(torch.from_numpy(x)).numpy()
    if not (np.isfinite(logits).all() and np.isfinite(activations).all()):
        raise ExportError("the model's own values overflow (they are not finite numbers): check its weights")
    return logits, activations


def _difference(actual: Array, reference: Array) -> tuple[float, float]:
    """Return the largest absolute difference, and its share of the reference's range (of its magnitude if K is 1)."""
    if actual.shape != reference.shape:
        return float("inf"), float("inf")
    difference = float(np.abs(actual - reference).max())
    scale = float(np.ptp(reference) if reference.shape[1] > 1 else np.abs(reference).max())
    return difference, difference / max(scale, float(np.finfo(np.float32).tiny))


def _inputs(steps: Preprocessing, photos: Sequence[Path]) -> Iterator[Array]:
    """Yield single images and batches, first of random input and then of photos."""
    random = np.random.default_rng(0).normal(size=(3, 3, steps.crop, steps.crop)).astype(np.float32)
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
