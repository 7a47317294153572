"""Result files: their names, and writing each whole or not at all."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camcore.errors import OutputError


def output_stems(photos: list[str]) -> list[str]:
    """A stem for each photo's files: its own, or with -2, -3 where an earlier photo has it, whatever the case."""
    taken: set[str] = set()
    stems = []
    for photo in photos:
        own = stem = Path(photo).stem
        number = 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{own}-{number}"
        taken.add(stem.casefold())
        stems.append(stem)
    return stems


def make_folder(folder: Path) -> None:
    """Make a folder for results.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be made ({error.strerror}): choose another --out") from error


def save_picture(path: Path, picture: Image.Image | NDArray[np.uint8]) -> None:
    """Save a picture as PNG. Raises OutputError if it cannot be written."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    _write(path, buffer.getvalue())


def save_map(path: Path, heatmap: NDArray[np.float32]) -> None:
    """Save a heatmap as `.npy`, float32 (H, W). Raises OutputError if it cannot be written."""
    buffer = io.BytesIO()
    np.save(buffer, heatmap)
    _write(path, buffer.getvalue())


def save_maps(path: Path, heatmaps: Mapping[str, NDArray[np.float32]]) -> None:
    """Save heatmaps by name as `.npz`, each float32 (H, W). Raises OutputError if it cannot be written."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **heatmaps)  # type: ignore[arg-type]
    _write(path, buffer.getvalue())


def save_text(path: Path, text: str) -> None:
    """Save a text as UTF-8. Raises OutputError if it cannot be written."""
    _write(path, text.encode())


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            aside.write_bytes(data)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror}): make room there, or choose another --out"
        ) from error
