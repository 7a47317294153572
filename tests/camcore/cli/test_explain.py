"""The command `explain`: files, JSON lines, exit codes and error messages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camcore.cli.main import main
from camcore.results import Prediction


@pytest.fixture
def eagle(imagenet_photos: list[Path]) -> str:
    return str(next(path for path in imagenet_photos if path.stem.endswith("_22")))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMCORE_ARTIFACTS", str(artifacts))


def test_a_photo_gives_three_overlays_a_comparison_and_a_json_line(
    eagle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", eagle, "--json", "--save-maps"]) == 0
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    record = json.loads(line)
    assert list(record) == ["file", "model", "weights", "damage", "seconds", "predictions", "explanations"]
    assert (record["file"], record["model"], record["weights"]) == (eagle, "efficientnet_lite0", "package")
    assert len(record["predictions"]) == 5
    assert list(record["predictions"][0]) == list(Prediction.__dataclass_fields__)
    assert [explanation["method"] for explanation in record["explanations"]] == ["grad-cam", "grad-cam++", "score-cam"]
    for explanation in record["explanations"]:
        assert set(explanation) == {
            "method", "class_idx", "name", "probability", "definition", "peak", "forwards", "channels",
            "channels_alive", "seconds", "map", "effort", "precision", "fidelity_estimate", "hottest",
        }  # fmt: skip
        assert (explanation["class_idx"], explanation["name"]) == (22, "bald eagle")
        heatmap = np.load(explanation["map"])
        assert heatmap.dtype == np.float32
        assert (heatmap.shape, heatmap.min(), heatmap.max()) == ((224, 224), 0, 1)
    gradient, _, score = record["explanations"]
    keys = ("definition", "forwards", "channels", "channels_alive", "effort", "precision", "fidelity_estimate")
    assert [gradient[key] for key in keys] == [None] * 7
    assert (score["definition"], score["channels"], score["effort"]) == ("paper", 1280, "fast")
    assert 32 <= score["forwards"] <= 320 < score["channels_alive"] < 1280
    assert score["precision"] in ("fp32", "int8", "int8+fp32")
    assert 0.9 < score["fidelity_estimate"] < 1
    assert sum(explanation["seconds"] for explanation in record["explanations"]) <= record["seconds"]
    stem = Path(eagle).stem
    written = sorted(path.name for path in Path("explanations").iterdir())
    suffixes = ["compare.png", *(f"{m}.{s}" for m in ("grad-cam-pp", "grad-cam", "score-cam") for s in ("npy", "png"))]
    assert written == sorted(f"{stem}.{suffix}" for suffix in suffixes)
    assert Image.open(f"explanations/{stem}.grad-cam.png").size == (224, 224)


def test_only_the_requested_methods_and_maps_are_written(eagle: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["explain", eagle, "--method", "grad-cam", "--class", "GOLDEN retriever", "--json", "--out", "here/new"]
    assert main(arguments) == 0
    (explanation,) = json.loads(capsys.readouterr().out)["explanations"]
    assert (explanation["class_idx"], explanation["map"]) == (207, None)
    stem = Path(eagle).stem
    assert {path.name for path in Path("here/new").iterdir()} == {f"{stem}.compare.png", f"{stem}.grad-cam.png"}


def test_squash_shows_the_model_the_whole_photo(eagle: str) -> None:
    for fit in ("crop", "squash"):
        assert main(["explain", eagle, "--method", "grad-cam", "--fit", fit, "--out", fit]) == 0
    name = f"{Path(eagle).stem}.grad-cam.png"
    assert Path("crop", name).read_bytes() != Path("squash", name).read_bytes()


def test_bad_photos_are_reported_and_the_others_explained(eagle: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("words.jpg").write_text("not a photo")
    Path("empty.png").touch()
    photos = ["words.jpg", eagle, "empty.png", "missing.jpg", "."]
    assert main(["explain", *photos, "--method", "grad-cam", "--json"]) == 1
    captured = capsys.readouterr()
    records = [json.loads(line) for line in captured.out.splitlines()]
    assert [record["file"] for record in records] == photos
    assert [sorted(record) for record in records if "error" in record] == [["error", "file"]] * 4
    assert "explanations" in records[1]
    assert len(captured.err.splitlines()) == 5
    assert "Traceback" not in captured.err


def test_equal_stems_get_numbers_regardless_of_case(eagle: str) -> None:
    for folder, name in (("a", "bird.jpg"), ("b", "Bird.jpg"), ("c", "bird-2.jpg"), ("d", "BIRD.jpg")):
        Path(folder).mkdir()
        Path(folder, name).write_bytes(Path(eagle).read_bytes())
    photos = ["a/bird.jpg", "b/Bird.jpg", "c/bird-2.jpg", "d/BIRD.jpg"]
    assert main(["explain", *photos, "--method", "grad-cam"]) == 0
    stems = {path.name.removesuffix(".compare.png") for path in Path("explanations").glob("*.compare.png")}
    assert stems == {"bird", "Bird-2", "bird-2-2", "BIRD-3"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--class", "bald egle"], "no class is named 'bald egle': the nearest are bald eagle"),
        (["--class", "1000"], "class 1000 is out of range: this model has classes 0 to 999"),
        (["--class", "-1"], "class -1 is out of range"),
        (["--class", "CARDIGAN"], "several classes are named 'CARDIGAN': give an index instead, 264 or 474"),
        (["--model", "resnet50"], "has no model 'resnet50' (it holds efficientnet_lite0)"),
        (["--artifacts", "nowhere"], "nowhere holds no exported model: run `python -m export`"),
        (["--out", "a_file"], "the folder a_file cannot be created"),
    ],
)
def test_a_command_that_cannot_start_has_one_message(
    eagle: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a_file").touch()
    assert main(["explain", eagle, *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    "arguments", [[], ["explain"], ["explain", "x.jpg", "--method", "cam"], ["explain", "--opacity=2", "x.jpg"]]
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_is_reported_and_leaves_no_incomplete_file(
    eagle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=False, timeout=60)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        assert main(["explain", eagle, "--method", "grad-cam", "--out", str(disk), "--json"]) == 1
        captured = capsys.readouterr()
        assert "cannot be written (No space left on device): free some space" in json.loads(captured.out)["error"]
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True, timeout=60)


def test_a_file_that_cannot_be_written_completely_is_not_written(
    eagle: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill_the_disk(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    assert main(["explain", eagle, "--method", "grad-cam"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert list(Path("explanations").iterdir()) == []


def test_stdout_stays_empty_and_stderr_is_short(eagle: str) -> None:
    command = [sys.executable, "-m", "camcore", "explain", eagle, "--method", "grad-cam"]
    root = Path(__file__).parents[3]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=120, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "bald eagle 66%" in line
