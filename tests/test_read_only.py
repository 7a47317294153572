"""Folders that cannot be written to: an output folder is one sentence, and no program needs a home that is writable."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from camcore.cli.main import main
from export.__main__ import main as export
from tests.conftest import own_model
from tests.test_boundaries import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder, mount = tmp_path / "disk", shutil.which("mount")
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "ro,size=16k", "tmpfs", str(folder)]
    if not mount or subprocess.run([mount, *options], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("no read-only disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=60)


@pytest.fixture
def commands(quick_artifacts: Path, animal_photos: list[Path], tmp_path: Path) -> dict[str, Callable[[str], int]]:
    """The programs that write files, as functions of the output folder that return their exit code."""
    options, photos = own_model(tmp_path, "build", tmp_path), tmp_path / "photos"
    photos.mkdir()
    shutil.copy(animal_photos[0], photos)
    model = ["--model", str(options.model), "--weights", str(options.weights), "--crop", "32"]
    use = [str(photos), "--artifacts", str(quick_artifacts)]
    return {
        "explain": lambda out: main(["explain", *use, "--out", out]),
        "study": lambda out: main(["study", *use, "--out", out]),
        "export": lambda out: export([*model, "--out", out]),
    }


@pytest.mark.parametrize("program", ["explain", "study", "export"])
def test_output_folder_that_is_read_only_is_one_sentence(
    program: str, commands: dict[str, Callable[[str], int]], read_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands[program](str(read_only / "out")) in {1, 2}
    *_, sentence = capsys.readouterr().err.splitlines()
    assert "Read-only file system" in sentence
    assert "choose another --out" in sentence
    assert len(sentence) < 250


def test_program_works_with_a_home_that_is_read_only(
    quick_artifacts: Path, animal_photos: list[Path], read_only: Path, tmp_path: Path
) -> None:
    unset = {"MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TORCH_HOME", "HF_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    command = [sys.executable, "-m", "camcore", "explain", str(animal_photos[0])]
    command += ["--artifacts", str(quick_artifacts), "--out", str(tmp_path / "out"), "--effort", "8"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=200, cwd=ROOT,
        env={**environment, "HOME": str(read_only)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 4
