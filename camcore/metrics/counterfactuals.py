"""Counterfactuals: the model's answers to the target alone, to the rest of the photo alone, and to the target enlarged.

A heatmap shows where evidence lies; only another answer of the model shows what its prediction needs. What is hidden is
filled in two ways, because each filling is unlike a photo in its own way: a finding needs both to agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from camcore.images.preprocess import denormalise
from camcore.methods.score_cam import Int8Forward, batch_size
from camcore.metrics.faithfulness import blurred
from camcore.metrics.thresholds import SMALL, UNSURE
from camcore.model.manifest import Manifest
from camcore.results import ForwardPass, Prediction
from camcore.types import Array, Floats, Forward, to_probabilities

BLUR_SHARE = 0.1  # standard deviation of the blurred filling, as a share of the input's shorter side
_DEVIATIONS = 3  # of the error of an int8 score: within so many of another decision, an answer is computed in fp32

Part = Literal["target only", "background only", "zoom", "whole"]
Filling = Literal["zero", "blurred"]
Marker = Literal["target", "hottest fifth"]
Finding = Literal["needs the target", "relies on the background", "either suffices", "needs both", "not decided"]

MASKED: tuple[tuple[Part, Filling], ...] = (
    ("target only", "zero"), ("target only", "blurred"), ("background only", "zero"), ("background only", "blurred"),
)  # fmt: skip
_FINDINGS: dict[tuple[bool, bool], Finding] = {  # whether the class holds for the target alone, and without it
    (True, False): "needs the target",
    (False, True): "relies on the background",
    (True, True): "either suffices",
    (False, False): "needs both",
}


@dataclass(frozen=True)
class ChangedInput:
    """An input of the model that shows a photo differently."""

    part: Part  # what it shows: the target, the rest, the target enlarged, or the whole photo
    filling: Filling | None  # of what is hidden; None if nothing is
    x: Array  # (3, H, W), normalised


@dataclass(frozen=True)
class Answer:
    """The model's answer to a changed input."""

    part: Part
    filling: Filling | None
    first_choice: Prediction
    probability: float  # of the explained class
    rank: int  # of the explained class; 1 is the most probable
    holds: bool  # whether the explained class ranks as high as before; with several labels, whether it reaches 50%
    pixels: NDArray[np.uint8] = field(repr=False, compare=False)  # what the model was shown, RGB (H, W, 3)


@dataclass(frozen=True)
class Counterfactuals:
    """The answers to all changed inputs of one photo, and what they show together."""

    explained: Prediction
    is_first_choice: bool  # whether the explained class is the most probable one
    marked_by: Marker  # what marks the target: the user or a detector, or else the hottest fifth of a heatmap
    share: float  # of the view that the target fills, in [0, 1]
    answers: tuple[Answer, ...]  # to `MASKED`, in that order, and then to what else was asked
    finding: Finding

    @property
    def log_ratio(self) -> float:
        """Return log p(target only) - log p(background only) of the explained class, the mean over fillings."""
        logs = [float(np.log(max(answer.probability, 1e-12))) for answer in self.answers[: len(MASKED)]]
        return (sum(logs[:2]) - sum(logs[2:])) / 2

    @property
    def small_target(self) -> bool:
        """Return whether the finding is not decided because the target fills too little of the view."""
        return self.finding == "not decided" and not any(answer.holds for answer in self.answers[: len(MASKED)])


def change_inputs(x: Array, coverage: Floats, others: Mapping[Part, Array]) -> list[ChangedInput]:
    """Return the inputs of `MASKED`, and then `others` (3, H, W).

    `x` is the model's input (1, 3, H, W), and `coverage` the target's share of each pixel, (H, W) in [0, 1].
    """
    target = coverage.astype(np.float32)
    fillings = {"zero": np.zeros_like(x[0]), "blurred": blurred(x[0], BLUR_SHARE * min(x.shape[2:]))}
    visible = {"target only": target, "background only": 1 - target}
    masked = [
        ChangedInput(part, filling, x[0] * visible[part] + fillings[filling] * (1 - visible[part]))
        for part, filling in MASKED
    ]
    return [*masked, *(ChangedInput(part, None, other) for part, other in others.items())]


