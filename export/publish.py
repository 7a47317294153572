"""An artefact directory appears whole or not at all."""

import errno
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from camcore.model.manifest import MANIFEST, ONNX, ONNX_INT8, TORCHSCRIPT
from export.errors import ExportError

_OURS = {MANIFEST, ONNX, ONNX_INT8, TORCHSCRIPT}
_PARTIAL = ".partial"
_ABANDONED = 24 * 3600  # seconds after which what another machine left counts as abandoned


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A directory beside `target` to write into; on success it takes the place of `target`, else it is removed.

    Two at once: one wins whole. What a killed export left beside the target is removed by the next.

    Raises:
        ExportError: if the target holds anything but an artefact, or cannot be written.
    """
    try:
        _refuse_foreign(target)
        place = target.resolve()  # through a link, or for `.`
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(place)
        stage = _beside(place)
        stage.mkdir()
        try:
            yield stage
            _refuse_foreign(target)
            _replace(stage, place)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise ExportError(
            f"{target} cannot be written ({error.strerror or error}): make room or choose another --out"
        ) from error


def _refuse_foreign(target: Path) -> None:
    try:  # one look, for another export may be between its two moves
        foreign = sorted(path.name for path in target.iterdir() if path.name not in _OURS)
        mounted = target.is_mount()
    except FileNotFoundError:
        return
    except NotADirectoryError:
        if target.is_file():
            raise ExportError(f"{target} is a file: choose another --out") from None
        return
    if foreign:
        raise ExportError(f"{target} holds other files ({', '.join(foreign[:3])}): choose another --out")
    if mounted:
        raise ExportError(f"{target} is a mount point, which cannot be replaced: choose a folder inside it")


def _replace(stage: Path, target: Path) -> None:
    """Put `stage` in the place of `target`; if that fails, the old artefact goes back."""
    old = _beside(target)
    try:
        while not _moved(stage, target):  # a second time only if another export was quicker
            shutil.rmtree(old, ignore_errors=True)
            with suppress(FileNotFoundError):  # another export is between its own two moves
                target.rename(old)
    except BaseException:
        with suppress(OSError):
            old.rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _moved(stage: Path, target: Path) -> bool:
    """Move `stage` to `target`, unless an artefact is there."""
    try:
        stage.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _beside(target: Path) -> Path:
    """A free hidden name beside the target, which tells whose it is."""
    owner = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
    return target.with_name(f".{target.name}.{owner}{_PARTIAL}")


def _remove_abandoned(target: Path) -> None:
    for path in target.parent.glob(f".{escape(target.name)}.*{_PARTIAL}"):
        host, pid, _ = path.name.removeprefix(f".{target.name}.").removesuffix(_PARTIAL).rsplit(".", 2)
        with suppress(FileNotFoundError):  # another export removes it too
            dead = host == socket.gethostname() and not _runs(int(pid))
            if dead or time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 is no question but Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
