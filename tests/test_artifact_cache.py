"""The shared exports: made once, by one process at a time, and never half."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.artifact_cache import cached, contents


def test_cached_makes_a_folder_once_even_for_two_at_a_time(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        time.sleep(0.2)
        made.append(folder)
        (folder / "model").write_text("whole")

    with ThreadPoolExecutor(2) as workers:
        first, second = workers.map(lambda _: cached("quick", make, tmp_path), range(2), timeout=20)
    assert first == second
    assert (first / "model").read_text() == "whole"
    assert len(made) == 1


def test_cached_repeats_what_was_interrupted(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("quick", interrupted, tmp_path)
    folder = cached("quick", lambda folder: (folder / "whole").touch(), tmp_path)
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_cached_keeps_an_outdated_folder_while_a_run_may_read_it(tmp_path: Path) -> None:
    for name, age in (("quick-recent", 60), ("quick-old", 7200)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, times=(time.time() - age,) * 2)
    folder = cached("quick", lambda _: None, tmp_path)
    assert {path.name for path in tmp_path.glob("quick-*")} == {"quick-recent", folder.name}


def test_contents_tell_of_a_changed_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    before = contents(tmp_path)
    assert contents(tmp_path) == before
    (tmp_path / "a").write_text("b")
    (tmp_path / "b").touch()
    assert contents(tmp_path).keys() - before.keys() == {tmp_path / "b"}
    assert contents(tmp_path)[tmp_path / "a"] != before[tmp_path / "a"]
