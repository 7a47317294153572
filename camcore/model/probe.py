"""One input, by which the models of an artefact are compared with its manifest and with each other."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from camcore.errors import ArtifactError
from camcore.model.manifest import Manifest, export_again
from camcore.types import Array

_TOLERANCE = 1e-3  # as a share of the largest logit: a hundred times what two runtimes, or two machines, differ by

Results = Mapping[str, tuple[Array, Array | None]]


def probe_input(size: tuple[int, int]) -> Array:
    """Return one input (1, 3, H, W) of random values, of mean 0 and standard deviation 1."""
    return np.random.default_rng(0).standard_normal((1, 3, *size), np.float32)


def check_results(directory: Path, manifest: Manifest, results: Results) -> None:
    """Check what each model computes for one input: the logits (1, K), and the layer's output (1, ...) or None.

    `results` has them by the names of the models' files. Raise ArtifactError if a shape is not that of the manifest, or
    if the logits differ.
    """
    for name, (logits, output) in results.items():
        if logits.shape != (1, len(manifest.labels)):
            problem = f"{directory / name} gives scores of shape {logits.shape[1:]}"
            raise ArtifactError(f"{problem} for {len(manifest.labels)} class names: {export_again(directory)}")
        if output is not None and output.shape != (1, *manifest.layer.output_shape):
            problem = f"{directory / name} has an output of shape {output.shape[1:]} at {manifest.layer.name!r}"
            raise ArtifactError(
                f"{problem}, not {manifest.layer.output_shape} as in the manifest: {export_again(directory)}"
            )
    (first, (expected, _)), (second, (actual, _)) = results.items()
    largest = np.abs(expected).max()
    if not (np.isfinite(largest) and np.abs(expected - actual).max() <= _TOLERANCE * largest):
        problem = f"{first} and {second} in {directory} give different scores for the same input"
        raise ArtifactError(f"{problem}, as those of two models do: {export_again(directory)}")
