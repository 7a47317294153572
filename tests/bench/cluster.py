"""`python -m tests.bench cluster`: Ray beside the local engine, its driver's memory, and a plan computed from that."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from camcore import Explainer
from camcore.model.manifest import read_manifest
from camcore.options import ExplainOptions
from camcore.study.inputs.load import InputPaths, load_inputs
from camcore.study.local_engine import LocalEngine
from camcore.study.log import StudyLog
from camcore.study.outputs import write_results
from camcore.study.phases import StudyRun
from camcore.study.photo_study import Engine, StudyResult, StudyTask
from camcore.study.ray_engine import RayEngine
from camcore.study.settings import Level, StudySettings
from tests.archive_records import DESCRIPTION
from tests.bench.archive import counted, detections_of, make_archive, make_photos, run_alone
from tests.bench.machine import cores, describe_machine, describe_versions, peak_memory
from tests.bench.scene import bundled_photo, prepare_scene

_REPOSITORY = Path(__file__).parents[2]
_LEAST_SHARE = 0.85
_SAMPLE = 1000  # photos of an archive that are explained in full
_REPEATED = 2000  # photos whose results the driver writes
_PHOTOS, _CORES = (10**5, 10**6, 10**7), (2, 64, 1024)
_SIDE = (224, 224)  # pixels


@dataclass(frozen=True)
class Costs:
    """Seconds a photo: of a core to screen it and to explain it in full, of the driver and of the report.

    `screen_rest` and `full_rest` are without the forward passes.
    """

    screen: float
    screen_rest: float
    full: float
    full_rest: float
    driver: float
    report: float

    def hours(self, photos: int, cores: int) -> float:
        """Return the hours that so many photos take on so many cores: workers and driver work at the same time."""
        screening = photos * max(self.screen / cores, self.driver)
        return (screening + _SAMPLE * self.full / cores + photos * self.report) / 3600

    def hours_of_gpu(self, photos: int) -> float:
        """Return the hours of one process whose forward passes take less time than everything else, on one core."""
        return (photos * (self.screen_rest + self.report) + _SAMPLE * self.full_rest) / 3600


class RepeatEngine:
    """Gives the same result for every photo at once, so that what remains is the driver's work."""

    def __init__(self, result: StudyResult):
        self._result = result

    def results(self, tasks: Iterable[StudyTask], settings: StudySettings) -> Iterator[StudyResult]:
        record, ((_, picture),) = self._result.record or {}, self._result.pictures.items()
        for task in tasks:
            photo = task.item.photo
            name = f"thumbnails/{len(photo.stem) % 256:02x}/{photo.stem}.jpg"
            own = {"file": photo.file, "stem": photo.stem, "site": task.item.site, "thumbnail": name}
            yield StudyResult({**record, **own}, {name: picture})


def main(arguments: list[str]) -> int:
    """Measure, and print three Markdown tables. Returns 0 whatever the figures are."""
    if arguments[:1] == ["alone"]:
        return _alone(arguments[1], *map(Path, arguments[2:5]), *arguments[5:])
    parser = argparse.ArgumentParser(prog="python -m tests.bench cluster", description=__doc__)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--photos", type=int, default=2000, help="photos that both engines screen")
    parser.add_argument("--full", type=int, default=8, help="photos that the local engine explains in full")
    parser.add_argument("--small-model", default="resnet18", help="model of the two archives")
    parser.add_argument("--many", type=int, nargs=2, default=(100, 5000), help="photos of a small and a large archive")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as name:
        folder = Path(name)
        artifacts = {}
        for model in dict.fromkeys((options.model, options.small_model)):
            print(f"exporting a {model} of seeded weights", file=sys.stderr, flush=True)
            (folder / model).mkdir()
            artifacts[model] = prepare_scene(folder / model, model, bundled_photo()).artifact
        make_photos(folder / "photos", _SIDE, 200)
        print(f"{describe_machine()}; {describe_versions()}.\n")
        screen = _print_engines(artifacts[options.model], folder, options.photos)
        _print_memory(artifacts[options.small_model], folder, options.many)
        _print_plan(_costs(artifacts[options.model], folder, screen, options.full))
    return 0


