"""The int8 model: static QDQ, activations uint8, weights int8 per channel, kept only if it is faithful and faster."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from PIL import Image, ImageOps

from camcore.images.photo import open_photo
from camcore.images.preprocess import preprocess
from camcore.methods.grad_cam import weighted_map
from camcore.methods.heatmap import correlation, to_heatmap
from camcore.methods.score_cam import CHUNK, DEFINITIONS, alive_channels, channel_weights, log_weights, masks
from camcore.model.manifest import ONNX, ONNX_INT8, Preprocessing, Quantization
from camcore.model.onnx import Scorer
from camcore.types import Array
from export.errors import ExportError

# Measured on EfficientNet-Lite0 (see tests/bench/README.md): with more noise, or less speed, the fp32 model reaches a
# fidelity sooner.
MAX_NOISE = 0.05
MIN_SPEED_UP = 2.0
LOW_NOISE = 0.01  # above it, convolutions at either end stay in fp32:
FIRST, LAST = 3, 2
ENOUGH_PHOTOS = 4  # to calibrate with every other one and check with the rest
_CALIBRATION_MASKS = 16  # a photo
_CHECK_MASKS = 32
_ROUNDS = 5


def quantize(
    directory: Path, steps: Preprocessing, photos: Sequence[Path], *, always: bool = False
) -> Quantization | None:
    """Write `model.int8.onnx` beside `model.onnx` if it is worth having; what was measured, None without photos.

    `always` writes it whatever was measured.

    Everything is quantised but the classifier; if that is unfaithful, the first and last convolutions are left alone.
    A photo on which the target layer does not vary has nothing to mask with, and counts as none.

    Raises:
        ExportError: if the model cannot be quantised.
        OSError: if the file cannot be written.
    """
    exact = Scorer(directory / ONNX)
    seen, unseen = (_views(images, steps, exact) for images in _split(photos))
    if not seen or not unseen:
        return None
    calibration = [np.concatenate([view.x, view.masked(_CALIBRATION_MASKS)]) for view in seen]
    checks = [_Check(view, exact) for view in unseen]
    graph = onnx.load(str(directory / ONNX)).graph
    with TemporaryDirectory(prefix="camcore-int8-") as folder:
        # onnxruntime writes other files beside both; the artefact's disk gets only what is kept.
        source, quantised = Path(folder) / ONNX, Path(folder) / ONNX_INT8
        source.write_bytes((directory / ONNX).read_bytes())
        for ends in ((0, 0), (FIRST, LAST)):
            _write(source, quantised, calibration, _left_alone(graph, *ends))
            measured = _measure(exact, Scorer(quantised), checks, sum(ends))
            if measured.noise <= LOW_NOISE:
                break
        if measured.used or always:
            (directory / ONNX_INT8).write_bytes(quantised.read_bytes())
    return measured


def _split(photos: Sequence[Path]) -> tuple[list[Image.Image], list[Image.Image]]:
    """Photos to calibrate with and to check with; of a few, the check gets the same, mirrored, whole and cropped."""
    images = [open_photo(path) for path in photos]
    if len(images) >= ENOUGH_PHOTOS:
        return images[::2], images[1::2]
    mirrored = [ImageOps.mirror(image) for image in images]
    corners = [image.crop((0, 0, max(image.width * 3 // 4, 1), max(image.height * 3 // 4, 1))) for image in mirrored]
    return images, mirrored + corners


@dataclass(frozen=True)
class _View:
    """A photo's input (1, 3, H, W), its activations (C, h, w), and its most probable class."""

    x: Array
    activations: Array
    class_idx: int

    def channels(self, count: int) -> Array:
        """Activations (n, h, w) of at most `count` channels alive, evenly from the most varied to the least."""
        alive = alive_channels(self.activations)
        evenly = np.unique(np.linspace(0, alive.size - 1, min(count, alive.size)).astype(int))
        channels: Array = self.activations[alive[evenly]]
        return channels

    def masked(self, count: int) -> Array:
        """The input as Score-CAM runs it, masked by those channels: (n, 3, H, W)."""
        mask = masks(self.channels(count), (self.x.shape[2], self.x.shape[3]), DEFINITIONS["paper"])
        masked: Array = self.x * mask[:, None]
        return masked


