"""An artefact directory appears whole or not at all."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from camcore.artifact import MANIFEST, ONNX, TORCHSCRIPT
from export.errors import ExportError

_OURS = {MANIFEST, ONNX, TORCHSCRIPT}


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A directory beside `target` to write into; on success it takes the place of `target`, else it is removed.

    Two at once: one wins whole. What a killed export left beside the target is removed by the next.

    Raises:
        ExportError: if the target holds anything but an artefact, or cannot be written.
    """
    try:
        _refuse_foreign(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        stage = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", suffix=".partial", dir=target.parent))
        try:
            yield stage
            stage.chmod(0o755)
            _replace(stage, target)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise ExportError(
            f"{target} cannot be written ({error.strerror or error}): make room or choose another --out"
        ) from error


def _refuse_foreign(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise ExportError(f"{target} is a file: choose another --out")
    foreign = sorted(path.name for path in target.iterdir() if path.name not in _OURS) if target.is_dir() else []
    if foreign:
        raise ExportError(f"{target} holds other files ({', '.join(foreign[:3])}): choose another --out")


def _replace(stage: Path, target: Path) -> None:
    while True:
        try:
            stage.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", suffix=".partial", dir=target.parent))
        try:
            target.rename(old)
        except FileNotFoundError:
            pass  # another export is between its own two steps
        finally:
            shutil.rmtree(old, ignore_errors=True)


def _remove_abandoned(target: Path) -> None:
    for path in target.parent.glob(f".{target.name}.*.partial"):
        owner = path.name.removeprefix(f".{target.name}.").split(".")[0]
        if owner.isdigit() and not _runs(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
