"""Result files: their names, and atomic writing."""

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camcore.errors import OutputError

MAX_STEM_BYTES = 180


def output_stems(photos: list[str]) -> list[str]:
    """Return a stem for the files of each photo: its name's, with -2, -3 if an earlier one differs at most in case.

    Of a long name, the stem is the end: a file system allows 255 bytes, and suffixes are added.
    """
    used: dict[str, int] = {}
    return [output_stem(photo, used) for photo in photos]


def output_stem(photo: str, used: MutableMapping[str, int]) -> str:
    """Return the stem of the next photo, as `output_stems` does, and add it to those `used` by earlier ones."""
    original = stem = _shortened(Path(photo).stem)
    number = used.get(original.casefold(), 0) + 1  # of the last one that was tried
    if number > 1:
        while (stem := f"{original}-{number}").casefold() in used:
            number += 1
        used[original.casefold()] = number
    used[stem.casefold()] = 1
    return stem


def _shortened(stem: str) -> str:
    encoded = stem.encode(errors="surrogateescape")
    return stem if len(encoded) <= MAX_STEM_BYTES else encoded[-MAX_STEM_BYTES:].decode(errors="ignore")


def make_folder(folder: Path) -> None:
    """Create a folder for results; raise OutputError if it cannot be created."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be created ({error.strerror}): choose another --out") from error


def save_picture(path: Path, picture: Image.Image | NDArray[np.uint8]) -> None:
    """Save a picture as PNG; raise OutputError if it cannot be written."""
    save_bytes(path, to_png(picture))


def to_png(picture: Image.Image | NDArray[np.uint8]) -> bytes:
    """Return a picture as a PNG file."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def save_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Save files by their path in a folder, which need not exist; raise OutputError if one cannot be written."""
    for name, data in files.items():
        path = folder / name
        if not path.parent.is_dir():
            make_folder(path.parent)
        save_bytes(path, data)


def save_map(path: Path, heatmap: NDArray[np.float32]) -> None:
    """Save a heatmap, float32 (H, W), as `.npy`; raise OutputError if it cannot be written."""
    buffer = io.BytesIO()
    np.save(buffer, heatmap)
    save_bytes(path, buffer.getvalue())


def save_maps(path: Path, heatmaps: Mapping[str, NDArray[np.float32]]) -> None:
    """Save heatmaps, float32 (H, W), under their names as `.npz`; raise OutputError if it cannot be written."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **heatmaps)  # type: ignore[arg-type]
    save_bytes(path, buffer.getvalue())


def save_text(path: Path, text: str) -> None:
    """Save a text as UTF-8; raise OutputError if it cannot be written."""
    save_bytes(path, text.encode())


def to_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON with a newline at the end; raise ValueError if a number is not finite."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent) + "\n"


def save_bytes(path: Path, data: bytes) -> None:
    """Save a file under a temporary name and rename it, so that an older file stays intact until then.

    Raise OutputError if it cannot be written.
    """
    with _replacing(path) as temporary:
        temporary.write_bytes(data)


def save_parts(path: Path, parts: Iterable[bytes]) -> None:
    """Save a file part by part, as `save_bytes` does."""
    with _replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Provide a temporary path for the block, whose file replaces that of `path` at the end."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OutputError:  # of what is to be written: its temporary files may be on another disk, which is full
        raise
    except OSError as error:
        remedy = "free some space, or choose another --out"
        raise OutputError(f"{path} cannot be written ({error.strerror}): {remedy}") from error
