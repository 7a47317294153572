"""The image classifiers of transformers, an optional package: https://github.com/huggingface/transformers."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from export.checkpoint_files import read_checkpoint
from export.checkpoints import FUNCTION, select_weights
from export.errors import ExportError, WeightsError, shortened
from export.image_processors import PROCESSOR_FILES, processor_steps
from export.models import LoadedModel, ModelSource, checkpoint_of, classifier_weight, origin_of
from export.pretrained import cached_file, hub_download
from export.weights import check_finite, number_of_classes, some

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor, nn

_CONFIG = ("config.json",)
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_SHARDS = {"model.safetensors.index.json": "model-*.safetensors", "pytorch_model.bin.index.json": "pytorch_model-*.bin"}
_SAVE = "name a folder that `save_pretrained` of an image classifier wrote"


def transformers_source(model: str, weights: str | None) -> ModelSource:
    """Return the source of `hf/ORG/NAME`, or of a folder with a config.json.

    Nothing is downloaded for a folder, and for a name of the hub only what its cache lacks. Raise ExportError if
    transformers is not installed or this is no image classifier of its own, WeightsError if it cannot be downloaded.
    """
    transformers = _import_transformers()
    is_folder = not model.startswith("hf/")
    if is_folder and not (Path(model) / "config.json").is_file():
        raise ExportError(f"the folder {model} has no config.json: {_SAVE}")
    name = Path(model).resolve().name if is_folder else model
    with _silence(transformers):
        folder = Path(model) if is_folder else _hub_folder(model, _CONFIG, PROCESSOR_FILES)
        config = _read_config(transformers, model, folder)
        steps, origin = processor_steps(transformers, name, folder, config)
    load = partial(_load, transformers, model, config, weights)
    return ModelSource(name, steps, origin_of(origin, weights), load, name.replace("/", "-"))


def _import_transformers() -> ModuleType:
    try:
        return importlib.import_module("transformers")
    except ImportError:
        remedy = "run `pip install transformers`"
        raise ExportError(f"the models of transformers need the package transformers: {remedy}") from None


@contextmanager
def _silence(transformers: ModuleType) -> Iterator[None]:
    """Keep the messages and progress bars of transformers and of the hub from the terminal."""
    log = transformers.utils.logging
    level, has_bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if has_bars:
            log.enable_progress_bar()


def _hub_folder(model: str, needed: tuple[str, ...], helpful: tuple[str, ...] = ()) -> Path:
    """Return the folder of `hf/ORG/NAME` in the cache of the hub, with one file of `needed` and one of `helpful`.

    Without a network, the one of `helpful` may be missing.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError

    repo = model.removeprefix("hf/")
    try:
        cached = cached_file(repo, needed)
    except HFValidationError as error:
        raise ExportError(f"{model} cannot be a name of the hub: write hf/ORG/NAME") from error
    if not cached or (helpful and not cached_file(repo, helpful)):
        remedy = "connect to the network, or name a folder with its files"
        try:
            with hub_download(model, remedy, constants.ENDPOINT):
                for names in filter(None, (needed, helpful)):
                    for name in names:
                        if not cached_file(repo, names):
                            snapshot_download(repo, allow_patterns=[name, _SHARDS.get(name, name)])
        except WeightsError:
            if not cached:
                raise
    return (cached_file(repo, needed) or Path(repo)).parent


def _read_config(transformers: ModuleType, model: str, folder: Path) -> Any:
    """Return the configuration of an image classifier; raise ExportError if it is damaged or of anything else."""
    try:
        values, _ = transformers.PreTrainedConfig.get_config_dict(folder, local_files_only=True)
        if values.get("auto_map"):
            raise ExportError(f"{model} has code of its own, which is not run: {FUNCTION}")  # noqa: TRY301
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except ExportError:
        raise
    except Exception as error:  # the kind of error depends on the damage
        raise ExportError(f"the config.json of {model} cannot be read ({shortened(error)}): {_SAVE}") from error
    config.architectures = config.architectures or []  # transformers itself fails without
    if config.model_type == "timm_wrapper":
        raise ExportError(f"{model} is a model of timm: name it with --model timm/NAME")
    if type(config) not in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        raise ExportError(
            f"{model} is no image classifier, but {', '.join(config.architectures) or config.model_type}: {_SAVE}"
        )
    if config.problem_type == "regression":
        raise ExportError(f"{model} was trained for regression, and returns no score of a class: {_SAVE}")
    return config


