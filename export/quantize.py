"""The int8 model: static QDQ quantisation with uint8 activations and int8 weights per channel.

It is calibrated on photos and on masked photos, and kept only if it is accurate enough and faster than the fp32 model.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from timeit import timeit

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from PIL import Image, ImageOps

from camcore.images.photo import open_photo
from camcore.images.preprocess import preprocess
from camcore.methods.definitions import DEFINITIONS, channel_weights, log_weights
from camcore.methods.grad_cam import weighted_map
from camcore.methods.heatmap import correlation, to_heatmap
from camcore.methods.score_cam import alive_channels, batch_size, masks
from camcore.model.layer import Layer
from camcore.model.manifest import ONNX, ONNX_INT8, Preprocessing, Quantization
from camcore.model.onnx import Scorer
from camcore.types import Array
from export.errors import QuantizationError

# Measured on EfficientNet-Lite0 (see tests/bench/README.md): with more noise or a smaller speed-up, the fp32 model
# reaches the same fidelity sooner.
MAX_NOISE = 0.05
MIN_SPEED_UP = 2.0
LOW_NOISE = 0.01  # above it, the first and last convolutions stay in fp32
FIRST, LAST = 3, 2
_CALIBRATION_MASKS, _CHECK_MASKS = 16, 32  # per photo


def quantize(
    directory: Path, steps: Preprocessing, layer: Layer, photos: Sequence[Path], *, always: bool = False
) -> Quantization | None:
    """Write `model.int8.onnx` beside `model.onnx` if it meets the limits, and return the measurements.

    Every layer is quantised except the classifier. If the noise of that model is above `LOW_NOISE`, and it is fast
    enough, it is made again with the first and last convolutions in fp32. With `always`, the file is written even if it
    misses the limits. Without photos on which the target layer, `layer`, varies there is nothing to calibrate with, and
    the result is None.
    Raise QuantizationError if onnxruntime cannot quantise the model, and OSError if the file cannot be written.
    """
    exact = Scorer(directory / ONNX)
    to_calibrate, to_check = (
        _run(images, steps, layer, exact) for images in _split([open_photo(path) for path in photos])
    )
    if not to_calibrate or not to_check:
        return None
    batches = [np.concatenate([photo.x, photo.masked(_CALIBRATION_MASKS)]) for photo in to_calibrate]
    checks = [_Check(photo, exact) for photo in to_check]
    graph = onnx.load(str(directory / ONNX)).graph
    with TemporaryDirectory(prefix="camcore-int8-") as folder:
        # onnxruntime writes further files beside source and target, which must not reach the artefact directory.
        source, target = Path(folder) / ONNX, Path(folder) / ONNX_INT8
        source.write_bytes((directory / ONNX).read_bytes())
        for ends in ((0, 0), (FIRST, LAST)):
            _write(source, target, batches, _float_nodes(graph, *ends))
            measured = _measure(exact, Scorer(target), checks, sum(ends))
            if measured.noise <= LOW_NOISE or (measured.speed_up < MIN_SPEED_UP and not always):
                break  # with more of it in fp32, it would be slower still
        if measured.used or always:
            (directory / ONNX_INT8).write_bytes(target.read_bytes())
    return measured


@dataclass(frozen=True)
class _CalibrationPhoto:
    """One photo's input (1, 3, H, W), the activations (C, h, w) of the target layer, and the most probable class."""

    x: Array
    activations: Array
    class_idx: int

    def channels(self, count: int) -> Array:
        """Return the activations (n, h, w) of at most `count` channels that vary, evenly spaced from most to least."""
        alive = alive_channels(self.activations)
        evenly = np.unique(np.linspace(0, alive.size - 1, min(count, alive.size)).astype(int))
        channels: Array = self.activations[alive[evenly]]
        return channels

    def masked(self, count: int) -> Array:
        """Return the input masked by each of those channels, as in Score-CAM: (n, 3, H, W)."""
        mask = masks(self.channels(count), (self.x.shape[2], self.x.shape[3]), DEFINITIONS["paper"])
        masked: Array = self.x * mask[:, None]
        return masked


class _Check:
    """Masked inputs (n, 3, H, W) of a photo that was not calibrated with, and their logits in fp32."""

    def __init__(self, photo: _CalibrationPhoto, exact: Scorer):
        self.photo, self.inputs = photo, photo.masked(_CHECK_MASKS)
        self.logits = _in_chunks(exact, self.inputs)

    def heatmap(self, logits: Array) -> Array:
        """Return the Score-CAM heatmap of the photo's channels for these logits."""
        definition = DEFINITIONS["paper"]
        weights = channel_weights(log_weights(logits, self.photo.class_idx, definition), definition)
        return to_heatmap(weighted_map(weights, self.photo.channels(_CHECK_MASKS)), self.inputs.shape[2:])[0]


