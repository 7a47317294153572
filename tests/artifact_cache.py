"""Exported models that test runs and their workers share: each is exported once for the sources that decide on it."""

import os
import shutil
import time
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from camcore.model.gpu import installed_version

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".pytest_cache" / "artifacts"  # may be deleted at any time but during a run
_SOURCES = (
    "export/*.py",
    "camcore/model/*.py",
    "camcore/images/*.py",
    "camcore/methods/*.py",
    "tests/conftest.py",
    "tests/stand_in.py",
)
_PACKAGES = ("torch", "torchvision", "onnx", "onnxruntime", "onnxscript", "numpy", "pillow")
_EXPORT_TIMEOUT = 280.0  # seconds to wait for another worker's export
_KEPT = 3600.0  # seconds since its last use after which an outdated export is deleted


def cached(name: str, make: Callable[[Path], object], cache_folder: Path = CACHE) -> Path:
    """Return the cached folder of this name; call `make` with an empty folder first if it is not there.

    A folder gets its name when `make` has returned: a killed run leaves no half of an export under that name. Only one
    process at a time makes a folder. Tests must not write into it.
    """
    cache_folder.mkdir(parents=True, exist_ok=True)
    folder = cache_folder / f"{name}-{_digest()}"
    with FileLock(cache_folder / f"{name}.lock", timeout=_EXPORT_TIMEOUT):
        if not folder.is_dir():
            _delete_outdated(cache_folder, name)
            partial = cache_folder / f"partial-{name}"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(folder)
        os.utime(folder)
    return folder


def contents(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of change of each file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def _delete_outdated(cache_folder: Path, name: str) -> None:
    """Delete exports of other sources, unless a run may still read them."""
    for outdated in cache_folder.glob(f"{name}-*"):
        if time.time() - outdated.stat().st_mtime > _KEPT:
            shutil.rmtree(outdated)


@cache
def _digest() -> str:
    """Return a hash of the sources and of the versions that decide what an export writes."""
    digest = sha256()
    for path in sorted(path for pattern in _SOURCES for path in ROOT.glob(pattern)):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(" ".join(installed_version(package) for package in _PACKAGES).encode())
    return digest.hexdigest()[:16]
