"""The folder of a page goes with it, and what a killed page has left goes at the next start."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from demo.service.page_folder import page_folder
from tests.test_boundaries import ROOT

HOLD = (
    "import sys, time\nfrom demo.service.page_folder import page_folder\n"
    "with page_folder() as folder:\n    (folder / 'nest.jpg').touch(); print(folder, flush=True); time.sleep(60)"
)


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folder_holds_temporary_files_and_is_deleted_at_the_end(parent: Path) -> None:
    with page_folder() as folder:
        assert folder.parent == parent
        assert Path(tempfile.mkdtemp()).parent == folder
    assert list(parent.iterdir()) == []
    assert tempfile.gettempdir() == str(parent)


def test_folder_of_a_killed_page_is_deleted_and_that_of_a_running_one_is_kept(parent: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(parent), "PYTHONPATH": str(ROOT)}
    pages = [
        subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    try:
        killed, running = (Path(page.stdout.readline().strip()) for page in pages)  # type: ignore[union-attr]
        pages[0].kill()
        pages[0].wait(timeout=30)
        assert (killed / "nest.jpg").exists()
        with page_folder():
            assert not killed.exists()
            assert (running / "nest.jpg").exists()
    finally:
        for page in pages:
            page.kill()
            page.communicate(timeout=30)


def test_folder_that_was_just_created_is_kept_until_it_has_its_lock(parent: Path) -> None:
    (parent / "camcore-page-new").mkdir()
    with page_folder():
        assert (parent / "camcore-page-new").exists()
    os.utime(parent / "camcore-page-new", (0, 0))
    with page_folder():
        assert not (parent / "camcore-page-new").exists()
