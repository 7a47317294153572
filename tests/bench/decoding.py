"""`python -m tests.bench decoding`: what it costs to decode photos in processes of their own."""

import argparse
import io
import os
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from PIL import Image

from camcore.images.decoder import PhotoDecoder
from camcore.images.photo import open_photo
from camcore.images.preprocess import make_view
from camcore.model.manifest import Preprocessing
from tests.bench.machine import describe_machine, resident_memory
from tests.bench.timing import in_turns

STEPS = Preprocessing(256, (224, 224), "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PHOTOS = {"224-pixel JPEG": ((224, 224), 5), "12-megapixel JPEG": ((4_000, 3_000), 10)}  # and the target in ms
MAX_MEGABYTES = 60


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench decoding", description=__doc__)
    parser.add_argument("--rounds", type=int, default=41, help="number of photos of each size (default: 41)")
    rounds = parser.parse_args(arguments).rounds
    print(f"{describe_machine()}.\nMedians of {rounds} photos in turns, in milliseconds from the file to the view.\n")
    print("|  | in this process | in a process of its own | more by | target |\n| --- | ---: | ---: | ---: | --- |")
    with TemporaryDirectory() as folder, PhotoDecoder() as decoder:
        for name, (size, target) in PHOTOS.items():
            path = Path(folder) / "photo.jpg"
            path.write_bytes(_jpeg(size))
            works = {"here": lambda: make_view(open_photo(path), STEPS), "there": lambda: decoder.view(path, STEPS)}  # noqa: B023
            samples = in_turns(works, rounds)
            here, there = (1000 * median(sample.seconds for sample in samples[key]) for key in ("here", "there"))
            more = median(1000 * (b.seconds - a.seconds) for a, b in zip(*samples.values(), strict=True))
            print(f"| {name} | {here:.1f} | {there:.1f} | {more:.1f} | at most {target}{_met(more <= target)} |")
        megabytes = max(1000 * resident_memory(pid) for pid in _workers())
    print(f"\nA process holds {megabytes:.0f} MB, at most {MAX_MEGABYTES}{_met(megabytes <= MAX_MEGABYTES)}.")
    return 0


def _jpeg(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((size[0] // 4, size[1] // 4), 60).convert("RGB").resize(size).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _workers() -> list[int]:
    """Return the identifiers of the processes that decode."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return [pid for pid, command in commands.items() if b"resource_tracker" not in command]


def _met(is_met: bool) -> str:
    return " (met)" if is_met else " (missed)"
