"""The temporary folder of a page: everything that visitors upload and that is made for them."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "camcore-page-"
_LOCK = ".lock"
_ABANDONED = 60  # seconds after which a folder without a lock was not just created


@contextmanager
def page_folder() -> Iterator[Path]:
    """Create the folder, let temporary files of this process lie in it, and delete it at the end.

    Folders that killed pages have left behind are deleted first: a lock, which the system releases when a process
    ends in whatever way, tells whether the owner of a folder still runs.
    """
    parent = Path(tempfile.gettempdir())
    for folder in parent.glob(f"{_PREFIX}*"):
        _delete_if_abandoned(folder)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    before = tempfile.tempdir
    lock = FileLock(folder / _LOCK)
    try:
        with lock:
            tempfile.tempdir = str(folder)
            yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


def _delete_if_abandoned(folder: Path) -> None:
    """Delete the folder of a page that no longer runs."""
    with suppress(OSError, Timeout):
        if not (folder / _LOCK).exists() and time.time() - folder.stat().st_mtime < _ABANDONED:
            return
        with FileLock(folder / _LOCK, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