def _load(transformers: ModuleType, model: str, config: Any, weights: str | None) -> LoadedModel:
    checkpoint, auto = checkpoint_of(weights), transformers.AutoModelForImageClassification
    if checkpoint is None and weights is not None:
        raise WeightsError(f"{model} has no weights {weights}: leave out --weights, or give a file")
    is_multi_label = config.problem_type == "multi_label_classification"
    with _silence(transformers):
        if checkpoint is None:
            folder = _hub_folder(model, _WEIGHTS) if model.startswith("hf/") else Path(model)
            if not any((folder / name).is_file() for name in _WEIGHTS):
                raise WeightsError(f"{model} has no weights of torch ({' or '.join(_WEIGHTS[::2])}): {_SAVE}")
            read = partial(auto.from_pretrained, folder, config=config, local_files_only=True, trust_remote_code=False)
            module, unknown = _trained(read, model)
            note = f"left out: {some(unknown)}" if unknown else ""
            return LoadedModel(_with_logits(module), "transformers", _labels(config), note, is_multi_label)
        untrained = auto.from_config(config)
        selected = select_weights(read_checkpoint(checkpoint), untrained)
        config = deepcopy(config)
        config.num_labels = number_of_classes(selected, classifier_weight(untrained), model)
        # transformers' own loader knows the names of earlier versions
        read = partial(type(untrained).from_pretrained, None, config=config, state_dict=dict(selected.state))
        module, unknown = _trained(read, selected.source)
        if unknown:
            problem = f"it has unknown {some(unknown)}"
            raise WeightsError(f"{selected.source} is not a checkpoint of {model} ({problem}): {selected.remedy}")
    return LoadedModel(_with_logits(module), selected.name, None, selected.note, is_multi_label)


def _trained(read: Callable[..., tuple[nn.Module, dict[str, Any]]], source: str) -> tuple[nn.Module, list[str]]:
    """Return a model in evaluation mode, and the names of the weights that it does not have.

    Raise WeightsError if weights cannot be read, are missing, of another shape or not finite: transformers would
    replace them by random ones.
    """
    import torch

    try:
        module, report = read(
            dtype=torch.float32, attn_implementation="eager", output_loading_info=True, ignore_mismatched_sizes=True
        )
    except Exception as error:  # the kind of error depends on the damage
        raise WeightsError(
            f"the weights of {source} cannot be read ({shortened(error)}): save them again with `save_pretrained`"
        ) from error
    missing = sorted(key for key in report["missing_keys"] if not key.endswith("num_batches_tracked"))
    reshaped = sorted(key for key, *_ in report["mismatched_keys"])
    keys_by_problem = {"they lack": missing, "other shapes for": reshaped}
    problems = "; ".join(f"{problem} {some(keys)}" for problem, keys in keys_by_problem.items() if keys)
    if problems:
        raise WeightsError(f"the weights of {source} do not fit its classifier ({problems}): {_SAVE}")
    check_finite(module, source)
    return module.eval(), sorted(report["unexpected_keys"])


def _with_logits(module: nn.Module) -> nn.Module:
    """Return the module, which now takes x (N, 3, H, W) alone and returns its logits (N, K).

    Its class is replaced by a subclass, because a wrapper would put a prefix before the names of its layers.
    """
    kind, side = type(module), getattr(module.config, "image_size", None)
    size = (side, side) if isinstance(side, int) else tuple(side or ())
    can_interpolate = "interpolate_pos_encoding" in inspect.signature(kind.forward).parameters

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        is_resized = can_interpolate and tuple(x.shape[2:]) != size
        options = {"interpolate_pos_encoding": True} if is_resized else {}
        return cast("Tensor", kind.forward(self, x, **options).logits)

    module.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    return module


def _labels(config: Any) -> tuple[str, ...] | None:
    """Return the names of the classes, None if they are the numbers that transformers gives to classes without."""
    names = {int(index): str(name) for index, name in config.id2label.items()}
    if all(name == f"LABEL_{index}" for index, name in names.items()):
        return None
    return tuple(names[index] for index in sorted(names))
