"""Peak memory of one library in a process of its own: `python -m tests.bench.memory SCENE LIBRARY [FORWARDS]`."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.libraries import ALONE
from tests.bench.machine import peak_memory
from tests.bench.scene import Scene, open_scene
from tests.bench.timing import Sample, timed

_REPOSITORY = Path(__file__).parents[2]
_LIMIT = 3600.0  # seconds


@dataclass(frozen=True)
class Alone:
    """Score-CAM of all channels, or its beginning, in a fresh process: time, and peak memory in GB."""

    sample: Sample
    peak: float


def run_alone(scene: Scene, library: str, forwards: int | None) -> Alone:
    """Score-CAM in a fresh process that imports nothing else, broken off after `forwards` if that is a number."""
    arguments = [str(scene.root), library, *([] if forwards is None else [str(forwards)])]
    command = [sys.executable, "-m", "tests.bench.memory", *arguments]
    run = subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True, timeout=_LIMIT)
    seconds, cores, peak = json.loads(run.stdout)
    return Alone(Sample(seconds, cores), peak)


def main(arguments: list[str]) -> int:
    """Load, run, and print seconds, busy cores and GB as a JSON list."""
    root, name, *forwards = arguments
    library = ALONE[name](open_scene(Path(root)))
    sample = timed(partial(library.begin_score_cam, int(forwards[0]) if forwards else None))
    print(json.dumps([sample.seconds, sample.cores, peak_memory()]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
