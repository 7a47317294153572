"""The models that `--model` can name: those of torchvision, timm and transformers, ONNX files, and own functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from camcore.model.manifest import Preprocessing
from export.checkpoint_files import read_checkpoint
from export.checkpoints import AUXILIARY, select_weights
from export.errors import ExportError
from export.labels import imagenet_labels, numbered_labels
from export.pretrained import default_weights, is_pretrained, pretrained
from export.weights import Weights, load_weights, number_of_classes

if TYPE_CHECKING:
    from torch import nn

LITE0 = "efficientnet_lite0"
# Torchvision's weights of these two expect an input that the model itself scales to [-1, 1], and so do checkpoints that
# were fine-tuned from them. Their auxiliary classifiers are for training only.
_INCEPTIONS = {"transform_input": True, "aux_logits": False, "init_weights": False}
_BUILD_OPTIONS: dict[str, dict[str, bool]] = {"googlenet": _INCEPTIONS, "inception_v3": _INCEPTIONS}
# What most classifiers trained on ImageNet expect, for models that do not say what they expect.
IMAGENET_STEPS = Preprocessing(256, (224, 224), "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@dataclass(frozen=True)
class LoadedModel:
    """A model with its weights, in evaluation mode; `labels` are the names of its classes, None if nobody gave them."""

    module: nn.Module
    weights: str  # name in the manifest
    labels: tuple[str, ...] | None = None
    note: str = ""  # what was taken from a checkpoint file, and what was left out
    multi_label: bool = False  # whether several classes may be right at once


@dataclass(frozen=True)
class ModelSource:
    """A model that can be loaded: its name, how its input is preprocessed, and who says so."""

    name: str
    preprocessing: Preprocessing
    origin: str  # of the preprocessing, for people
    load: Callable[[], LoadedModel]
    folder: str  # name of the artefact directory, unless weights from a file name it
    has_size: bool = True  # whether the size of the input is certain; if not, the user must say it


def find_source(model: str, weights: str | None = None) -> ModelSource:
    """Return the source of a model.

    `model` is a name of torchvision, `timm/NAME`, `hf/ORG/NAME`, a folder that transformers saved, an ONNX file,
    `FILE.py:FUNCTION` or `module:function`; a name of torchvision takes precedence over a folder.

    `weights` is the name of pretrained weights or a checkpoint file; None for the default of the model. Raise
    ExportError if there is no such model.
    """
    if model.startswith("timm/"):
        from export.timm_models import timm_source

        return timm_source(model, weights)
    if model.lower().endswith(".onnx"):
        from export.onnx_models.onnx_file import onnx_source

        return onnx_source(model, weights)
    if model.startswith("hf/") or (Path(model).is_dir() and model not in (LITE0, *torchvision_models())):
        from export.transformers_models import transformers_source

        return transformers_source(model, weights)
    if ":" in model:
        from export.functions import function_source

        return function_source(model, weights)
    return _lite0_source(weights) if model == LITE0 else _torchvision_source(model, weights)


def checkpoint_of(weights: str | None) -> Path | None:
    """Return the checkpoint file that `weights` names, or None for pretrained weights."""
    if weights is None or (is_pretrained(weights) and not Path(weights).is_file()):
        return None
    return Path(weights)


def origin_of(origin: str, weights: str | None) -> str:
    """Return who says how the input is preprocessed; nobody says it of weights from a file."""
    if checkpoint_of(weights) is None:
        return origin
    return f"assumed: that of {origin}; if the training had another mean or deviation, give --mean and --std"


def torchvision_models() -> list[str]:
    """Return the names of torchvision's classifiers."""
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def _torchvision_source(name: str, weights: str | None) -> ModelSource:
    from torchvision.models import get_model, get_model_weights

    names = torchvision_models()
    if name not in names:
        close = ", ".join(get_close_matches(name, [*names, LITE0], n=3)) or "resnet50, efficientnet_v2_s, convnext_tiny"
        ways = "a name of torchvision, timm/NAME, hf/ORG/NAME, a folder, FILE.onnx"
        ways += ", or FILE.py:FUNCTION for a model of your own"
        raise ExportError(f"there is no model {name!r}: choose {ways}; names with a similar spelling: {close}")
    table = get_model_weights(name)
    entry = table[weights] if weights in table.__members__ else table.DEFAULT
    steps = entry.transforms()
    (resize,), (crop,), interpolation = steps.resize_size, steps.crop_size, steps.interpolation.value
    preprocessing = Preprocessing(resize, (crop, crop), interpolation, mean=tuple(steps.mean), std=tuple(steps.std))
    build = partial(get_model, name, weights=None, **_BUILD_OPTIONS.get(name, {}))
    load = partial(load_architecture, name, build, weights)
    return ModelSource(name, preprocessing, origin_of(f"torchvision's {entry.name}", weights), load, name)


def _lite0_source(weights: str | None) -> ModelSource:
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    preprocessing = Preprocessing(resize=256, size=(224, 224), interpolation="bicubic", mean=mean, std=std)

    def build(num_classes: int = 1000) -> nn.Module:
        from efficientnet_lite_pytorch import EfficientNet

        model: nn.Module = EfficientNet.from_name("efficientnet-lite0", num_classes=num_classes)
        return model

    load = partial(load_architecture, LITE0, build, weights)
    return ModelSource(LITE0, preprocessing, origin_of("its authors", weights), load, LITE0)


def load_architecture(name: str, build: Callable[..., nn.Module], weights: str | None) -> LoadedModel:
    """Return an architecture with its weights; `build(num_classes=K)` returns the model without them.

    With a checkpoint file, the number of classes is that of the weights.
    """
    checkpoint = checkpoint_of(weights)
    if checkpoint is None:
        state = _without_auxiliary(pretrained(name, weights or default_weights(name)))
        module, labels = build(), imagenet_labels()
    else:
        untrained = build()
        state = select_weights(read_checkpoint(checkpoint), untrained)
        classes = number_of_classes(state, classifier_weight(untrained), name)
        module, labels = build(num_classes=classes), numbered_labels(classes)
    load_weights(module.eval(), state, name)
    return LoadedModel(module, state.name, labels, state.note)


def _without_auxiliary(weights: Weights) -> Weights:
    state = {key: tensor for key, tensor in weights.state.items() if not AUXILIARY.search(key)}
    return replace(weights, state=state)


def classifier_weight(model: nn.Module) -> str:
    """Return the name of the last weight matrix of a model, whose first axis is the number of classes."""
    return [name for name, parameter in model.named_parameters() if parameter.ndim > 1][-1]
