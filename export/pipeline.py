"""From a model's name to an artefact directory."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from torch import nn

from camcore.artifact import MANIFEST, ONNX, TORCHSCRIPT, Manifest, Preprocessing, sha256
from export.errors import ExportError
from export.labels import imagenet_labels, read_labels
from export.models import ARCHITECTURES, RESNETS, Architecture
from export.parity import find_photos, measure
from export.publish import staged
from export.trace import SplitClassifier, activation_shape, to_onnx, to_torchscript
from export.weights import default_weights, load_weights, number_of_classes, pretrained, read_checkpoint

logger = logging.getLogger(__name__)

IMAGENET = "IMAGENET1K"
_VERSIONS = ("torch", "torchvision", "onnx", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    `weights` is the name of pretrained weights or a checkpoint file, None for the model's default; `layer` None for
    the last; `resize` and `crop`, in pixels, override what the weights were trained with.
    """

    model: str = "resnet50"
    weights: str | None = None
    labels: Path | None = None
    layer: str | None = None
    photos: Path | None = None
    out: Path | None = None
    resize: int | None = None
    crop: int | None = None

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint file, if the weights are one."""
        if self.weights is None or (self.weights.startswith(IMAGENET) and not Path(self.weights).exists()):
            return None
        return Path(self.weights)

    @property
    def directory(self) -> Path:
        """Where the artefact goes."""
        return self.out or Path("artifacts") / (self.checkpoint.stem if self.checkpoint else self.model)


def export_model(options: ExportOptions, progress: Callable[[str], None] = logger.info) -> Path:
    """Export a model into `options.directory`, replacing the artefact that is there, and return it.

    `progress` is told each step in a few words.

    Raises:
        WeightsError: if the weights cannot be had or do not fit.
        LabelsError: if the names of the classes do not fit.
        ExportError: if an artefact differs from the eager model, or cannot be written.
    """
    architecture = ARCHITECTURES[options.model]
    layer = options.layer or architecture.layers[-1]
    if layer not in architecture.layers:
        raise ExportError(f"{options.model} has no layer {layer!r}: choose {', '.join(architecture.layers)}")
    photos = find_photos(options.photos)
    steps = _preprocessing(options, architecture)
    with staged(options.directory) as stage:
        progress(f"reading the weights of {options.model}")
        eager, weights, labels = _eager_model(options, architecture)
        split = SplitClassifier(*architecture.split(eager, layer)).eval()
        progress("tracing into TorchScript")
        to_torchscript(split, steps.crop, stage / TORCHSCRIPT)
        progress("exporting to ONNX")
        to_onnx(split, steps.crop, stage / ONNX)
        progress(f"comparing both with the eager model, on random input and {len(photos)} photos")
        parity = measure(stage, eager, split, steps, photos)
        channels, *map_size = activation_shape(split, steps.crop)
        manifest = Manifest(
            model=options.model,
            weights=weights,
            target_layer=layer,
            channels=channels,
            map_size=(map_size[0], map_size[1]),
            linear_head=layer == architecture.layers[-1],
            labels=labels,
            preprocessing=steps,
            parity=parity,
            versions={name: version(name) for name in _VERSIONS},
            files={name: sha256(stage / name) for name in (TORCHSCRIPT, ONNX)},
        )
        (stage / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    progress(f"wrote {options.directory}")
    return options.directory


def _eager_model(options: ExportOptions, architecture: Architecture) -> tuple[nn.Module, str, tuple[str, ...]]:
    """The model with its weights, what the manifest calls those, and the names of its classes."""
    if options.checkpoint:
        source = str(options.checkpoint)
        weights, state = options.checkpoint.name, read_checkpoint(options.checkpoint)
    else:
        weights = options.weights or default_weights(options.model)
        source, state = f"{options.model} {weights}", pretrained(options.model, weights)
    classes = number_of_classes(state, architecture.classifier, options.model, source)
    labels = _labels(options, classes)
    model = architecture.build(classes)
    load_weights(model, state, options.model, source)
    return model.eval(), weights, labels


def _labels(options: ExportOptions, classes: int) -> tuple[str, ...]:
    if options.labels is not None:
        return read_labels(options.labels, classes)
    if options.checkpoint:
        return tuple(f"class {index}" for index in range(classes))
    return imagenet_labels()


def _preprocessing(options: ExportOptions, architecture: Architecture) -> Preprocessing:
    steps = architecture.preprocessing(None if options.checkpoint else options.weights)
    if options.crop and options.model not in RESNETS:
        raise ExportError(f"{options.model} takes {steps.crop} pixels only: leave out --crop")
    steps = replace(steps, crop=options.crop or steps.crop, resize=options.resize or steps.resize)
    if steps.resize < steps.crop:
        steps = replace(steps, resize=steps.crop)
    return steps
