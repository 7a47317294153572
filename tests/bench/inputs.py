"""`python -m tests.bench inputs DIR`: what becomes of each file of a folder, with seconds and megabytes.

Photos, class names, boxes, tables of true classes and checkpoints are told apart by the folder they lie in (photos,
labels, boxes, tables, checkpoints), else by their suffix. Each file is read in a process of its own, whose memory
beyond that of its imports is printed; of a photo, all memory of the process that decodes it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from camcore.errors import CamError
from tests.bench.machine import describe_machine, peak_memory

_REPOSITORY = Path(__file__).parents[2]
_LIMIT = 120.0  # seconds
_LABELS = ("eagle", "kite", "owl", "robin", "wren")
_KIND_OF_SUFFIX = {".txt": "labels", ".json": "boxes", ".csv": "tables", ".tsv": "tables"} | dict.fromkeys(
    (".pth", ".pt", ".ckpt", ".bin", ".safetensors"), "checkpoints"
)


def main(arguments: list[str]) -> int:
    """Print a row a file. Returns 0, or 2 without a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench inputs", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args(arguments).folder
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        print(f"{folder} holds no file", file=sys.stderr)
        return 2
    print(f"{describe_machine()}.\n")
    print("| file | read as | outcome | s | MB |\n| --- | --- | --- | ---: | ---: |")
    for path in files:
        kind = _kind(path)
        command = [sys.executable, "-m", "tests.bench.inputs", kind, str(path.resolve())]
        try:
            done = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, timeout=_LIMIT, check=False)
            outcome, seconds, megabytes = json.loads(done.stdout) if done.returncode == 0 else ("ended", 0, 0)
        except subprocess.TimeoutExpired:
            outcome, seconds, megabytes = "not ended", _LIMIT, 0
        print(f"| {path.relative_to(folder)} | {kind} | {outcome} | {seconds:.2f} | {megabytes:.0f} |", flush=True)
    return 0


def _kind(path: Path) -> str:
    return path.parent.name if path.parent.name in _READERS else _KIND_OF_SUFFIX.get(path.suffix.lower(), "photos")


def _read_photo(path: Path) -> str:
    from camcore.images.decoded_photo import DAMAGE_NOTES
    from camcore.images.decoder import PhotoDecoder
    from camcore.model.manifest import Preprocessing

    steps = Preprocessing(256, (224, 224), "bilinear", mean=(0.5,) * 3, std=(0.5,) * 3)
    with PhotoDecoder(workers=1) as decoder:
        view = decoder.view(path, steps)
    size = " × ".join(map(str, view.photo_size))
    return f"{size}, {DAMAGE_NOTES[view.damage]}" if view.damage else size


def _read_labels(path: Path) -> str:
    from export.label_files import read_label_file

    return ", ".join(read_label_file(path)[:8])


def _read_boxes(path: Path) -> str:
    from camcore.study.inputs.detections import read_detections

    detections = read_detections(path)
    count = sum(map(len, detections.boxes.values()))
    return "; ".join([f"{count} boxes in {len(detections.boxes)} photos", *detections.notes])


def _read_table(path: Path) -> str:
    from camcore.study.inputs.species import read_species
    from camcore.study.inputs.truths import load_truths

    truths = load_truths(path, read_species(), _LABELS)
    named = {file: truth.title for file, truth in list(truths.truths.items())[:4]}
    return "; ".join([", ".join(f"{file}: {title or 'not known'}" for file, title in named.items()), *truths.notes])


def _read_checkpoint(path: Path) -> str:
    from export.checkpoint_files import read_checkpoint

    tables = read_checkpoint(path).tables
    return ", ".join(f"{len(table)} tensors in {place or 'the file itself'}" for place, table in tables.items())


_READERS: dict[str, Callable[[Path], str]] = {
    "photos": _read_photo, "labels": _read_labels, "boxes": _read_boxes, "tables": _read_table,
    "checkpoints": _read_checkpoint,
}  # fmt: skip


def read_one(kind: str, path: Path) -> int:
    """Read one file, and print the outcome, seconds, and megabytes beyond those of the imports, as a JSON list."""
    read = _READERS[kind]
    with suppress(CamError):
        read(path.with_name("no such file"))  # imports what the reader needs
    before, start = peak_memory(), time.perf_counter()
    try:
        outcome = read(path)
    except CamError as error:
        outcome = f"refused: {error}".replace(str(path), path.name)
    seconds, megabytes = time.perf_counter() - start, 1000 * (peak_memory() - before)
    if kind == "photos":
        megabytes = getrusage(RUSAGE_CHILDREN).ru_maxrss / 1000
    print(json.dumps([outcome, seconds, megabytes]))
    return 0


if __name__ == "__main__":
    sys.exit(read_one(sys.argv[1], Path(sys.argv[2])))
