"""Decoding of one photo in a process of its own, with limits on time and memory.

This module runs in the processes of `camcore.images.decoder`. It imports Pillow and NumPy, and no runtime.
"""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import AvifImagePlugin, Image

from camcore.images.photo import decoded, read_size
from camcore.images.preprocess import View, make_view, resize
from camcore.model.manifest import Preprocessing, ResizeMode
from camcore.types import Box

if sys.platform != "win32":  # which has no such limits
    import resource

MAX_MEMORY = 600_000_000  # bytes of address space, of which the interpreter and its libraries take 160 million
MAX_CPU_SECONDS = 4  # of processor time, rounded up by at most 1
MAX_SECONDS = 4.0
MAX_SECONDS_LARGE = 12.0  # for photos of more than `LARGE_PIXELS`
LARGE_PIXELS = 20_000_000
DISPLAY_SIDE = 2000  # pixels
_DISPLAY_QUALITY = 90
_FAST_SIDES = 1.5  # shorter side of a photo that is decoded fast, in sides of what is resized


@dataclass(frozen=True)
class ViewRequest:
    """A request for the model's view of a photo."""

    source: Path | bytes
    preprocessing: Preprocessing
    resize_mode: ResizeMode | None = None
    box: Box | None = None
    with_whole: bool = True
    fast_decode: bool = False


def start() -> None:
    """Limit the memory of this process, and discard what libraries print: libtiff prints each damage of a file."""
    limit_memory()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each reserves memory, even if it is not used
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 2)


def limit_memory() -> None:
    """Limit the memory of this process, on Linux: macOS counts far more address space, and refuses the limit."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def make_view_within_limits(request: ViewRequest) -> View:
    """Decode a photo and return the model's view of it.

    The process ends if that takes too much time or memory.

    Raises:
        PhotoError: if the photo cannot be read.
    """
    steps = request.preprocessing
    with (
        _time_limit(request.source),
        decoded(request.source, to_srgb=steps.to_srgb, least_side=_least_side(request)) as photo,
    ):
        box = None if request.box is None else request.box.in_fractions(photo.full_size)
        view = make_view(photo, steps, request.resize_mode, box, with_whole=request.with_whole)
        scales = [full / side for full, side in zip(photo.full_size, photo.size, strict=True)] * 2
        left, top, right, bottom = (edge * scale for edge, scale in zip(view.box, scales, strict=True))
        box_in_file = (left, top, right, bottom)
        details = replace(view, damage=photo.damage, taken_at=photo.taken_at, reduced=round(max(scales)))
        return replace(details, box=box_in_file, photo_size=photo.full_size)


def _least_side(request: ViewRequest) -> int | None:
    """Return the pixels that the shorter side of a photo needs if it is decoded fast, else None.

    That is half as much again as the model's view of the whole photo, or as many as its view of the box has.
    """
    if not request.fast_decode:
        return None
    steps, share = request.preprocessing, 1.0
    if request.box is not None and (box := request.box.in_fractions(read_size(request.source))) is not None:
        share = max(box.right - box.left, box.bottom - box.top)
    return round(max(_FAST_SIDES * steps.resize, max(steps.size) / share))


def make_display_copy_within_limits(source: Path | bytes) -> bytes:
    """Decode a photo and return a JPEG of it, at most 2,000 pixels wide and high.

    The process ends if that takes too much time or memory.

    Raises:
        PhotoError: if the photo cannot be read.
    """
    with _time_limit(source), decoded(source) as photo:
        scale = min(DISPLAY_SIDE / max(photo.size), 1)
        width, height = (max(round(side * scale), 1) for side in photo.size)
        buffer = io.BytesIO()
        copy = resize(photo, (0, 0, *photo.size), (width, height), Image.Resampling.BICUBIC)
        copy.save(buffer, "JPEG", quality=_DISPLAY_QUALITY)
        return buffer.getvalue()


@contextmanager
def _time_limit(source: Path | bytes) -> Iterator[None]:
    """End this process if the block takes too much time or memory.

    A signal whose default action ends the process works even while a decoder runs that never returns to Python.
    """
    try:
        _end_after(MAX_SECONDS)
        width, height = read_size(source)
        if width * height > LARGE_PIXELS:
            _end_after(MAX_SECONDS_LARGE)
        yield
    except MemoryError:
        os._exit(1)  # what has been allocated is not always given back
    finally:
        _end_after(0)


def _end_after(seconds: float) -> None:
    """Let this process end after so many seconds, or `MAX_CPU_SECONDS` of processor time; 0 removes both limits."""
    if sys.platform == "win32":
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(usage.ru_utime + usage.ru_stime) + MAX_CPU_SECONDS + 1 if seconds else hard
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
