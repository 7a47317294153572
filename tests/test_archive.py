"""Archives from end to end: what is planted is named, every photo is accounted for, and a killed study continues."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

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
    write_archive,
)
from tests.study_results import advice, assert_equal_results, command, count_lines, rows
from tests.test_boundaries import ROOT

pytestmark = pytest.mark.slow

MOMENTS = 20 if "SOAK" in os.environ else 2  # at which a study is killed
SEEDS = 200
MOST_FALSE = 18  # of 200: more have a probability below .006 if the rate is .05


def test_the_species_and_the_site_that_are_planted_are_named_and_no_other(
    planted_archive: ArchiveFiles, studied_archive: Path
) -> None:
    assert advice(studied_archive) == [f"Look at {PLANTED_SPECIES} at {PLANTED_SITE}"]
    assert Counter(row["level"] for row in rows(studied_archive)) == {"full": 6, "screen": planted_archive.count - 6}
    page = (studied_archive / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<td class="standout"', page)) == 1
    links = {link for link in re.findall(r'(?:href|src)="([^"#]*)"', page) if not link.startswith("data:")}
    assert links
    assert all((studied_archive / link).is_file() for link in links)
    assert len(list((studied_archive / "pages").iterdir())) == len(SPECIES) + 4


def test_nothing_is_named_where_nothing_is_planted(
    archive_network: Path, imagenet_photos: list[Path], tmp_path: Path
) -> None:
    files = write_archive(tmp_path / "photos", imagenet_photos, visits=6, planted=False)
    assert main([*command(files, archive_network, tmp_path / "out")[3:], "--sample", "0"]) == 0
    assert advice(tmp_path / "out") == []
    assert "stands out from the rest" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_rate_of_false_findings_is_what_is_promised(studied_archive: Path) -> None:
    """The findings of a tiny network, dealt to species, sites and times by chance: nothing is there to be named."""
    findings = [row["finding"] for row in rows(studied_archive)]
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
    planted_archive: ArchiveFiles, archive_network: Path, studied_archive: Path, tmp_path: Path
) -> None:
    out, chance, lines = tmp_path / "out", random.Random(0), 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(MOMENTS):
        wanted_lines = lines + chance.randrange(planted_archive.count // MOMENTS)
        running = subprocess.Popen(
            command(planted_archive, archive_network, out), stderr=subprocess.DEVNULL, env=environment
        )
        deadline = time.monotonic() + 100
        while running.poll() is None and time.monotonic() < deadline and count_lines(out) <= wanted_lines:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.05))
        running.send_signal(signal.SIGKILL)
        running.wait(60)
        lines = count_lines(out)
    resumed = command(planted_archive, archive_network, out, "--resume")
    done = subprocess.run(resumed, capture_output=True, text=True, check=False, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "were explained before, and their results are reused" in done.stderr
    assert_equal_results(out, studied_archive)


def test_every_photo_is_accounted_for_with_its_reason(
    planted_archive: ArchiveFiles, archive_network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One in 50 is unreadable or cut, one is hostile, and boxes and table do not fit the photos."""
    folder = tmp_path / "photos"
    shutil.copytree(planted_archive.table.parent, folder)
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
    damaged = ArchiveFiles(folder / "archive.csv", folder / "boxes.json", planted_archive.count + 1)
    assert main([*command(damaged, archive_network, tmp_path / "out")[3:], "--sample", "0"]) == 1
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
    planted_archive: ArchiveFiles,
    archive_network: Path,
    studied_archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], check=False, timeout=60)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        assert main(command(planted_archive, archive_network, disk)[3:]) == 1
        messages = capsys.readouterr().err
        assert "No space left on device" in messages
        assert "free some space, or choose another --out" in messages
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True, timeout=60)
        assert main(command(planted_archive, archive_network, disk)[3:]) == 0
        assert "were explained before" in capsys.readouterr().err
        assert rows(disk) == rows(studied_archive)
    finally:
        subprocess.run(["umount", str(disk)], check=True, timeout=60)