def _views(images: Sequence[Image.Image], steps: Preprocessing, exact: Scorer) -> list[_View]:
    """Of the photos that make the target layer vary."""
    views = []
    for image in images:
        x, _ = preprocess(image, steps)
        logits, activations = exact.forward(x)
        views.append(_View(x, activations[0], int(logits.argmax())))
    return [view for view in views if alive_channels(view.activations).size]


class _Check:
    """A photo that was not calibrated with: masked inputs (n, 3, H, W), and their logits by the fp32 model."""

    def __init__(self, view: _View, exact: Scorer):
        self.view = view
        self.inputs = view.masked(_CHECK_MASKS)
        self.logits = _in_chunks(exact, self.inputs)

    def heatmap(self, logits: Array) -> Array:
        """Score-CAM of these channels under those logits."""
        definition = DEFINITIONS["paper"]
        weights = channel_weights(log_weights(logits, self.view.class_idx, definition), definition)
        return to_heatmap(weighted_map(weights, self.view.channels(_CHECK_MASKS)), self.inputs.shape[2:])[0]


def _in_chunks(scorer: Scorer, inputs: Array) -> Array:
    return np.concatenate([scorer.logits(inputs[start : start + CHUNK]) for start in range(0, len(inputs), CHUNK)])


def _measure(exact: Scorer, quantised: Scorer, checks: Sequence[_Check], float_layers: int) -> Quantization:
    noises, fidelities = [], []
    for check in checks:
        logits = _in_chunks(quantised, check.inputs)
        score, quick = (each[:, check.view.class_idx].astype(np.float64) for each in (check.logits, logits))
        noises.append((quick - score).var() / max(score.var(), np.finfo(np.float32).tiny))
        fidelities.append(correlation(check.heatmap(logits), check.heatmap(check.logits)))
    noise, speed_up = float(np.mean(noises)), _speed_up(exact, quantised, checks[0].inputs[:CHUNK])
    return Quantization(
        used=noise <= MAX_NOISE and speed_up >= MIN_SPEED_UP,
        noise=noise,
        fidelity_mean=float(np.mean(fidelities)),
        fidelity_min=min(fidelities),
        speed_up=speed_up,
        photos=len(checks),
        float_layers=float_layers,
    )


def _speed_up(exact: Scorer, quantised: Scorer, batch: Array) -> float:
    """Ratio of the times of one batch, in turns, so that a machine that changes its pace changes it for both."""

    def seconds(scorer: Scorer) -> float:
        start = time.perf_counter()
        scorer.logits(batch)
        return time.perf_counter() - start

    seconds(exact), seconds(quantised)
    return median(seconds(exact) / seconds(quantised) for _ in range(_ROUNDS))


def _left_alone(graph: onnx.GraphProto, first: int, last: int) -> list[str]:
    """Names of the nodes that stay in fp32: the classifier, and all up to and from so many convolutions at the ends."""
    names = [node.name for node in graph.node]
    convolutions = [index for index, node in enumerate(graph.node) if node.op_type == "Conv"]
    alone = [node.name for node in graph.node if node.op_type == "Gemm"]
    if len(convolutions) > first + last > 0:
        alone += names[: convolutions[first]] + names[convolutions[-last] :]
    return alone


def _write(source: Path, target: Path, batches: Sequence[Array], alone: Sequence[str]) -> None:
    try:
        with _quiet():
            quantize_static(
                str(source),
                str(target),
                _Batches(batches),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=list(alone),
            )
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ExportError(
            f"the model cannot be quantised ({type(error).__name__}): export it without, by --no-int8"
        ) from error


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Sequence[Array]):
        self._rest = iter(batches)

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self._rest, None)
        return None if batch is None else {"input": batch}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that onnxruntime gives on the root logger: the exporter has folded and shaped it already."""
    root = logging.getLogger()

    def drop(record: logging.LogRecord) -> bool:
        return "pre-processing" not in record.getMessage()

    root.addFilter(drop)
    try:
        yield
    finally:
        root.removeFilter(drop)
