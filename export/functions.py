"""Models of a user's own: a function without arguments, in a file or in a package, that returns a torch module."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from torch import nn

from export.errors import ExportError
from export.models import IMAGENET_STEPS, LoadedModel, ModelSource, checkpoint_of
from export.weights import load_weights, read_checkpoint

_EXAMPLE = "write `def build(): return MyModel()` and name it FILE.py:build"


def function_source(model: str, weights: str | None) -> ModelSource:
    """Return the source of `FILE.py:FUNCTION` or `package.module:function`; the code runs only when it is loaded."""
    place, _, name = model.rpartition(":")
    title = f"{Path(place).name}:{name}" if place.endswith(".py") else model
    load = partial(_load, model, weights, title)
    return ModelSource(title, IMAGENET_STEPS, "assumed: what most models trained on ImageNet expect", load, name)


def _load(model: str, weights: str | None, title: str) -> LoadedModel:
    place, _, name = model.rpartition(":")
    function = _find_function(_import(place, model), name, model)
    try:
        module = function()
    except Exception as error:  # the user's code may raise anything
        raise ExportError(f"{model} fails with {_describe(error)}: mend the function") from error
    if not isinstance(module, nn.Module):
        raise ExportError(f"{model} returns {_article(type(module).__name__)}, not a torch.nn.Module: {_EXAMPLE}")
    module = module.cpu().float().eval()
    if weights is None:
        return LoadedModel(module, "from the function")
    found = read_checkpoint(checkpoint_of(weights) or Path(weights))
    load_weights(module, found, title)
    return LoadedModel(module, found.name)


def _import(place: str, model: str) -> ModuleType:
    """Return the module of a file or of a package; files beside the file can be imported from it."""
    path = Path(place)
    is_file = place.endswith(".py")
    if is_file and not path.is_file():
        raise ExportError(f"there is no file {path}, which --model {model} names: {_EXAMPLE}")
    sys.path.insert(0, str(path.parent.resolve() if is_file else Path.cwd()))
    try:
        if not is_file:
            return importlib.import_module(place)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None  # noqa: PT018
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # dataclasses of the file look it up
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        missing = f"there is no module {error.name!r}"
        raise ExportError(f"{place} cannot be imported ({missing}): install it, or correct the name") from error
    except Exception as error:  # the user's code may raise anything
        raise ExportError(f"{place} cannot be imported, it fails with {_describe(error)}: mend the file") from error
    finally:
        sys.path.pop(0)
    return module


def _find_function(module: ModuleType, name: str, model: str) -> Callable[[], Any]:
    function = getattr(module, name, None)
    if not callable(function):
        functions = [name for name, value in vars(module).items() if inspect.isfunction(value) and name[0] != "_"]
        there = f"it has {', '.join(functions[:5])}" if functions else "it has no function"
        raise ExportError(f"{model} names no function ({there}): {_EXAMPLE}")
    parameters = inspect.signature(function).parameters.values()
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in optional]
    if needed:
        remedy = "give them default values, or name a function that needs none"
        raise ExportError(f"{model} needs arguments ({', '.join(needed)}): {remedy}")
    return cast("Callable[[], Any]", function)


def _describe(error: Exception) -> str:
    """Return the kind, the text and the place of an error in one line."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/torch/" not in frame.filename]
    text = " ".join(str(error).split())[:200]
    place = f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{f' ({text})' if text else ''}{place}"


def _article(name: str) -> str:
    return "None" if name == "NoneType" else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
