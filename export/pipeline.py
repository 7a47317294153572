"""The steps of an export, from the name of a model to its artefact directory."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from torch import nn

from camcore.model.manifest import MANIFEST, ONNX, ONNX_INT8, TORCHSCRIPT, Manifest, Preprocessing, Quantization, sha256
from export.errors import ExportError
from export.labels import imagenet_labels, numbered_labels, read_labels
from export.models import ARCHITECTURES, RESNETS
from export.parity import find_photos, measure
from export.pretrained import default_weights, is_pretrained, pretrained
from export.publish import staged
from export.quantize import MAX_NOISE, MIN_SPEED_UP, quantize
from export.trace import SplitClassifier, activation_shape, to_onnx, to_torchscript
from export.weights import load_weights, number_of_classes, read_checkpoint

logger = logging.getLogger(__name__)
_VERSIONS = ("torch", "torchvision", "onnx", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class ExportOptions:
    """The options of an export.

    Attributes:
        weights: name of pretrained weights, or a checkpoint file; None for the default of the model.
        labels: text file of class names; None for those of ImageNet, or for numbers if `weights` is a file.
        layer: target layer; None for the last one.
        photos: folder of photos for calibration and checks; None for the sample photos of gradio.
        out: artefact directory; None for `artifacts/` and the name of the model or checkpoint.
        resize: short side of the photo before the crop, in pixels; None for that of the weights.
        crop: side of the model's square input, in pixels; None for that of the weights.
    """

    model: str = "resnet50"
    weights: str | None = None
    labels: Path | None = None
    layer: str | None = None
    photos: Path | None = None
    out: Path | None = None
    resize: int | None = None
    crop: int | None = None
    int8: bool = True

    @property
    def checkpoint(self) -> Path | None:
        """Return the checkpoint file, or None for pretrained weights."""
        if self.weights is None or (is_pretrained(self.weights) and not Path(self.weights).is_file()):
            return None
        return Path(self.weights)

    @property
    def directory(self) -> Path:
        """Return the artefact directory."""
        return self.out or Path("artifacts") / (self.checkpoint.stem if self.checkpoint else self.model)


def export_model(options: ExportOptions, progress: Callable[[str], None] = logger.info) -> Path:
    """Export a model into `options.directory`, replacing an existing artefact, and return that directory.

    `progress` is called with a short description of each step.

    Raises:
        WeightsError: if the weights are unavailable or do not fit the model.
        LabelsError: if the class names do not fit the model.
        ExportError: if an option does not fit the model, or an artefact cannot be written or differs from the model.
    """
    architecture, steps, photos = ARCHITECTURES[options.model], _preprocessing(options), find_photos(options.photos)
    layer = options.layer or architecture.layers[-1]
    with staged(options.directory) as stage:
        progress(f"reading the weights of {options.model}")
        eager, weights, labels = _load(options)
        split = SplitClassifier(*architecture.split(eager, layer)).eval()
        progress("tracing into TorchScript")
        to_torchscript(split, steps.crop, stage / TORCHSCRIPT)
        progress("exporting to ONNX")
        to_onnx(split, steps.crop, stage / ONNX)
        progress(f"comparing both with the eager model, on random input and {len(photos)} photos")
        parity = measure(stage, eager, split, steps, photos)
        int8 = _quantize(stage, steps, photos, progress) if options.int8 else None
        channels, height, width = activation_shape(split, steps.crop)
        manifest = Manifest(
            model=options.model, weights=weights, target_layer=layer, channels=channels, map_size=(height, width),
            linear_head=layer == architecture.layers[-1], labels=labels, preprocessing=steps, parity=parity, int8=int8,
            versions={name: version(name) for name in _VERSIONS},
            files={name: sha256(stage / name) for name in (TORCHSCRIPT, ONNX, ONNX_INT8) if (stage / name).is_file()},
        )  # fmt: skip
        (stage / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    progress(f"wrote {options.directory}")
    return options.directory


def _load(options: ExportOptions) -> tuple[nn.Module, str, tuple[str, ...]]:
    """Return the eager model with its weights, the name of the weights, and the names of the classes."""
    architecture = ARCHITECTURES[options.model]
    if options.checkpoint:
        weights = read_checkpoint(options.checkpoint)
        names = numbered_labels(number_of_classes(weights, architecture.classifier, options.model))
    else:
        weights = pretrained(options.model, options.weights or default_weights(options.model))
        names = imagenet_labels()
    labels = read_labels(options.labels, len(names)) if options.labels else names
    eager = architecture.build(len(names))
    load_weights(eager, weights, options.model)
    return eager, weights.name, labels


def _quantize(
    stage: Path, steps: Preprocessing, photos: Sequence[Path], progress: Callable[[str], None]
) -> Quantization | None:
    progress("quantising to int8 and comparing with fp32 on other photos")
    int8 = quantize(stage, steps, photos)
    if int8 is None:
        progress("no int8 model: there are no photos to calibrate it with (--photos DIR)")
    elif not int8.used:
        speed = f"{int8.speed_up:.1f} times as fast as fp32 (required: {MIN_SPEED_UP} or more)"
        noise = f"error of its scores {int8.noise:.1%} of their variance (allowed: {MAX_NOISE:.0%} or less)"
        progress(f"no int8 model: {speed}, {noise}")
    return int8


def _preprocessing(options: ExportOptions) -> Preprocessing:
    """Return the preprocessing, after a check that the options fit the model."""
    architecture = ARCHITECTURES[options.model]
    steps = architecture.preprocessing(None if options.checkpoint else options.weights)
    if options.layer not in (None, *architecture.layers):
        raise ExportError(f"{options.model} has no layer {options.layer!r}: choose {', '.join(architecture.layers)}")
    if options.crop and options.model not in RESNETS:
        raise ExportError(f"{options.model} takes {steps.crop} pixels only: leave out --crop")
    crop = options.crop or steps.crop
    if options.resize and options.resize < crop:
        raise ExportError(f"--resize {options.resize} is below the crop of {crop} pixels: choose {crop} or more")
    return replace(steps, crop=crop, resize=options.resize or max(steps.resize, crop))
