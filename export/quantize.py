"""The int8 model: static QDQ quantisation with uint8 activations and int8 weights per channel.

It is kept only if it is accurate enough and faster than the fp32 model.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from camcore.methods.grad_cam import weighted_map
from camcore.methods.heatmap import correlation, to_heatmap
from camcore.methods.score_cam import CHUNK, DEFINITIONS, channel_weights, log_weights
from camcore.model.manifest import ONNX, ONNX_INT8, Preprocessing, Quantization
from camcore.model.onnx import Scorer
from camcore.types import Array
from export.calibration import CalibrationPhoto, split_photos
from export.errors import ExportError

# Measured on EfficientNet-Lite0 (see tests/bench/README.md): with more noise or a smaller speed-up, the fp32 model
# reaches the same fidelity sooner.
MAX_NOISE = 0.05
MIN_SPEED_UP = 2.0
LOW_NOISE = 0.01  # above it, the first and last convolutions stay in fp32
FIRST, LAST = 3, 2
_CALIBRATION_MASKS = 16  # per photo
_CHECK_MASKS = 32  # per photo
_ROUNDS = 5


def quantize(
    directory: Path, steps: Preprocessing, photos: Sequence[Path], *, always: bool = False
) -> Quantization | None:
    """Write `model.int8.onnx` beside `model.onnx` if it meets the limits, and return the measurements.

    Every layer is quantised except the classifier. If the noise of that model is above `LOW_NOISE`, it is made again
    with the first and last convolutions in fp32. With `always`, the file is written even if it misses the limits.
    Without photos on which the target layer varies there is nothing to calibrate with, and the result is None.

    Raises:
        ExportError: if the model cannot be quantised.
        OSError: if the file cannot be written.
    """
    exact = Scorer(directory / ONNX)
    to_calibrate, to_check = split_photos(photos, steps, exact)
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
            if measured.noise <= LOW_NOISE:
                break
        if measured.used or always:
            (directory / ONNX_INT8).write_bytes(target.read_bytes())
    return measured


class _Check:
    """Masked inputs (n, 3, H, W) of a photo that was not calibrated with, and their logits in fp32."""

    def __init__(self, photo: CalibrationPhoto, exact: Scorer):
        self.photo = photo
        self.inputs = photo.masked(_CHECK_MASKS)
        self.logits = _in_chunks(exact, self.inputs)

    def heatmap(self, logits: Array) -> Array:
        """Return the Score-CAM heatmap of the photo's channels for these logits."""
        definition = DEFINITIONS["paper"]
        weights = channel_weights(log_weights(logits, self.photo.class_idx, definition), definition)
        return to_heatmap(weighted_map(weights, self.photo.channels(_CHECK_MASKS)), self.inputs.shape[2:])[0]


def _in_chunks(scorer: Scorer, inputs: Array) -> Array:
    return np.concatenate([scorer.logits(inputs[start : start + CHUNK]) for start in range(0, len(inputs), CHUNK)])


def _measure(exact: Scorer, quantised: Scorer, checks: Sequence[_Check], float_layers: int) -> Quantization:
    noises, fidelities = [], []
    for check in checks:
        logits = _in_chunks(quantised, check.inputs)
        score, score_int8 = (values[:, check.photo.class_idx].astype(np.float64) for values in (check.logits, logits))
        noises.append((score_int8 - score).var() / max(score.var(), np.finfo(np.float32).tiny))
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
    """Return the ratio of the times of one batch, timed in turns, so that a busy machine slows both."""

    def seconds(scorer: Scorer) -> float:
        start = time.perf_counter()
        scorer.logits(batch)
        return time.perf_counter() - start

    seconds(exact), seconds(quantised)
    return median(seconds(exact) / seconds(quantised) for _ in range(_ROUNDS))


def _float_nodes(graph: onnx.GraphProto, first: int, last: int) -> list[str]:
    """Return the names of the nodes that stay in fp32.

    These are the classifier, everything before the convolution number `first`, and everything from the convolution
    `last` before the end.
    """
    names = [node.name for node in graph.node]
    convolutions = [index for index, node in enumerate(graph.node) if node.op_type == "Conv"]
    float_nodes = [node.name for node in graph.node if node.op_type == "Gemm"]
    if len(convolutions) > first + last > 0:
        float_nodes += names[: convolutions[first]] + names[convolutions[-last] :]
    return float_nodes


def _write(source: Path, target: Path, batches: Sequence[Array], float_nodes: Sequence[str]) -> None:
    try:
        with _without_advice():
            quantize_static(
                str(source),
                str(target),
                _Batches(batches),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=list(float_nodes),
            )
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ExportError(f"the model cannot be quantised ({type(error).__name__}): add --no-int8") from error


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Sequence[Array]):
        self._remaining = iter(batches)

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self._remaining, None)
        return None if batch is None else {"input": batch}


@contextmanager
def _without_advice() -> Iterator[None]:
    """Drop onnxruntime's advice to pre-process the model, which the exporter has already done, from the root logger."""
    root = logging.getLogger()

    def drop(record: logging.LogRecord) -> bool:
        return "pre-processing" not in record.getMessage()

    root.addFilter(drop)
    try:
        yield
    finally:
        root.removeFilter(drop)
