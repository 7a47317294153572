"""An artefact directory is there whole or not at all, whatever happens to the export that writes it."""

import errno
import mmap
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from camcore.model.manifest import MANIFEST, ONNX, TORCHSCRIPT
from export import publish
from export.errors import ExportError
from export.pipeline import ExportOptions, export_artifact
from export.publish import staged

pytestmark = pytest.mark.slow

FILES = (MANIFEST, ONNX, TORCHSCRIPT)


def _write(target: Path, mark: str) -> None:
    with staged(target) as stage:
        for name in FILES:
            (stage / name).write_text(mark)


def _content(target: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in target.iterdir()}


def _whole(mark: str) -> dict[str, str]:
    return dict.fromkeys(FILES, mark)


def _around(target: Path) -> list[str]:
    """What lies in the target's folder, the target left out."""
    return sorted(path.name for path in target.parent.iterdir() if path != target)


def _killed_export(target: Path) -> None:
    """An export in a process of its own, killed when it has written two of three files."""
    code = (
        "import os, signal, sys; from pathlib import Path; from export.publish import staged\n"
        "with staged(Path(sys.argv[1])) as stage:\n"
        f"    [(stage / name).write_text('killed') for name in {FILES[:2]}]\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "artifacts" / "birds [2].v1"


def test_nothing_is_at_the_target_until_all_is_written(target: Path) -> None:
    with staged(target) as stage:
        (stage / MANIFEST).write_text("new")
        assert not target.exists()
        assert stage.parent == target.parent
        assert stage.name.startswith(".")
    assert _content(target) == {MANIFEST: "new"}
    assert _around(target) == []


def test_an_older_artefact_is_replaced_whole(target: Path) -> None:
    _write(target, "old")
    with staged(target) as stage:
        (stage / MANIFEST).write_text("new")
        assert _content(target) == _whole("old")
    assert _content(target) == {MANIFEST: "new"}
    assert _around(target) == []


@pytest.mark.parametrize("failure", [ExportError("no"), KeyboardInterrupt(), ValueError("a bug")], ids=repr)
def test_an_export_that_fails_leaves_the_old_artefact(failure: BaseException, target: Path) -> None:
    _write(target, "old")

    def fail() -> None:
        with staged(target) as stage:
            (stage / MANIFEST).write_text("half")
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert _content(target) == _whole("old")
    assert _around(target) == []


def test_a_killed_export_leaves_the_old_artefact_and_the_next_clears_up(target: Path) -> None:
    _write(target, "old")
    _killed_export(target)
    assert _content(target) == _whole("old")
    assert len(_around(target)) == 1
    _write(target, "new")
    assert _content(target) == _whole("new")
    assert _around(target) == []


def test_what_a_running_export_writes_is_left_alone(target: Path) -> None:
    with staged(target) as stage:
        (stage / MANIFEST).write_text("slow")
        _write(target, "quick")
        assert _content(target) == _whole("quick")
        assert (stage / MANIFEST).read_text() == "slow"
    assert _content(target) == {MANIFEST: "slow"}


def test_what_another_machine_left_is_cleared_after_a_day(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target.parent.mkdir()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "node-7.cluster")
        foreign = publish._temporary(target)
    foreign.mkdir()
    _write(target, "new")
    assert foreign.exists()
    yesterday = time.time() - 25 * 3600
    os.utime(foreign, (yesterday, yesterday))
    _write(target, "newer")
    assert _around(target) == []


def test_two_exports_at_once_leave_one_whole(target: Path) -> None:
    done = threading.Event()

    def watch() -> set[str]:
        """All that was seen at the target, each time through one directory handle."""
        seen: set[str] = set()
        while not done.is_set():
            with suppress(FileNotFoundError):  # between two moves, or being removed
                marks = _marks_of_one_directory(target)
                assert len(marks) == 1
                seen |= marks
        return seen

    def write(mark: str) -> None:
        for _ in range(20):
            _write(target, mark)

    with ThreadPoolExecutor() as pool:
        watcher = pool.submit(watch)
        try:
            list(pool.map(write, "abcd"))
        finally:
            done.set()
    assert _content(target) in [_whole(mark) for mark in "abcd"]
    assert _around(target) == []
    watcher.result(60)  # raises what the watcher saw wrong; how often it looked is the machine's affair


def test_if_the_last_move_fails_the_old_artefact_returns(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(target, "old")
    moves = 0

    def moved(_stage: Path, _target: Path) -> bool:
        nonlocal moves
        moves += 1
        if moves == 2:  # the old artefact has been moved away
            assert not target.exists()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return False

    monkeypatch.setattr(publish, "_move", moved)
    with pytest.raises(ExportError, match="cannot be written"):
        _write(target, "new")
    assert _content(target) == _whole("old")
    assert _around(target) == []


def test_a_target_with_foreign_files_is_refused_before_any_work(target: Path) -> None:
    target.mkdir(parents=True)
    (target / "thesis.docx").write_text("mine")
    with pytest.raises(ExportError, match=r"holds other files \(thesis\.docx\): choose another --out"), staged(target):
        pytest.fail("the work had begun")
    assert _content(target) == {"thesis.docx": "mine"}
    assert _around(target) == []


def test_a_file_that_appears_meanwhile_is_not_lost(target: Path) -> None:
    def write_meanwhile() -> None:
        with staged(target):
            target.mkdir()
            (target / "notes.txt").write_text("mine")

    with pytest.raises(ExportError, match=r"notes\.txt"):
        write_meanwhile()
    assert _content(target) == {"notes.txt": "mine"}


def test_a_file_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="is a file"), staged(tmp_path / "file"):
        pass
    with pytest.raises(ExportError, match="cannot be written"), staged(tmp_path / "file" / "deeper"):
        pass


def test_a_link_keeps_pointing_to_the_artefact(tmp_path: Path) -> None:
    _write(tmp_path / "disk" / "birds", "old")
    link = tmp_path / "birds"
    link.symlink_to(tmp_path / "disk" / "birds")
    _write(link, "new")
    assert link.is_symlink()
    assert _content(tmp_path / "disk" / "birds") == _whole("new")


def test_the_directory_has_the_rights_of_any_other(target: Path, tmp_path: Path) -> None:
    _write(target, "new")
    (tmp_path / "other").mkdir()
    assert target.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_an_export_past_a_files_limit_is_one_sentence(tiny: ExportOptions) -> None:
    resource = pytest.importorskip("resource")
    directory = export_artifact(tiny)
    before = (directory / MANIFEST).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # less than each of the three files
    try:
        with pytest.raises(ExportError, match=re.escape(f"{directory} cannot be written (File too large): make room")):
            export_artifact(tiny)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (directory / MANIFEST).read_bytes() == before
    assert _around(directory) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not mount or subprocess.run([mount, *options], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=60)


@pytest.mark.parametrize(
    ("files", "step"),
    [((), "tracing into TorchScript"), ((TORCHSCRIPT,), "exporting to ONNX"), ((TORCHSCRIPT, ONNX), "quantising")],
)
def test_a_full_disk_is_one_sentence_and_keeps_the_old_artefact(
    files: tuple[str, ...], step: str, small_disk: Path, tiny: ExportOptions
) -> None:
    """There is room for these files alone, or for a page; how large TorchScript is depends on the paths in it."""
    directory = export_artifact(replace(tiny, out=small_disk / "finches"))
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    filler, page = small_disk / "filler", mmap.PAGESIZE
    pages = max(sum(-(-len(before[name]) // page) for name in files), 1)
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - pages * page))
    steps: list[str] = []
    with pytest.raises(ExportError) as refusal:
        export_artifact(replace(tiny, out=directory), progress=steps.append)
    assert [said for said in steps if not said.startswith("no int8 model")][-1].startswith(step)
    assert str(refusal.value) == (
        f"{directory} cannot be written (No space left on device): make room or choose another --out"
    )
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert _around(directory) == ["filler"]
    filler.unlink()
    export_artifact(replace(tiny, out=directory))


@pytest.mark.parametrize(
    ("free", "sentence"), [(0, "temporary files, {}, is full: make room or set TMPDIR"), (9, "--out")]
)
def test_of_two_disks_the_one_that_is_full_is_named(
    free: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    room = {tmp_path: free}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=room.get(folder, 5)))
    target = tmp_path.parent / "other" / "finches"
    with pytest.raises(ExportError, match=re.escape(sentence.format(tmp_path))), staged(target):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_mount_point_is_refused_before_any_work(small_disk: Path) -> None:
    with pytest.raises(ExportError, match="is a mount point, which cannot be replaced"), staged(small_disk):
        pytest.fail("the work had begun")


def _marks_of_one_directory(path: Path) -> set[str]:
    handle = os.open(path, os.O_RDONLY)
    try:
        return {Path(f"/dev/fd/{handle}", name).read_text() for name in FILES}
    finally:
        os.close(handle)
