"""The engine of a study on the computers of a Ray cluster, or in processes of this one."""

import os
import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from camcore.errors import StudyError
from camcore.explainer import Explainer
from camcore.model.manifest import MANIFEST, Manifest, verify
from camcore.study.local_engine import LocalEngine
from camcore.study.photo_study import StudyResult, StudyTask
from camcore.study.ray_cluster import check_versions, connect, divide_cores
from camcore.study.settings import Level, StudySettings
from camcore.types import Device

if TYPE_CHECKING:
    import pyarrow as pa

# Photos that are sent to a worker together, and studied again if its computer is lost.
_BLOCK: dict[Level, int] = {"screen": 32, "full": 4}
_INSTALL = "pip install 'ray[data]'"


class RayEngine:
    """Studies photos with Ray Data, whose workers have a copy of the model each; see `Engine`.

    Use it in a `with` block. It uses the cluster at the address in the environment variable RAY_ADDRESS, and else
    starts Ray on this computer. `directory` is the artefact, which need not exist on the other computers. `threads` is
    the number of cores of a worker, by default those of the smallest computer, at most `MAX_THREADS`; with the device
    "cuda", it has a GPU of its own too. Photos that are not at addresses must have the same path on all computers.
    Scheduling, repetition after failures and flow control are Ray's. Raise ArtifactError if the artefact is damaged,
    and StudyError if Ray is not installed, no cluster answers, or a computer has other versions of the packages.
    """

    def __init__(self, directory: Path, manifest: Manifest, threads: int | None = None, device: Device = "cpu"):
        if find_spec("ray") is None:
            raise StudyError(f"--engine ray needs the package ray: {_INSTALL}")
        verify(directory, manifest)  # here, where it is one sentence: the workers' errors end the study
        self._directory, self._manifest, self._threads, self._device = directory, manifest, threads, device

    def __enter__(self) -> Self:
        """Connect, and copy the model into Ray's object store."""
        import ray

        with ExitStack() as stack:
            stack.callback(ray.shutdown)
            connect()
            self._threads, self._workers = divide_cores(self._threads, self._device)
            check_versions()
            names = [MANIFEST, *self._manifest.files]
            self._files = ray.put({name: (self._directory / name).read_bytes() for name in names})
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the work; a cluster goes on, without it."""
        import ray

        ray.shutdown()

    def results(self, tasks: Iterable[StudyTask], settings: StudySettings) -> Iterator[StudyResult]:
        """Yield the results of tasks, in their order. All tasks are read first, into Ray's object store."""
        import pyarrow as pa
        import ray
        from ray import data

        context = data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        remaining = map(pickle.dumps, tasks)
        blocks: list[ray.ObjectRef[Any]] = []
        while block := list(islice(remaining, _BLOCK[settings.level])):
            blocks.append(ray.put(pa.table({"task": pa.array(block, pa.large_binary())})))
        if not blocks:
            return
        compute = data.ActorPoolStrategy(
            min_size=1,
            max_size=self._workers,
            initial_size=self._workers,
            max_concurrent_calls_per_actor=2,
            enable_true_multi_threading=True,
        )
        on_gpu = self._device == "cuda"
        results = data.from_arrow_refs(blocks).map_batches(
            _Worker,
            fn_constructor_args=(Path.cwd(), self._directory, self._files, self._threads, settings),
            fn_constructor_kwargs={"device": self._device},
            batch_size=_BLOCK[settings.level] if on_gpu else None,  # with GPUs, Ray Data needs a number
            batch_format="pyarrow",
            compute=compute,
            num_cpus=self._threads,
            num_gpus=1 if on_gpu else None,
        )
        try:
            for table in results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
                for value in table["result"]:
                    yield pickle.loads(value.as_py())
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise StudyError(f"Ray has stopped ({reason[:300]}): run the same command again to continue") from error


class _Worker:
    """A worker, which keeps the model; it studies two blocks of photos at once, so that it never waits for the next."""

    def __init__(
        self, folder: Path, directory: Path, files: Any, threads: int, settings: StudySettings, *, device: Device
    ):
        import ray

        self._settings, self._copy = settings, TemporaryDirectory(prefix="camcore-")
        content: Mapping[str, bytes] = ray.get(files)
        with suppress(OSError):
            os.chdir(folder)  # paths may be relative to it
        if not _has_manifest(directory, content[MANIFEST]):  # on another computer
            directory = Path(self._copy.name)
            for name, data in content.items():
                (directory / name).write_bytes(data)
        self._engine = LocalEngine(Explainer.load(directory, threads, device)).__enter__()

    def __call__(self, block: "pa.Table") -> "pa.Table":
        """Return the results of a block of tasks."""
        import pyarrow as pa

        tasks = [pickle.loads(value.as_py()) for value in block["task"]]
        results = [pickle.dumps(result) for result in self._engine.results(tasks, self._settings)]
        return pa.table({"result": pa.array(results, pa.large_binary())})


def _has_manifest(directory: Path, manifest: bytes) -> bool:
    with suppress(OSError):
        return (directory / MANIFEST).read_bytes() == manifest
    return False
