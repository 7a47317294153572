"""Archives from end to end: what is planted is named, every photo is accounted for, and a killed study continues."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from camcore.cli.main import main
from camcore.metrics.bursts import ObservationsBuilder, group_bursts
from camcore.metrics.reliance import reliance_matrix
from camcore.metrics.standouts import find_standouts
from tests.hostile_photos import thin_png
from tests.planted_archive import (
    PLANTED_SITE,
    PLANTED_SPECIES,
    SPECIES,
    ArchiveFiles,
    export_archive_network,
    write_archive,
)
from tests.test_boundaries import ROOT

pytestmark = pytest.mark.slow

MOMENTS = 20 if "SOAK" in os.environ else 2  # at which a study is killed
SEEDS = 200
MOST_FALSE = 18  # of 200: more have a probability below .006 if the rate is .05


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_archive_network(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, imagenet_photos: list[Path]) -> ArchiveFiles:
    return write_archive(tmp_path_factory.mktemp("planted"), imagenet_photos)


@pytest.fixture(scope="module")
def studied(planted: ArchiveFiles, network: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a study of the planted archive that nothing interrupted."""
    out = tmp_path_factory.mktemp("studied") / "out"
    assert main(command(planted, network, out)[3:]) == 0
    return out


def command(files: ArchiveFiles, network: Path, out: Path, *more: str) -> list[str]:
    options = ["--boxes", str(files.boxes), "--artifacts", str(network), "--out", str(out)]
    return [sys.executable, "-m", "camcore", "study", str(files.table), *options, "--sample", "6", *more]


def rows(out: Path) -> list[dict[str, Any]]:
    """Return the rows of a study without times."""
    read = parquet.read_table(out / "rows").to_pylist()
    return [{name: value for name, value in row.items() if name != "seconds"} for row in read]


def advice(out: Path) -> list[str]:
    return re.findall(r"<h3>(Look at .* at .*)</h3>", (out / "report.html").read_text(encoding="utf-8"))


