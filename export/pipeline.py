"""The steps of an export, from a model to its artefact directory."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from camcore.model.manifest import InputLayout, Preprocessing
from export.artifact import ArtifactWriter, Progress
from export.errors import ExportError, LabelsError
from export.labels import labels_for
from export.layers import Cut, LayeredModel
from export.models import IMAGENET_STEPS, LoadedModel, ModelSource, checkpoint_of, find_source
from export.onnx_models.onnx_file import OnnxFile
from export.onnx_models.onnx_graph import OnnxGraph
from export.parity import find_photos
from export.preprocessing import PreprocessingOptions, describe
from export.publish import staged
from export.traced import ClassifierGraph

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportOptions:
    """The options of an export.

    Attributes:
        model: what `find_source` accepts.
        weights: name of pretrained weights, or a checkpoint file; None for the default of the model.
        labels: text file of class names; None for those of the model, or for numbers.
        layers: names of layers, the target layer first; none for the last feature map.
        photos: folder of photos for calibration and checks; None for the sample photos of gradio.
        out: artefact directory; None for `artifacts/` and the name of the model or checkpoint.
        multi_label: whether several classes may be right at once.
        input_layout: order of the axes of the model's input.
    """

    model: str = "resnet50"
    weights: str | None = None
    labels: Path | None = None
    layers: tuple[str, ...] = ()
    photos: Path | None = None
    out: Path | None = None
    preprocessing: PreprocessingOptions = field(default_factory=PreprocessingOptions)
    multi_label: bool = False
    input_layout: InputLayout = "NCHW"
    int8: bool = True


def export_artifact(options: ExportOptions, progress: Progress = logger.info) -> Path:
    """Export a model that is named into `options.out`, replacing an existing artefact, and return that directory.

    `progress` is called with a short description of each step.

    Raises:
        WeightsError: if the weights are unavailable or do not fit the model.
        LabelsError: if the class names do not fit the model.
        ExportError: if an option does not fit the model, or an artefact cannot be written or differs from the model.
    """
    source = find_source(options.model, options.weights)
    steps = _preprocessing(options, source)
    photos = find_photos(options.photos)
    checkpoint = checkpoint_of(options.weights)
    out = options.out or Path("artifacts") / (checkpoint.stem if checkpoint else source.folder)
    with staged(out) as stage:
        progress(f"reading the weights of {source.name}")
        loaded = source.load()
        if loaded.note:
            progress(f"{options.weights or loaded.weights}: {loaded.note}")
        progress(describe(steps, source.origin, options.preprocessing))
        progress("finding the layers in the graph")
        model = _layered(loaded.module, steps.size, options.input_layout)
        multi_label = options.multi_label or loaded.multi_label
        writer = ArtifactWriter(model, steps, options.layers, progress, multi_label=multi_label)
        labels = _labels(options.labels, loaded, model.classes, progress)
        writer.write(stage, source.name, loaded.weights, labels, photos, int8=options.int8)
    progress(f"wrote {out}")
    return out


def export_model(
    module: nn.Module,
    out: Path | str,
    *,
    target_layer: str | Sequence[str] = (),
    preprocessing: Preprocessing = IMAGENET_STEPS,
    labels: Sequence[str] | Path | None = None,
    name: str | None = None,
    weights: str = "from Python",
    multi_label: bool = False,
    input_layout: InputLayout = "NCHW",
    photos: Path | None = None,
    int8: bool = True,
    progress: Progress = logger.info,
) -> Path:
    """Export a torch module with its weights into the directory `out`, and return that directory.

    `target_layer` is the name of a layer, or of several, of which the first is the target layer; by default it is the
    last feature map. `labels` are the names of the classes, or a text file of them. The other arguments, and the
    errors, are those of `ExportOptions` and `export_artifact`. The module is put into evaluation mode.
    """
    layers, out = (target_layer,) if isinstance(target_layer, str) else tuple(target_layer), Path(out)
    images = find_photos(photos)
    with staged(out) as stage:
        progress("finding the layers in the graph")
        model = ClassifierGraph(module.cpu().float().eval(), preprocessing.size, input_layout)
        writer = ArtifactWriter(model, preprocessing, layers, progress, multi_label=multi_label)
        names = labels_for(labels, model.classes)
        writer.write(stage, name or type(module).__name__, weights, names, images, int8=int8)
    return out


def list_layers(options: ExportOptions) -> tuple[list[Cut], Cut]:
    """Return the layers at which a model can be explained, in the order of the graph, and the default one.

    Raise the errors of `export_artifact`.
    """
    source = find_source(options.model, options.weights)
    model = _layered(source.load().module, _preprocessing(options, source).size, options.input_layout)
    return model.cuts, model.default


def _labels(file: Path | None, loaded: LoadedModel, classes: int, progress: Progress) -> tuple[str, ...]:
    """Return the names of the classes, those in the metadata of an ONNX file only if they fit its scores."""
    try:
        return labels_for(file or loaded.labels, classes)
    except LabelsError:
        if file is not None or not isinstance(loaded.module, OnnxFile):
            raise
    progress(f"{loaded.weights}: the class names in its metadata do not fit its scores, and are not used")
    return labels_for(None, classes)


def _preprocessing(options: ExportOptions, source: ModelSource) -> Preprocessing:
    if not source.has_size and options.preprocessing.size is None:
        raise ExportError(
            f"{options.model} takes photos of several sizes: give the size of those of its training with --size"
        )
    return options.preprocessing.apply(source.preprocessing)


def _layered(module: nn.Module, size: tuple[int, int], input_layout: InputLayout) -> LayeredModel:
    """Return a model as one that can be split at its layers."""
    if isinstance(module, OnnxFile):
        return OnnxGraph(module, size, input_layout)
    return ClassifierGraph(module, size, input_layout)