def class_holds(before: Array, after: Array, class_idx: int, multi_label: bool, shift: float = 0.0) -> list[bool]:
    """Return for each row of `after` (n, K) whether a class ranks as high as in `before` (K,); both are logits.

    An equal logit of another class counts against it. With `multi_label`, return whether it reaches 50%. `shift` is
    added to the logit of the class in `after`.
    """
    logits = after.astype(np.float64)
    logits[:, class_idx] += shift
    if multi_label:
        return [bool(value >= UNSURE) for value in to_probabilities(logits, True)[:, class_idx]]
    return [int((row >= row[class_idx]).sum()) <= rank_of(before, class_idx) for row in logits]


def rank_of(logits: Array | Floats, class_idx: int) -> int:
    """Return the rank of a class among logits (K,): 1 is the largest."""
    return int((logits > logits[class_idx]).sum()) + 1


def decide(holds: Sequence[bool], share: float) -> Finding:
    """Return the finding from whether the class holds for each of `MASKED`, and the share that the target fills."""
    target, background = set(holds[:2]), set(holds[2 : len(MASKED)])
    if len(target) > 1 or len(background) > 1:  # the filling decides
        return "not decided"
    finding = _FINDINGS[target.pop(), background.pop()]
    return "not decided" if finding == "needs both" and share < SMALL else finding


def ask_again(
    photo: ForwardPass,
    class_idx: int,
    inputs: Sequence[ChangedInput],
    *,
    manifest: Manifest,
    forward: Forward,
    int8: Int8Forward | None = None,
) -> tuple[Answer, ...]:
    """Run the model on changed inputs of a photo, in batches, and return its answers about a class.

    With `int8`, answers of which its error could change the decision are computed again by `forward`.
    """
    batch, multi_label = np.stack([changed.x for changed in inputs]), photo.multi_label
    logits = _run(forward if int8 is None else int8.forward, batch)
    if int8 is not None and (unsure := _unsure(photo, class_idx, inputs, logits, int8.noise)):
        logits = logits.copy()
        logits[unsure] = _run(forward, batch[unsure])
    holds = class_holds(photo.logits, logits, class_idx, multi_label)
    answers, labels = [], manifest.labels
    for changed, row, probabilities, is_held in zip(
        inputs, logits, to_probabilities(logits, multi_label), holds, strict=True
    ):
        first = int(row.argmax())
        first_choice = Prediction(first, labels[first], float(probabilities[first]))
        probability, rank = float(probabilities[class_idx]), rank_of(row, class_idx)
        pixels = denormalise(changed.x, manifest.preprocessing)
        answers.append(Answer(changed.part, changed.filling, first_choice, probability, rank, is_held, pixels))
    return tuple(answers)


def _run(forward: Forward, batch: Array) -> Array:
    """Return the logits (n, K) of inputs (n, 3, H, W), of which large ones are run a few at a time."""
    count = batch_size(batch.shape[2:])
    return np.concatenate([forward(batch[start : start + count]) for start in range(0, len(batch), count)])


def _unsure(
    photo: ForwardPass, class_idx: int, inputs: Sequence[ChangedInput], logits: Array, noise: float
) -> list[int]:
    """Return the inputs whose int8 logits (n, K) could decide otherwise than exact ones, or name another first choice.

    The first choice matters for inputs without a filling, which the page reports like any other photo.
    """
    error = _DEVIATIONS * float(np.sqrt(noise) * logits.std(axis=1).mean())
    lower, upper = (class_holds(photo.logits, logits, class_idx, photo.multi_label, shift) for shift in (-error, error))
    second, first = np.sort(logits, axis=1)[:, -2:].T
    return [
        number
        for number, changed in enumerate(inputs)
        if lower[number] != upper[number] or (changed.filling is None and first[number] - second[number] < error)
    ]
