"""Which model the page uses: one that is there, else a fresh export, else the one that needs no network."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from camcore.artifact import PREFERRED, find_artifact, list_artifacts
from camcore.errors import ArtifactError
from camcore.explain import Explainer
from demo import text

DEFAULT, EMBEDDED = PREFERRED


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to explain, and what a reader should be told of the choice, or None."""

    explainer: Explainer
    notice: str | None


def load_model(root: Path | None, model: str | None, say: Callable[[str], None]) -> LoadedModel:
    """Load the model that is there; export it if there is none; use the embedded one if its weights cannot be had.

    `say` is told, while it is happening, what takes long.

    Raises:
        ArtifactError: if the directory is foreign, or its model damaged.
        CamError: if nothing can be exported.
    """
    folder = Path(root or os.environ.get("CAMCORE_ARTIFACTS") or "artifacts")
    names = list_artifacts(folder)
    if _is_empty(folder) or (names and model not in (None, *names)):
        return _export(folder, model or DEFAULT, say)
    explainer = Explainer.load(find_artifact(folder, model))
    return LoadedModel(explainer, _notice(explainer, asked=bool(root or model)))


def _export(folder: Path, model: str, say: Callable[[str], None]) -> LoadedModel:
    from export.errors import WeightsError
    from export.models import ARCHITECTURES
    from export.pipeline import ExportOptions, export_model

    if model not in ARCHITECTURES:
        raise ArtifactError(f"{folder} has no model {model!r}, and none of that name can be exported")
    say(f"no {model} has been exported yet: exporting it to {folder / model}, once")
    try:
        directory = export_model(ExportOptions(model=model, out=folder / model), progress=say)
    except WeightsError as error:
        if model != DEFAULT:
            raise
        notice = text.fallback(str(error), EMBEDDED)
        directory = folder / EMBEDDED
        if EMBEDDED not in list_artifacts(folder):
            export_model(ExportOptions(model=EMBEDDED, out=directory), progress=say)
        return LoadedModel(Explainer.load(directory), notice)
    return LoadedModel(Explainer.load(directory), None)


def _is_empty(folder: Path) -> bool:
    return not folder.exists() or (folder.is_dir() and not any(path.name[0] != "." for path in folder.iterdir()))


def _notice(explainer: Explainer, asked: bool) -> str | None:
    name = explainer.manifest.model
    return text.not_preferred(name) if name == EMBEDDED and not asked else None