def test_the_species_and_the_site_that_are_planted_are_named_and_no_other(planted: ArchiveFiles, studied: Path) -> None:
    assert advice(studied) == [f"Look at {PLANTED_SPECIES} at {PLANTED_SITE}"]
    assert Counter(row["level"] for row in rows(studied)) == {"full": 6, "screen": planted.count - 6}
    page = (studied / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<td class="standout"', page)) == 1
    links = {link for link in re.findall(r'(?:href|src)="([^"#]*)"', page) if not link.startswith("data:")}
    assert links
    assert all((studied / link).is_file() for link in links)
    assert len(list((studied / "pages").iterdir())) == len(SPECIES) + 4


def test_nothing_is_named_where_nothing_is_planted(network: Path, imagenet_photos: list[Path], tmp_path: Path) -> None:
    files = write_archive(tmp_path / "photos", imagenet_photos, visits=6, planted=False)
    assert main([*command(files, network, tmp_path / "out")[3:], "--sample", "0"]) == 0
    assert advice(tmp_path / "out") == []
    assert "stands out from the rest" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_rate_of_false_findings_is_what_is_promised(studied: Path) -> None:
    """The findings of a tiny network, dealt to species, sites and times by chance: nothing is there to be named."""
    findings = [row["finding"] for row in rows(studied)]
    assert len(set(findings)) > 1
    false = 0
    for seed in range(SEEDS):
        chance, builder = np.random.default_rng(seed), ObservationsBuilder()
        for number in chance.permutation(np.repeat(np.arange(len(findings)), 3)):
            species, site = int(chance.integers(4)), int(chance.choice(5, p=(0.4, 0.25, 0.2, 0.1, 0.05)))
            when = np.datetime64("2026-01-01T00:00:00") + np.timedelta64(int(chance.integers(15_000_000)), "s")
            builder.add(str(species), str(site), str(when), finding=findings[number], name=None, place=None)
        false += bool(find_standouts(reliance_matrix(group_bursts(builder.build(), 1800))))
    assert false <= MOST_FALSE


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_study_that_is_killed_at_any_moment_continues_and_equals_one_that_was_not(
    planted: ArchiveFiles, network: Path, studied: Path, tmp_path: Path
) -> None:
    out, chance, lines = tmp_path / "out", random.Random(0), 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(MOMENTS):
        wanted_lines = lines + chance.randrange(planted.count // MOMENTS)
        running = subprocess.Popen(command(planted, network, out), stderr=subprocess.DEVNULL, env=environment)
        deadline = time.monotonic() + 100
        while running.poll() is None and time.monotonic() < deadline and count_lines(out) <= wanted_lines:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.05))
        running.send_signal(signal.SIGKILL)
        running.wait(60)
        lines = count_lines(out)
    done = subprocess.run(
        [*command(planted, network, out), "--resume"], capture_output=True, text=True, check=False, env=environment,
        timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "were explained before, and their results are reused" in done.stderr
    assert rows(out) == rows(studied)
    assert advice(out) == advice(studied)
    assert figures(out) == figures(studied)
    names = [path.relative_to(studied) for path in pictures(studied)]
    assert [path.relative_to(out) for path in pictures(out)] == names
    for name in names:
        assert (out / name).read_bytes() == (studied / name).read_bytes()


def count_lines(out: Path) -> int:
    progress = out / "progress.jsonl"
    return progress.read_bytes().count(b"\n") if progress.is_file() else 0


def figures(out: Path) -> list[str]:
    """Return the lines of the metrics without the last column, the seconds."""
    return [line.rpartition(",")[0] for line in (out / "figures.csv").read_text(encoding="utf-8").splitlines()]


def pictures(out: Path) -> Iterator[Path]:
    for path in sorted(out.rglob("*")):
        if path.suffix in {".png", ".jpg"} and not path.name.endswith(".compare.png"):  # which has the seconds
            yield path


def test_every_photo_is_accounted_for_with_its_reason(
    planted: ArchiveFiles, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One in 50 is unreadable or cut, one is hostile, and boxes and table do not fit the photos."""
    folder = tmp_path / "photos"
    shutil.copytree(planted.table.parent, folder)
    lines = (folder / "archive.csv").read_text(encoding="utf-8").splitlines()
    files = [line.split(",")[0] for line in lines[1:]]
    (folder / files[10]).write_text("words")
    (folder / files[60]).write_bytes((folder / files[60]).read_bytes()[:600])
    (folder / files[110]).write_bytes(thin_png("large"))
    (folder / files[150]).unlink()
    shutil.copy(folder / files[0], folder / "copy.jpg")
    lines += [lines[1], "copy.jpg,bulbul,site 0,2026-03-03T03:03:03"]
    (folder / "archive.csv").write_text("\n".join(lines), encoding="utf-8")
    boxes = json.loads((folder / "boxes.json").read_text())
    del boxes["images"][20]
    boxes["images"].append({"file": "elsewhere.jpg", "detections": []})
    (folder / "boxes.json").write_text(json.dumps(boxes))
    damaged = ArchiveFiles(folder / "archive.csv", folder / "boxes.json", planted.count + 1)
    assert main([*command(damaged, network, tmp_path / "out")[3:], "--sample", "0"]) == 1
    messages = capsys.readouterr().err
    read = {row["file"]: row for row in rows(tmp_path / "out")}
    assert len(read) == damaged.count
    failed = {file: row["error"] for file, row in read.items() if row["error"]}
    assert failed.keys() == {files[10], files[60], files[110], files[150]}
    assert "not a photo" in failed[files[10]]
    assert "there is no file" in failed[files[150]]
    assert all(file in messages for file in failed)
    assert "elsewhere.jpg" in messages
    assert read[files[20]]["finding"] is None
    assert read["copy.jpg"]["sha256"] == read[files[0]]["sha256"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "1 photo is a copy of another" in page
    assert f"4 of {damaged.count}" in page
    assert advice(tmp_path / "out") == [f"Look at {PLANTED_SPECIES} at {PLANTED_SITE}"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_ends_the_study_with_a_sentence_and_the_next_run_continues(
    planted: ArchiveFiles, network: Path, studied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], check=False, timeout=60)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        assert main(command(planted, network, disk)[3:]) == 1
        messages = capsys.readouterr().err
        assert "No space left on device" in messages
        assert "free some space, or choose another --out" in messages
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True, timeout=60)
        assert main(command(planted, network, disk)[3:]) == 0
        assert "were explained before" in capsys.readouterr().err
        assert rows(disk) == rows(studied)
    finally:
        subprocess.run(["umount", str(disk)], check=True, timeout=60)
