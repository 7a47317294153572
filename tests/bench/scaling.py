"""`python -m tests.bench scaling`: time and memory against channels, chunk, and number of photos."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from camcore.options import ExplainOptions
from tests.bench.machine import describe_machine, describe_versions, peak_memory, resident_memory
from tests.bench.scene import Scene, bundled_photo, imagenet_photos, open_scene, prepare_scene
from tests.bench.timing import in_turns

_REPOSITORY = Path(__file__).parents[2]
_LIMIT = 3600.0  # seconds that one process may take
_ROUNDS = 3
_CHUNKS = (1, 4, 8, 16, 32)
_EXHAUSTIVE = 64  # channels that tell the time of one
_END = 20  # explanations at either end of many
_GROWTH, _SLOWER = 0.03, 1.05


def main(arguments: list[str]) -> int:
    """Measure, and print three Markdown tables. Returns 0 whatever the figures are."""
    if arguments[:1] == ["alone"]:
        return _alone(arguments[1:])
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        print(f"exporting a {options.model} of seeded weights", file=sys.stderr, flush=True)
        scene = prepare_scene(Path(folder), options.model, bundled_photo())
        print(f"{describe_machine()}; {describe_versions()}.")
        print(
            f"{options.model} of seeded weights; {options.forwards} forwards where fast; medians of {_ROUNDS} rounds."
        )
        _by_channels(scene, options.forwards)
        _by_chunk(scene, options.forwards)
        print(_run_alone(scene, "photos", options.photos, options.forwards), end="")
    return 0


def _by_channels(scene: Scene, forwards: int) -> None:
    from camcore import Explainer, open_photo

    explainer = Explainer.load(scene.artifact)
    forward_pass = explainer.forward(open_photo(scene.photo))
    counts = [scene.channels // share for share in (8, 4, 2, 1)]
    works: dict[tuple[str, int], Callable[[], object]] = {}
    for count in counts:
        some = replace(forward_pass, activations=forward_pass.activations[:count])
        works["fast", count] = partial(explainer.explain, some, None, ["score-cam"], effort=min(forwards, count // 2))
        works["exact", count] = partial(_exact, explainer, some)
    samples = in_turns(works, _ROUNDS)
    print("\n| channels | fast | exhaustive, a channel |\n| ---: | ---: | ---: |")
    for count in counts:
        fast, exact = (median(sample.seconds for sample in samples[kind, count]) for kind in ("fast", "exact"))
        print(f"| {count:,} | {fast:.2f} s | {1000 * exact / _EXHAUSTIVE:.1f} ms |")


def _exact(explainer: object, forward_pass: object) -> None:
    """The first of the exhaustive map's forwards."""
    for step in explainer.stream(forward_pass, ExplainOptions(effort="exact"), ["score-cam"]):  # type: ignore[attr-defined]
        if step.forwards >= _EXHAUSTIVE:
            break


def _by_chunk(scene: Scene, forwards: int) -> None:
    print("\n| chunk | fast | exhaustive, a channel | peak memory, fast | peak memory, exhaustive |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for chunk in _CHUNKS:
        print(f"chunks of {chunk}, each in a fresh process", file=sys.stderr, flush=True)
        fast, exact = (_run_alone(scene, kind, chunk, forwards).split() for kind in ("fast", "exact"))
        print(f"| {chunk} | {fast[0]} s | {exact[0]} ms | {fast[1]} GB | {exact[1]} GB |")


def _run_alone(scene: Scene, kind: str, number: int, forwards: int) -> str:
    arguments = ["scaling", "alone", str(scene.root), kind, str(number), str(forwards)]
    command = [sys.executable, "-m", "tests.bench", *arguments]
    run = subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True, timeout=_LIMIT)
    return run.stdout


def _alone(arguments: list[str]) -> int:
    """In a fresh process: seconds and GB with one chunk, or many photos in a row."""
    from camcore import Explainer, open_photo

    root, kind, number, forwards = Path(arguments[0]), arguments[1], int(arguments[2]), int(arguments[3])
    scene = open_scene(root)
    explainer = Explainer.load(scene.artifact)
    if kind == "photos":
        _many(explainer, number, forwards)
        return 0
    forward_pass = explainer.forward(open_photo(scene.photo))
    times = []
    for _ in range(_ROUNDS + 1):
        start = time.perf_counter()
        for step in explainer.stream(
            forward_pass, ExplainOptions(effort=forwards if kind == "fast" else "exact"), ["score-cam"], chunk=number
        ):
            if kind == "exact" and (step.forwards or 0) >= _EXHAUSTIVE:
                break
        times.append(time.perf_counter() - start)
    seconds = median(times[1:])
    print(f"{seconds:.2f}" if kind == "fast" else f"{1000 * seconds / _EXHAUSTIVE:.1f}", f"{peak_memory():.2f}")
    return 0


def _many(explainer: object, count: int, forwards: int) -> None:
    """Explain so many photos in a row, and print how memory and time have changed from the first to the last."""
    from camcore import open_photo

    times, memory = [], []
    for path in islice(cycle(imagenet_photos()), count):
        photo = open_photo(path)
        start = time.perf_counter()
        explainer.explain(photo, effort=forwards)  # type: ignore[attr-defined]
        times.append(time.perf_counter() - start)
        memory.append(resident_memory())
    first, last = median(times[:_END]), median(times[-_END:])
    growth = memory[-1] / memory[_END - 1] - 1
    met = {True: "met", False: "missed"}
    print(f"\n| {count} explanations in a row | first {_END} | last {_END} | change | target |")
    print("| --- | ---: | ---: | ---: | --- |")
    print(
        f"| seconds each, median | {first:.3f} | {last:.3f} | {last / first - 1:+.1%} | as fast "
        f"({met[last / first <= _SLOWER]}) |"
    )
    print(
        f"| memory after them | {memory[_END - 1]:.3f} GB | {memory[-1]:.3f} GB | {growth:+.1%} | under 3% "
        f"({met[growth < _GROWTH]}) |"
    )


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench scaling", description="Time and memory against channels, chunk and photos."
    )
    parser.add_argument("--model", metavar="NAME", default="resnet50", help="default: resnet50")
    parser.add_argument("--forwards", type=int, default=80, help="of the fast rule (default: 80)")
    parser.add_argument("--photos", type=int, default=200, help="explanations in a row (default: 200)")
    return parser.parse_args(arguments)
