"""The models that the page offers, and the choice of the first.

The first is an exported model, else a new export, else the embedded model, whose weights need no network.
"""

import ctypes
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

from camcore.errors import ArtifactError
from camcore.explainer import Explainer
from camcore.model.artifact_folders import PREFERRED, find_artifact, list_artifacts
from camcore.model.manifest import MANIFEST, Manifest, read_manifest
from demo.service.messages import sentence
from demo.service.photos import Photos
from demo.service.queue import DEFAULT_TIMEOUT, ModelQueue

DEFAULT, EMBEDDED = PREFERRED


class Models:
    """The exported models of a folder by name, each loaded when it is first used.

    `first` is the name of the model that the page opens with; it is `explainer`, loaded already from `directory`. The
    other models are in the folders beside `directory`, unless `alone` is true. `notice` explains the choice of the
    first model to visitors, or is None. Running a model requires the `queue`; `photos` decodes what it is shown.
    """

    def __init__(
        self, explainer: Explainer, directory: Path, notice: str | None = None, alone: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ):  # fmt: skip
        directory = directory.resolve()
        self.queue, self.photos = ModelQueue(timeout), Photos()
        self.first = directory.name
        self.notice = notice
        self._loaded = {directory.name: explainer}
        self._lock = Lock()
        neighbours = () if alone else directory.parent.glob(f"[!.]*/{MANIFEST}")
        self._directories = {directory.name: directory} | {path.parent.name: path.parent for path in neighbours}

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """Return the manifest of each model, by name, the first model's first; one that cannot be read is left out."""
        manifests = {self.first: self._loaded[self.first].manifest}
        for name in sorted(self._directories.keys() - {self.first}):
            with suppress(ArtifactError):  # a half-written or foreign folder is not a model to offer
                manifests[name] = read_manifest(self._directories[name])
        return manifests

    def explainer(self, name: str | None = None) -> Explainer:
        """Return the model of this name, by default the first; raise ArtifactError if it is missing or damaged."""
        name = name or self.first
        if name not in self._directories:
            raise ArtifactError(f"there is no model {name!r} here: choose {' or '.join(self.manifests)}")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = Explainer.load(self._directories[name])
            return self._loaded[name]


def load_models(
    root: Path | None, model: str | None, report_progress: Callable[[str], None], timeout: float = DEFAULT_TIMEOUT
) -> Models:
    """Load an exported model; export one if there is none; use the embedded one if the weights cannot be downloaded.

    `report_progress` is called with one sentence before each long step. A request may take `timeout` seconds. Raises
    ArtifactError if the directory is foreign or its model damaged, another CamError if nothing can be exported.
    """
    folder = Path(root or os.environ.get("CAMCORE_ARTIFACTS") or "artifacts")
    names = list_artifacts(folder)
    is_empty = not folder.exists() or (folder.is_dir() and all(path.name[0] == "." for path in folder.iterdir()))
    if is_empty or (names and model not in (None, *names)):
        models = _export(folder, model or DEFAULT, report_progress, timeout)
        with suppress(OSError, AttributeError):  # glibc would keep the memory of the export while the page runs
            ctypes.CDLL(None).malloc_trim(0)
        return models
    directory = find_artifact(folder, model)
    explainer = Explainer.load(directory)
    notice = None
    if explainer.manifest.model == EMBEDDED and not (root or model):
        notice = (
            f"This page uses {EMBEDDED}, the model that was exported here. For ResNet-50, run `python -m export` with "
            "a network, and start the demo again."
        )
    return Models(explainer, directory, notice, (folder / MANIFEST).is_file(), timeout)


def _export(folder: Path, model: str, report_progress: Callable[[str], None], timeout: float) -> Models:
    from export.errors import ExportError, WeightsError
    from export.models import find_source
    from export.pipeline import ExportOptions, export_artifact

    try:
        source = find_source(model)
    except ExportError as error:
        raise ArtifactError(f"{folder} has no model {model!r}, and it cannot be exported: {error}") from error
    directory = folder / source.folder
    report_progress(f"no {model} has been exported yet: exporting it to {directory}, once")
    notice = None
    try:
        export_artifact(ExportOptions(model=model, out=directory), progress=report_progress)
    except WeightsError as error:
        if model != DEFAULT:
            raise
        notice = (
            f"{sentence(error).removesuffix('.')}; until then this page uses {EMBEDDED}. "
            "For ResNet-50 later, run `python -m export` and start the demo again."
        )
        directory = folder / EMBEDDED
        if EMBEDDED not in list_artifacts(folder):
            export_artifact(ExportOptions(model=EMBEDDED, out=directory), progress=report_progress)
    return Models(Explainer.load(directory), directory, notice, timeout=timeout)
