"""Photos with the scores of every channel: what the benchmark of the fidelity compares the fast Score-CAM with."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camcore import Explainer, ForwardPass, PhotoError, open_photo
from camcore.methods.definitions import DEFINITIONS, DefinitionName, channel_weights, log_weights
from camcore.methods.grad_cam import weighted_map
from camcore.methods.heatmap import to_heatmap
from camcore.methods.score_cam import CHUNK, alive_channels, masks
from camcore.model.onnx import Scorer

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """A photo, the class to explain, and the scores of each of the n channels that vary, by a plain loop in fp32."""

    photo: str
    explainer: Explainer
    scorer: Scorer
    forward_pass: ForwardPass
    class_idx: int
    activations: Array  # (n, h, w)
    gradients: Array  # of the class's logit, (n, h, w)
    contributions: Array  # sum of gradient times activation over all channels, (h, w)
    logits: Array  # (n, K)

    @property
    def size(self) -> tuple[int, int]:
        """Return the (H, W) of the input."""
        return self.forward_pass.x.shape[2], self.forward_pass.x.shape[3]

    def log_weights(self, definition: DefinitionName) -> NDArray[np.float64]:
        """Return those of every channel, exactly."""
        return log_weights(self.logits, self.class_idx, DEFINITIONS[definition])

    def heatmap(self, logarithms: NDArray[np.float64], definition: DefinitionName) -> Array:
        """Return the heatmap that such weights give."""
        weights = channel_weights(logarithms, DEFINITIONS[definition])
        return self.to_heatmap(weighted_map(weights, self.activations))

    def to_heatmap(self, cam: Array) -> Array:
        """Return the heatmap (H, W) of a map (h, w)."""
        return to_heatmap(cam, self.forward_pass.view.image.size[::-1])[0]

    def scores(self, masked: Array) -> Array:
        """Return the logits (m, K) of inputs (m, 3, H, W)."""
        batches = (masked[start : start + CHUNK] for start in range(0, len(masked), CHUNK))
        return np.concatenate([self.scorer.logits(np.ascontiguousarray(batch)) for batch in batches])


def subjects(explainer: Explainer, scorer: Scorer, options: argparse.Namespace) -> Iterator[Subject]:
    """Yield each readable photo of `options.photos`; name the others on the standard error."""
    photos = [path for path in sorted(options.photos.iterdir()) if path.is_file()]
    for number, path in enumerate(photos, start=1):
        try:
            forward_pass = explainer.forward(open_photo(path), options.fit)
        except PhotoError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            continue
        print(f"photo {number} of {len(photos)}: {path.name}", file=sys.stderr, flush=True)
        class_idx = int(np.argsort(-forward_pass.logits, kind="stable")[options.rank])
        layer = explainer.manifest.layer
        output = layer.to_output(forward_pass.activations, forward_pass.other_tokens)
        gradients = layer.to_activations(explainer._model.gradients(output, {class_idx: 1.0}))[0]
        alive = alive_channels(forward_pass.activations)
        yield Subject(
            path.name, explainer, scorer, forward_pass, class_idx, forward_pass.activations[alive], gradients[alive],
            (gradients * forward_pass.activations).sum(axis=0), _all_logits(forward_pass, alive, scorer),
        )  # fmt: skip


def _all_logits(forward_pass: ForwardPass, alive: NDArray[np.intp], scorer: Scorer) -> Array:
    x, runs = forward_pass.x, []
    for start in range(0, len(alive), CHUNK):
        channels = alive[start : start + CHUNK]
        mask = masks(forward_pass.activations[channels], (x.shape[2], x.shape[3]), DEFINITIONS["paper"])
        runs.append(scorer.logits(x * mask[:, None]))
    return np.concatenate(runs)
