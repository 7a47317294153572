"""Which models the page offers, and which it opens with: one that is there, else a fresh export, else the one that
needs no network.
"""

import ctypes
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

from camcore.errors import ArtifactError
from camcore.explainer import Explainer
from camcore.model.manifest import MANIFEST, PREFERRED, Manifest, find_artifact, list_artifacts, read_manifest
from demo.service import messages
from demo.service.queue import DEFAULT_TIMEOUT, ModelQueue

DEFAULT, EMBEDDED = PREFERRED


class Models:
    """The exported models of a folder by name, each loaded when it is first asked for; the `first` is open already.

    A `directory` that was named as one artefact has no neighbours. `notice` is what a reader should be told of the
    choice of the first, or None. Whoever runs one of them takes a turn in the `line`.
    """

    def __init__(
        self,
        explainer: Explainer,
        directory: Path,
        notice: str | None = None,
        alone: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ):
        directory = directory.resolve()
        self.queue = ModelQueue(timeout)
        self.first = directory.name
        self.notice = notice
        self._loaded = {directory.name: explainer}
        self._lock = Lock()
        neighbours = () if alone else directory.parent.glob(f"[!.]*/{MANIFEST}")
        self._directories = {directory.name: directory} | {path.parent.name: path.parent for path in neighbours}

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """Of every model whose manifest can be read, the first one first."""
        found = {self.first: self._loaded[self.first].manifest}
        for name in sorted(self._directories.keys() - {self.first}):
            try:
                found[name] = read_manifest(self._directories[name])
            except ArtifactError:
                continue  # a half-written or foreign neighbour is no model to offer
        return found

    def explainer(self, name: str | None = None) -> Explainer:
        """The model of that name, or the first.

        Raises:
            ArtifactError: if there is none of that name, or it is damaged.
        """
        name = name or self.first
        if name not in self._directories:
            raise ArtifactError(f"there is no model {name!r} here: choose {' or '.join(self.manifests)}")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = Explainer.load(self._directories[name])
            return self._loaded[name]


def load_models(
    root: Path | None, model: str | None, say: Callable[[str], None], timeout: float = DEFAULT_TIMEOUT
) -> Models:
    """Open the model that is there; export it if there is none; use the embedded one if its weights cannot be had.

    `say` is told, while it is happening, what takes long. `patience` is how many seconds a request may take.

    Raises:
        ArtifactError: if the directory is foreign, or its model damaged.
        CamError: if nothing can be exported.
    """
    folder = Path(root or os.environ.get("CAMCORE_ARTIFACTS") or "artifacts")
    names = list_artifacts(folder)
    if _is_empty(folder) or (names and model not in (None, *names)):
        models = _export(folder, model or DEFAULT, say, timeout)
        _give_back_memory()
        return models
    directory = find_artifact(folder, model)
    explainer = Explainer.load(directory)
    alone = (folder / MANIFEST).is_file()
    return Models(explainer, directory, _notice(explainer, asked=bool(root or model)), alone, timeout)


def _export(folder: Path, model: str, say: Callable[[str], None], timeout: float) -> Models:
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
        notice = messages.fallback(str(error), EMBEDDED)
        directory = folder / EMBEDDED
        if EMBEDDED not in list_artifacts(folder):
            export_model(ExportOptions(model=EMBEDDED, out=directory), progress=say)
        return Models(Explainer.load(directory), directory, notice, timeout=timeout)
    return Models(Explainer.load(directory), directory, timeout=timeout)


def _give_back_memory() -> None:
    """Let the system have what an export has freed, which glibc would keep while the page runs."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _is_empty(folder: Path) -> bool:
    return not folder.exists() or (folder.is_dir() and not any(path.name[0] != "." for path in folder.iterdir()))


def _notice(explainer: Explainer, asked: bool) -> str | None:
    name = explainer.manifest.model
    return messages.not_preferred(name) if name == EMBEDDED and not asked else None
