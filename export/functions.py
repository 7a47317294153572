"""Models of a user's own: a function without arguments, in a file or in a package, that returns a torch module."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from torch import nn

from export.checkpoint_files import read_checkpoint
from export.checkpoints import select_weights
from export.errors import ExportError, describe_error
from export.models import IMAGENET_STEPS, LoadedModel, ModelSource, checkpoint_of
from export.weights import load_weights

_EXAMPLE = "write `def build(): return MyModel()` and name it FILE.py:build"


def function_source(model: str, weights: str | None) -> ModelSource:
    """Return the source of `FILE.py:FUNCTION` or `package.module:function`; the code runs only when it is loaded."""
    place, _, name = model.rpartition(":")
    title = f"{Path(place).name}:{name}" if place.endswith(".py") else model
    load = partial(_load, model, weights, title)
    return ModelSource(title, IMAGENET_STEPS, "assumed: what most models trained on ImageNet expect", load, name)


def _load(model: str, weights: str | None, title: str) -> LoadedModel:
    place, _, name = model.rpartition(":")
    with _search_path(Path(place).parent if place.endswith(".py") else Path.cwd()):
        function = _find_function(_import(place, model), name, model)
        try:
            module = function()
            if isinstance(module, nn.Module):
                module = module.cpu().float().eval()
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            raise ExportError(f"{model} fails with {describe_error(error)}: mend the function") from error
    if not isinstance(module, nn.Module):
        raise ExportError(f"{model} returns {_article(type(module).__name__)}, not a torch.nn.Module: {_EXAMPLE}")
    if weights is None:
        return LoadedModel(module, "from the function")
    checkpoint = read_checkpoint(checkpoint_of(weights) or Path(weights))
    selected = select_weights(checkpoint, module, any_classes=False)
    load_weights(module, selected, title)
    return LoadedModel(module, selected.name, note=selected.note)


@contextmanager
def _search_path(folder: Path) -> Iterator[None]:
    """Let the user's code import what lies in a folder, as a script there could."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        with suppress(ValueError):  # the user's code may have removed it
            sys.path.remove(entry)


def _import(place: str, model: str) -> ModuleType:
    """Return the module of a file or of a package."""
    path = Path(place)
    is_file = place.endswith(".py")
    if is_file and not path.is_file():
        raise ExportError(f"there is no file {path}, which --model {model} names: {_EXAMPLE}")
    try:
        return _run_file(path) if is_file else importlib.import_module(place)
    except ModuleNotFoundError as error:
        missing = f"there is no module {error.name!r}"
        raise ExportError(f"{place} cannot be imported ({missing}): install it, or correct the name") from error
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        problem = f"{place} cannot be imported, it fails with {describe_error(error)}"
        raise ExportError(f"{problem}: mend the file") from error


def _run_file(path: Path) -> ModuleType:
    """Return the module of a file, under a name that no other module has."""
    spec = importlib.util.spec_from_file_location(f"export_model_{path.stem}", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses of the file look it up
    spec.loader.exec_module(module)
    return module


def _find_function(module: ModuleType, name: str, model: str) -> Callable[[], Any]:
    function = getattr(module, name, None)
    if not callable(function):
        functions = [name for name, value in vars(module).items() if inspect.isfunction(value) and name[0] != "_"]
        there = f"it has {', '.join(functions[:5])}" if functions else "it has no function"
        raise ExportError(f"{model} names no function ({there}): {_EXAMPLE}")
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a function that is not written in Python has none
        return cast("Callable[[], Any]", function)
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in optional]
    if needed:
        remedy = "give them default values, or name a function that needs none"
        raise ExportError(f"{model} needs arguments ({', '.join(needed)}): {remedy}")
    return cast("Callable[[], Any]", function)


def _article(name: str) -> str:
    return "None" if name == "NoneType" else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