def _split(images: list[Image.Image]) -> tuple[list[Image.Image], list[Image.Image]]:
    """Return the photos to calibrate with and those to check with; with few, these are mirrored, whole and cropped."""
    if len(images) >= 4:
        return images[::2], images[1::2]
    mirrored = [ImageOps.mirror(image) for image in images]
    corners = [image.crop((0, 0, max(image.width * 3 // 4, 1), max(image.height * 3 // 4, 1))) for image in mirrored]
    return images, mirrored + corners


def _run(images: Sequence[Image.Image], steps: Preprocessing, layer: Layer, exact: Scorer) -> list[_CalibrationPhoto]:
    photos = []
    for image in images:
        x, _ = preprocess(image, steps)
        logits, output = exact.forward(x)
        photos.append(_CalibrationPhoto(x, layer.to_activations(output[0])[0], int(logits.argmax())))
    return [photo for photo in photos if alive_channels(photo.activations).size]  # others cannot be masked


def _in_chunks(scorer: Scorer, inputs: Array) -> Array:
    return np.concatenate([scorer.logits(part) for part in _parts(inputs)])


def _parts(inputs: Array) -> list[Array]:
    """Return inputs (n, 3, H, W) in batches of `batch_size`."""
    count = batch_size(inputs.shape[2:])
    return [inputs[start : start + count] for start in range(0, len(inputs), count)]


def _measure(exact: Scorer, quantised: Scorer, checks: Sequence[_Check], float_layers: int) -> Quantization:
    noises, fidelities = [], []
    for check in checks:
        logits = _in_chunks(quantised, check.inputs)
        score, score_int8 = (values[:, check.photo.class_idx].astype(np.float64) for values in (check.logits, logits))
        noises.append((score_int8 - score).var() / max(score.var(), np.finfo(np.float32).tiny))
        fidelities.append(correlation(check.heatmap(logits), check.heatmap(check.logits)))
    noise, speed_up = float(np.mean(noises)), _speed_up(exact, quantised, _parts(checks[0].inputs)[0])
    used = noise <= MAX_NOISE and speed_up >= MIN_SPEED_UP
    mean, least = float(np.mean(fidelities)), min(fidelities)
    return Quantization(used, noise, mean, least, speed_up, photos=len(checks), float_layers=float_layers)


def _speed_up(exact: Scorer, quantised: Scorer, batch: Array) -> float:
    """Return the ratio of the times of one batch, timed in turns, so that a busy machine slows both."""

    def seconds(scorer: Scorer) -> float:
        return timeit(lambda: scorer.logits(batch), number=1)

    seconds(exact), seconds(quantised)
    return median(seconds(exact) / seconds(quantised) for _ in range(5))


def _float_nodes(graph: onnx.GraphProto, first: int, last: int) -> list[str]:
    """Return the nodes that stay in fp32: the classifier, and the parts with the `first` and `last` convolutions."""
    names = [node.name for node in graph.node]
    convolutions = [index for index, node in enumerate(graph.node) if node.op_type == "Conv"]
    float_nodes = [node.name for node in graph.node if node.op_type == "Gemm"]
    if len(convolutions) > first + last > 0:
        float_nodes += names[: convolutions[first]] + names[convolutions[-last] :]
    return float_nodes


def _write(source: Path, target: Path, batches: Sequence[Array], float_nodes: Sequence[str]) -> None:
    root = logging.getLogger()
    root.addFilter(_is_error)
    try:
        quantize_static(
            str(source), str(target), _Batches(batches), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_exclude=list(float_nodes),
        )  # fmt: skip
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise QuantizationError(f"onnxruntime cannot quantise this model ({type(error).__name__})") from error
    finally:
        root.removeFilter(_is_error)


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Yields the batches one image at a time: calibration keeps all that a run computes, and some models take one."""

    def __init__(self, batches: Sequence[Array]):
        self._remaining = iter([batch[number : number + 1] for batch in batches for number in range(len(batch))])

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self._remaining, None)
        return None if batch is None else {"input": batch}


def _is_error(record: logging.LogRecord) -> bool:
    """Drop onnxruntime's advice from the root logger, such as to pre-process the model, which the exporter has done."""
    return record.levelno >= logging.ERROR