def _print_engines(artifact: Path, folder: Path, photos: int) -> "Run":
    """Print the speed of both engines, and return the run of the local one."""
    print("| engine | first photo after | all photos after | photos a second | beside local | at least |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    local = _run("local", artifact, folder, photos, "screen")
    for engine, run, least in (
        ("local", local, ""),
        ("ray", _run("ray", artifact, folder, photos, "screen"), f"{_LEAST_SHARE:.0%}"),
    ):
        share = local.seconds / run.seconds
        rate = photos / run.seconds
        print(
            f"| {engine} | {run.first:.1f} s | {run.seconds:.1f} s | {rate:.2f} | {share:.0%} | {least} |", flush=True
        )
    return local


def _print_memory(artifact: Path, folder: Path, many: Iterable[int]) -> None:
    print("\n| photos, Ray | seconds a photo | peak memory of the driver |\n| ---: | ---: | ---: |")
    for count in many:
        run = _run("ray", artifact, folder, count, "screen")
        print(f"| {count:,} | {run.seconds / count:.4f} | {run.peak:.3f} GB |", flush=True)


def _costs(artifact: Path, folder: Path, screen: "Run", full: int) -> Costs:
    """Measure what the plan needs besides a run in which photos are screened."""
    in_full = _run("local", artifact, folder, full, "full")
    return Costs(screen.of_core, screen.rest, in_full.of_core, in_full.rest, *_measure_driver(artifact, folder))


def _print_plan(costs: Costs) -> None:
    times = [f"{1000 * value:.2f} ms" for value in (costs.screen, costs.screen_rest, costs.driver, costs.report)]
    print("\nComputed, not measured, from measured figures: a core screens a photo in {}, of which {} are no forward "
          "passes; the driver takes {} a photo, and the report {}.".format(*times))  # fmt: skip
    in_full = f"A core explains a photo in full in {costs.full:.1f} s, of which {costs.full_rest:.1f} s are no"
    print(f"{in_full} forward passes; each archive has {_SAMPLE:,}.\n")
    print("| photos |", " | ".join(f"{cores:,} cores" for cores in _CORES), "| one GPU |")
    print("| ---: |", " | ".join("---:" for _ in _CORES), "| ---: |")
    for photos in _PHOTOS:
        hours = [*(costs.hours(photos, cores) for cores in _CORES), costs.hours_of_gpu(photos)]
        print(f"| {photos:,} |", " | ".join(map(_duration, hours)), "|")


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


@dataclass(frozen=True)
class Run:
    """A study of some photos: seconds with the start of the engine, to the first photo and to the last one.

    `forwards` are those of the forward passes alone, and `peak` is the memory in GB.
    """

    photos: int
    first: float
    seconds: float
    forwards: float
    peak: float

    @property
    def of_core(self) -> float:
        """Seconds of a core for each photo."""
        return self.seconds * cores() / self.photos

    @property
    def rest(self) -> float:
        """Seconds of a core for each photo without the forward passes."""
        return (self.seconds - self.forwards) * cores() / self.photos


def _run(engine: str, artifact: Path, folder: Path, count: int, level: Level) -> Run:
    """Study photos in a process of its own."""
    paths = map(str, (artifact, folder / "photos", folder / f"{engine}-{count}-{level}"))
    command = [sys.executable, "-m", "tests.bench.cluster", "alone", engine, *paths, str(count), level]
    done = subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    return Run(count, *json.loads(done.stdout.splitlines()[-1]))


def _alone(engine_name: str, artifact: Path, photos: Path, out: Path, *rest: str) -> int:
    """Study photos with one engine, and print the figures of the run as a JSON list."""
    study, _ = _prepare(artifact, photos, out, int(rest[0]), rest[1])
    explainer = None if engine_name == "ray" else Explainer.load(artifact)
    start = time.perf_counter()
    with (
        counted() as counts,
        LocalEngine(explainer) if explainer else RayEngine(artifact, read_manifest(artifact)) as engine,
    ):
        first = _work_through(study, engine) - start
    seconds, peak = time.perf_counter() - start, peak_memory()
    print(json.dumps([first, seconds, run_alone(explainer, counts) if explainer else 0, peak]))
    return 0


def _prepare(artifact: Path, photos: Path, out: Path, count: int, level: str) -> tuple[StudyRun, StudySettings]:
    """Return a study of an archive with a box in each photo, whose results go into `out`."""
    out.mkdir()
    (out / "explanations").mkdir()
    settings = StudySettings(ExplainOptions(), level="full" if level == "full" else "screen")
    labels = read_manifest(artifact).labels
    table, boxes = make_archive(out, sorted(photos.glob("*.jpg")), count, labels), out / "boxes.json"
    files = [line.partition(",")[0] for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    boxes.write_text(json.dumps(detections_of(files)))
    inputs = load_inputs(InputPaths(table, boxes, None, None, "animal"), labels, out)
    log = StudyLog(out, {"screen": {}, "full": {}})
    sample = count if settings.level == "full" else 0
    return StudyRun(inputs.items, settings, out=out, log=log, sample=sample), settings


def _work_through(study: StudyRun, engine: Engine) -> float:
    """Study all photos, and return the time at which the first one was finished."""
    first = 0.0
    for phase in study.phases(engine):
        for _ in phase.photos:
            first = first or time.perf_counter()
    return first


def _measure_driver(artifact: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds a photo in which results are written, and in which the report is."""
    with LocalEngine(Explainer.load(artifact)) as engine:
        study, settings = _prepare(artifact, folder / "photos", folder / "one", 1, "screen")
        (item,) = study.items.values()
        (result,) = engine.results([StudyTask(item)], settings)
    study, _ = _prepare(artifact, folder / "photos", folder / "repeated", _REPEATED, "screen")
    start = time.perf_counter()
    _work_through(study, RepeatEngine(result))
    written = time.perf_counter()
    write_results(folder / "repeated", DESCRIPTION, study.records)
    return (written - start) / _REPEATED, (time.perf_counter() - written) / _REPEATED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
