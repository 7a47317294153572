"""The models of timm, an optional package: https://github.com/huggingface/pytorch-image-models."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from camcore.model.manifest import Interpolation, Preprocessing, ResizeMode
from export.checkpoint_files import read_checkpoint
from export.checkpoints import select_weights
from export.errors import ExportError, WeightsError
from export.labels import imagenet_labels, numbered_labels
from export.models import LoadedModel, ModelSource, checkpoint_of, classifier_weight, origin_of
from export.pretrained import cached_file, hub_download
from export.weights import load_weights, number_of_classes

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn

_HUB = "https://huggingface.co"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_RESIZE_MODES: dict[str, ResizeMode] = {"center": "crop", "squash": "squash", "border": "pad"}
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


def timm_source(model: str, weights: str | None) -> ModelSource:
    """Return the source of `timm/NAME`; raise ExportError if timm is not installed or has no such model."""
    timm, name = _import_timm(), model.removeprefix("timm/")
    if not timm.is_model(name.partition(".")[0]):
        close = ", ".join(f"timm/{other}" for other in get_close_matches(name, timm.list_models(), n=3))
        remedy = f"similar names are {close}" if close else "`timm.list_models()` prints all names"
        raise ExportError(f"timm has no model {name!r}: {remedy}")
    config = timm.get_pretrained_cfg(name)
    steps = timm.data.resolve_data_config({}, pretrained_cfg=config.to_dict() if config else {})
    load = partial(_load_timm, timm, name, weights)
    return ModelSource(
        model, _preprocessing(steps), origin_of("timm's configuration", weights), load, model.replace("/", "-")
    )


def _import_timm() -> ModuleType:
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise ExportError("the models of timm need the package timm: run `pip install timm`") from None


def _preprocessing(steps: dict[str, Any]) -> Preprocessing:
    _, height, width = steps["input_size"]
    interpolation = steps["interpolation"] if steps["interpolation"] in _INTERPOLATIONS else "bicubic"
    mode = _RESIZE_MODES.get(steps.get("crop_mode") or "center", "crop")
    resize = int(min(height, width) / steps["crop_pct"])
    mean, std = tuple(steps["mean"]), tuple(steps["std"])
    return Preprocessing(resize, (height, width), cast(Interpolation, interpolation), mean, std, mode)


def _load_timm(timm: ModuleType, name: str, weights: str | None) -> LoadedModel:
    checkpoint = checkpoint_of(weights)
    if checkpoint is None:
        if weights is not None:
            raise WeightsError(f"timm/{name} has no weights {weights}: leave out --weights, or give a file")
        module = _load_pretrained(timm, name)
        classes = cast(int, module.num_classes)
        return LoadedModel(module, "timm", imagenet_labels() if classes == 1000 else numbered_labels(classes))
    untrained = timm.create_model(name, pretrained=False)
    state = select_weights(read_checkpoint(checkpoint), untrained)
    classes = number_of_classes(state, classifier_weight(untrained), name)
    module = timm.create_model(name, pretrained=False, num_classes=classes).eval()
    load_weights(module, state, f"timm/{name}")
    return LoadedModel(module, state.name, numbered_labels(classes), state.note)


def _load_pretrained(timm: ModuleType, name: str) -> nn.Module:
    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.url or config.hf_hub_id):
        raise WeightsError(f"timm has no pretrained weights of {name}: give a checkpoint with --weights")
    cached = config.hf_hub_id and cached_file(config.hf_hub_id, _WEIGHTS)
    content, remedy = f"the weights of timm/{name}", "connect to the network, or give a checkpoint with --weights"
    with hub_download(content, remedy, None if cached else config.url or _HUB):
        module: nn.Module = timm.create_model(name, pretrained=True)
    return module.eval()
