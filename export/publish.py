"""Atomic replacement of an artefact directory."""

import errno
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from camcore.model.manifest import MANIFEST, ONNX, ONNX_INT8, TORCHSCRIPT
from export.errors import ExportError

_PARTIAL = ".partial"


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `target`, and put it in the place of `target` on success.

    After an error the temporary directory is removed and `target` is unchanged. If two exports write to one target at
    the same time, the result is one of the two, complete. The next export removes what a killed export left behind.
    Raise ExportError if `target` contains other files than those of an artefact, or cannot be written.
    """
    try:
        _refuse_foreign(target)
        resolved = target.resolve()  # follows a symbolic link, and gives `.` a name
        resolved.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(resolved)
        stage = _temporary(resolved)
        stage.mkdir()
        try:
            yield stage
            _refuse_foreign(target)
            _replace(stage, resolved)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        reason, temporary = error.strerror or error, Path(tempfile.gettempdir())
        if error.errno == errno.ENOSPC and _free(temporary) < _free(target):
            problem = f"the folder of temporary files, {temporary}, is full"
            raise ExportError(f"{problem}: make room or set TMPDIR to a folder on a disk with more space") from error
        raise ExportError(f"{target} cannot be written ({reason}): make room or choose another --out") from error


def _free(path: Path) -> int:
    """Return the free bytes of the disk on which a path is, or will be."""
    return shutil.disk_usage(
        next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
    ).free


def _refuse_foreign(target: Path) -> None:
    if target.is_file():
        raise ExportError(f"{target} is a file: choose another --out")
    try:  # list the folder once: another export may be between its two moves
        foreign = sorted({path.name for path in target.iterdir()} - {MANIFEST, ONNX, ONNX_INT8, TORCHSCRIPT})
        mounted = target.is_mount()
    except (FileNotFoundError, NotADirectoryError):
        return
    if foreign:
        raise ExportError(f"{target} holds other files ({', '.join(foreign[:3])}): choose another --out")
    if mounted:
        raise ExportError(f"{target} is a mount point, which cannot be replaced: choose a folder inside it")


def _replace(stage: Path, target: Path) -> None:
    """Put `stage` in the place of `target`; restore the old artefact if that fails."""
    old = _temporary(target)
    try:
        while not _move(stage, target):  # repeats only if another export was faster
            shutil.rmtree(old, ignore_errors=True)
            with suppress(FileNotFoundError):  # another export is between its own two moves
                target.rename(old)
    except BaseException:
        with suppress(OSError):
            old.rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _move(stage: Path, target: Path) -> bool:
    """Move `stage` to `target`, and return False if an artefact is already there."""
    try:
        stage.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _temporary(target: Path) -> Path:
    """Return an unused hidden path beside `target` whose name holds this host and process."""
    owner = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
    return target.with_name(f".{target.name}.{owner}{_PARTIAL}")


def _remove_abandoned(target: Path) -> None:
    for path in target.parent.glob(f".{escape(target.name)}.*{_PARTIAL}"):
        host, pid, _ = path.name.removeprefix(f".{target.name}.").removesuffix(_PARTIAL).rsplit(".", 2)
        with suppress(FileNotFoundError):  # another export may have removed it
            dead = host == socket.gethostname() and not _is_running(int(pid))
            if dead or time.time() - path.stat().st_mtime > 24 * 3600:  # another machine's, after a day
                shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # on Windows, signal 0 sends Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # another user's process
    return True
