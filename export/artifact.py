"""The files of an artefact, written from a model that can be split at its layers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from camcore.model.gpu import installed_version
from camcore.model.layer import Layer
from camcore.model.manifest import (
    MANIFEST,
    ONNX,
    ONNX_INT8,
    TORCHSCRIPT,
    Manifest,
    Preprocessing,
    Quantization,
    sha256,
)
from export.errors import ExportError, QuantizationError
from export.head import choose_head, classifier_name, is_linear_head
from export.layers import LayeredModel
from export.parity import OriginalModel, measure, signed_layers
from export.quantize import MAX_NOISE, MIN_SPEED_UP, quantize
from export.trace import to_torchscript

Progress = Callable[[str], None]
_VERSIONS = ("torch", "torchvision", "onnx", "onnxruntime", "numpy", "pillow")


class ArtifactWriter:
    """A model that is being exported, its split form and the meaning of its scores."""

    def __init__(
        self, model: LayeredModel, steps: Preprocessing, layers: Sequence[str], progress: Progress, *, multi_label: bool
    ):
        self._model, self._steps, self._progress = model, steps, progress
        self._cuts = [model.find(layer) for layer in dict.fromkeys(layers)] or [model.default]
        self._form = choose_head(model.activation, model.classes, multi_label=multi_label)
        self._split = model.split(self._cuts, self._form.ending)
        self._original = OriginalModel(model.whole, self._split, self._form.restore)

    def write(
        self, stage: Path, name: str, weights: str, labels: tuple[str, ...], photos: Sequence[Path], *, int8: bool
    ) -> None:
        """Write the files of the artefact and its manifest into the directory `stage`."""
        self._progress("tracing into TorchScript")
        to_torchscript(self._split, self._steps.size, stage / TORCHSCRIPT)
        self._progress("exporting to ONNX")
        self._model.write_onnx(self._split, self._cuts, stage / ONNX)
        self._progress(f"comparing both with the original model, on random input and {len(photos)} photos")
        parity = measure(stage, self._original, self._steps, photos)
        layers = self._layers(photos)
        quantization = _quantize(stage, self._steps, layers[0], photos, self._progress) if int8 else None
        manifest = Manifest(
            model=name, weights=weights, layers=layers, labels=labels, preprocessing=self._steps,
            parity=parity, int8=quantization, head=self._form.head, input_layout=self._model.input_layout,
            classifier=classifier_name(self._split), versions={name: installed_version(name) for name in _VERSIONS},
            files={name: sha256(stage / name) for name in (TORCHSCRIPT, ONNX, ONNX_INT8) if (stage / name).is_file()},
        )  # fmt: skip
        text = manifest.to_json()
        try:
            Manifest.from_json(text)  # as it will be read
        except ValueError as error:
            raise ExportError(f"this model cannot be described ({error}): change that value") from error
        (stage / MANIFEST).write_text(text, encoding="utf-8")

    def _layers(self, photos: Sequence[Path]) -> tuple[Layer, ...]:
        signed = signed_layers(self._split, self._steps, photos)
        return tuple(
            replace(cut.layer, linear_head=is_linear_head(self._split, number, cut.layer), signed=below, number=number)
            for number, (cut, below) in enumerate(zip(self._cuts, signed, strict=True))
        )


def _quantize(
    stage: Path, steps: Preprocessing, layer: Layer, photos: Sequence[Path], progress: Progress
) -> Quantization | None:
    progress("quantising to int8 and comparing with fp32 on other photos")
    try:
        int8 = quantize(stage, steps, layer, photos)
    except QuantizationError as error:
        progress(f"no int8 model: {error}")
        return None
    if int8 is None:
        progress("no int8 model: there are no photos to calibrate it with (--photos DIR)")
    elif not int8.used:
        speed = f"{int8.speed_up:.2f} times as fast as fp32 (required: {MIN_SPEED_UP} or more)"
        noise = f"error of its scores {int8.noise:.1%} of their variance (allowed: {MAX_NOISE:.0%} or less)"
        progress(f"no int8 model: {speed}, {noise}")
    return int8
