"""The steps of an export, from the name of a model to its artefact directory."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

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
        model: name of the architecture.
        weights: name of pretrained weights, or a checkpoint file; None for the default of the architecture.
        labels: text file of class names; None for those of ImageNet, or for numbers if `weights` is a file.
        layer: target layer; None for the last one.
        photos: folder of photos for calibration and checks; None for the sample photos of gradio.
        out: artefact directory; None for `artifacts/` and the name of the model or checkpoint.
        resize: short side of the photo before the crop, in pixels; None for that of the weights.
        crop: side of the model's square input, in pixels; None for that of the weights.
        int8: whether to add a quantised model.
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
        ExportError: if an option does not fit the model, or an artefact differs from the eager model or cannot be
            written.
    """
    layer, steps, photos = _layer(options), _preprocessing(options), find_photos(options.photos)
    with staged(options.directory) as stage:
        progress(f"reading the weights of {options.model}")
        classifier = _load(options, layer)
        progress("tracing into TorchScript")
        to_torchscript(classifier.split, steps.crop, stage / TORCHSCRIPT)
        progress("exporting to ONNX")
        to_onnx(classifier.split, steps.crop, stage / ONNX)
        progress(f"comparing both with the eager model, on random input and {len(photos)} photos")
        parity = measure(stage, classifier.eager, classifier.split, steps, photos)
        int8 = _quantize(stage, steps, photos, progress) if options.int8 else None
        manifest = _manifest(options.model, layer, steps, classifier, parity=parity, int8=int8, stage=stage)
        (stage / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    progress(f"wrote {options.directory}")
    return options.directory


@dataclass(frozen=True)
class _Classifier:
    """A model with its weights, whole and split, the name of the weights, and the names of the classes."""

    eager: nn.Module
    split: SplitClassifier
    weights: str
    labels: tuple[str, ...]


def _load(options: ExportOptions, layer: str) -> _Classifier:
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
    return _Classifier(eager, SplitClassifier(*architecture.split(eager, layer)).eval(), weights.name, labels)


def _manifest(
    model: str,
    layer: str,
    steps: Preprocessing,
    classifier: _Classifier,
    *,
    parity: Mapping[str, Any],
    int8: Quantization | None,
    stage: Path,
) -> Manifest:
    channels, height, width = activation_shape(classifier.split, steps.crop)
    return Manifest(
        model=model,
        weights=classifier.weights,
        target_layer=layer,
        channels=channels,
        map_size=(height, width),
        linear_head=layer == ARCHITECTURES[model].layers[-1],
        labels=classifier.labels,
        preprocessing=steps,
        parity=parity,
        versions={name: version(name) for name in _VERSIONS},
        files={name: sha256(stage / name) for name in (TORCHSCRIPT, ONNX, ONNX_INT8) if (stage / name).is_file()},
        int8=int8,
    )


def _quantize(
    stage: Path, steps: Preprocessing, photos: Sequence[Path], progress: Callable[[str], None]
) -> Quantization | None:
    progress("quantising to int8 and comparing with fp32 on other photos")
    int8 = quantize(stage, steps, photos)
    if int8 is None:
        progress("no int8 model: there are no photos to calibrate it with (--photos DIR)")
    elif not int8.used:
        progress(
            f"no int8 model: {int8.speed_up:.1f} times as fast as fp32 (required: {MIN_SPEED_UP} or more), error of "
            f"its scores {int8.noise:.1%} of their variance (allowed: {MAX_NOISE:.0%} or less)"
        )
    return int8


def _layer(options: ExportOptions) -> str:
    layers = ARCHITECTURES[options.model].layers
    if options.layer not in (None, *layers):
        raise ExportError(f"{options.model} has no layer {options.layer!r}: choose {', '.join(layers)}")
    return options.layer or layers[-1]


def _preprocessing(options: ExportOptions) -> Preprocessing:
    steps = ARCHITECTURES[options.model].preprocessing(None if options.checkpoint else options.weights)
    if options.crop and options.model not in RESNETS:
        raise ExportError(f"{options.model} takes {steps.crop} pixels only: leave out --crop")
    crop = options.crop or steps.crop
    if options.resize and options.resize < crop:
        raise ExportError(f"--resize {options.resize} is below the crop of {crop} pixels: choose {crop} or more")
    return replace(steps, crop=crop, resize=options.resize or max(steps.resize, crop))
