"""The benchmarks run and print what they promise; what they measure is never a reason to fail."""

import json
import os
import re
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from export.pipeline import ExportOptions
from tests.bench import archive, cluster, evidence, needs, peers, scaling
from tests.bench.__main__ import BENCHES, main
from tests.bench.company import COMPANY
from tests.bench.estimators import ESTIMATORS
from tests.bench.libraries import GradCam, TorchCam
from tests.bench.memory import Alone, run_alone
from tests.bench.scene import Scene, bundled_photo, imagenet_photos, open_scene, prepare_scene
from tests.bench.table import FEATURES, Fast, Figures, draw_table
from tests.bench.timing import Sample, in_turns

COLUMNS = ("camcore", "grad-cam", "torchcam")
FIGURES = Figures(
    model="resnet50",
    channels=64,
    memory_channels=256,
    all_channels=2048,
    rounds=3,
    score_cam={name: [Sample(1.0, 1.5)] * 3 for name in COLUMNS},
    complete={"camcore": [10.0, 20.0, 40.0], "grad-cam": [30.0, 62.0, 400.0], "torchcam": [30.0, 60.0, 120.0]},
    peaks={"camcore": 1.1, "grad-cam": 4.2, "torchcam": 1.6},
    gradients={name: [Sample(0.03, 1)] * 3 for name in COLUMNS} | {FEATURES: [Sample(0.02, 1)] * 3},
)


FAST = Fast(
    forwards=80,
    samples={
        "three": [Sample(0.5, 2)] * 3,
        "first": [Sample(0.2, 2)] * 3,
        "fp32": [Sample(3.0, 2), Sample(6.0, 2), Sample(90.0, 2)],
        "int8": [Sample(1.0, 2), Sample(2.0, 2), Sample(10.0, 2)],
    },
    peak=1.2,
)


# Every benchmark has run whole before a release; in every run, those that are quick.
soak = pytest.mark.skipif("SOAK" not in os.environ, reason="takes long: run by make soak")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A network of small inputs: what a bench prints does not depend on the size of what it measures."""
    return prepare_scene(tmp_path_factory.mktemp("scene"), "resnet18", bundled_photo(), crop=64)


def rows(table: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return {label: values for label, *values in cells}


def test_help_lists_every_bench(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    for name, what in BENCHES.items():
        assert re.search(rf"{name} +{re.escape(what)}", printed)
        assert callable(import_module(f"tests.bench.{name}").main)


@soak
@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_peers_prints_every_figure(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "prepare_scene", lambda *_: scene)  # exported once for this file
    monkeypatch.setattr(peers, "run_alone", lambda *_: Alone(Sample(1.0, 1.5), 0.5))  # tested below
    monkeypatch.setattr(peers, "_GRADIENT_ROUNDS", 1)
    monkeypatch.setattr(peers, "_FAST_ROUNDS", 1)
    arguments = ["--model", "resnet18", "--channels", "8", "--rounds", "1", "--forwards", "16"]
    assert main(["peers", *arguments]) == 0
    table = rows(capsys.readouterr().out)
    assert table.pop("") == [*COLUMNS, "target"]
    assert table.pop("---")
    assert [label.split(",")[0].split(" (")[0] for label in table] == [
        "Score-CAM",
        "… camcore is faster by",
        "… cores kept busy",
        "peak memory of a fresh process",
        "Grad-CAM and Grad-CAM++ together",
        "… against one `features` forward",
        "three methods",
        "… faster than theirs by",
        "… until the first Score-CAM",
        "… peak memory of a fresh process",
        "exhaustive in int8",
    ]
    for values in table.values():
        for value in filter(None, values[:-1]):
            # so few channels on a busy machine can extrapolate to less than nothing
            assert re.fullmatch(r"-?\d+(\.\d+)?( s| ms| GB| ×)?", value), value


@soak
@pytest.mark.slow
def test_a_library_alone_tells_time_and_peak_memory(scene: Scene) -> None:
    alone = run_alone(scene, "camcore", 8)
    assert alone.sample.seconds > 0
    assert 0.1 < alone.peak < 10


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("library", [GradCam, TorchCam])
def test_peers_run_a_forward_for_each_channel(library: type[GradCam | TorchCam], scene: Scene) -> None:
    peer = library(open_scene(scene.root))
    batches = []
    peer._model.register_forward_hook(lambda _module, inputs, _output: batches.append(len(inputs[0])))
    peer.score_cam(40)
    assert sum(batch for batch in batches if batch > 1) == peer.forwards(40) == 40
    batches.clear()
    peer.begin_score_cam(64)
    assert sum(batch for batch in batches if batch > 1) == 64


def test_extrapolation_counts_the_fixed_cost_once() -> None:
    class Library:
        def forwards(self, channels: int) -> int:
            return channels // 2  # every other channel is dead

    few, some = [Sample(1.0, 2)], [Sample(9.0, 2)]  # 1 second, and 0.25 for each of 32 forwards
    assert peers._extrapolate(Library(), few, some, channels=64, total=2048) == [1.0 + 0.25 * 1024]


def test_table_takes_ratios_round_by_round() -> None:
    table = draw_table(FIGURES, FAST)
    printed = rows(table)
    assert printed["… camcore is faster by"] == ["", "3.10 ×", "3.00 ×", "at least 3.0 (met); 3.5 (missed)"]
    assert printed["Score-CAM, 2,048 channels, extrapolated from 64"][:2] == ["20.0 s", "62.0 s"]
    assert printed["peak memory of a fresh process, first 256 channels"][-1] == "camcore at most 1.1 GB (met)"
    assert printed["… against one `features` forward (20 ms)"] == ["1.50 ×"] * 3 + ["camcore at most 1.5 (met)"]


def test_the_fast_comparison_stands_beside_the_peers_three_methods() -> None:
    printed = rows(draw_table(FIGURES, FAST))
    assert printed["three methods, Score-CAM fast (80 forwards)"] == [
        "0.50 s", "62.0 s", "60.0 s", "camcore at most 1.0 s (met)"
    ]  # fmt: skip
    assert printed["… faster than theirs by"] == ["", "124 ×", "120 ×", "at least 120 (met)"]
    assert printed["… until the first Score-CAM"][-1] == "camcore at most 0.3 s (met)"
    assert printed["… peak memory of a fresh process"][-1] == "camcore at most 1.1 GB (missed)"
    assert printed["exhaustive in int8, faster than in fp32 by"] == ["3.00 ×", "", "", "at least 2.7 (met)"]


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_fidelity_prints_a_row_a_photo_and_draws_every_estimator(
    quick_artifacts: Path, animal_photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(animal_photos[0], tmp_path / "photos")
    (tmp_path / "photos" / "notes.txt").write_text("no photo")
    arguments = [str(tmp_path / "photos"), "--artifact", str(quick_artifacts / "finches")]
    drawings = ["--plot", str(tmp_path / "curves.png"), "--company", str(tmp_path / "company.png"), "--targets"]
    assert main(["fidelity", *arguments, *drawings, "--company-forwards", "16"]) == 0
    printed = capsys.readouterr()
    assert "notes.txt" in printed.err
    lines = [line for line in printed.out.splitlines() if line.startswith("| lion.jpg")]
    assert [line.split("|")[2].strip() for line in lines] == ["paper", "probability"]
    assert all(float(line.split("|")[-2]) > 0.98 for line in lines)
    assert "correlation, 5th percentile" in rows(printed.out)
    assert rows(printed.out)["Score-CAM, exhaustive"][0].startswith("1.000; ")
    assert set(COMPANY) | {"0.997"} <= set(rows(printed.out))
    for name in ("curves.png", "company.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 1000


def test_fidelity_of_a_folder_without_photos_says_so(
    quick_artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fidelity", str(tmp_path), "--artifact", str(quick_artifacts / "finches")]) == 2
    assert capsys.readouterr().err == f"{tmp_path} holds no readable photo\n"


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_ends_in_the_exhaustive_weights(name: str) -> None:
    activations = np.random.default_rng(0).uniform(0, 3, (20, 4, 5)).astype(np.float32)
    true = np.linspace(-2, 3, 20)
    estimator = ESTIMATORS[name](activations, activations[0])
    for _ in range(3):
        runs = estimator.choose(8)
        estimator.observe(true[[run.channel for run in runs]])
    assert_array_equal(estimator.log_weights, true)


@pytest.mark.slow
def test_inputs_prints_what_becomes_of_each_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy(bundled_photo(), tmp_path / "photo.jpg")
    (tmp_path / "boxes.json").write_text(
        '{"detection_categories": {}, "images": [{"file": "a.jpg", "detections": []}]}'
    )
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "wrong.csv").write_text("0,eagle\n2,owl\n")
    assert main(["inputs", str(tmp_path)]) == 0
    cells = rows(capfd.readouterr().out)
    assert cells["boxes.json"][:2] == ["boxes", "0 boxes in 1 photos"]
    assert cells["labels/wrong.csv"][1].startswith("refused: wrong.csv numbers its classes, but has no class 1")
    assert re.fullmatch(r"\d+ × \d+", cells["photo.jpg"][1])
    assert main(["inputs", str(tmp_path / "labels" / "none")]) == 2


@soak
@pytest.mark.slow
def test_scaling_prints_three_tables(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scaling, "prepare_scene", lambda *_: scene)
    monkeypatch.setattr(scaling, "_CHUNKS", (8,))
    monkeypatch.setattr(scaling, "_ROUNDS", 1)
    monkeypatch.setattr(scaling, "_EXHAUSTIVE", 8)
    run_alone = scaling._run_alone
    monkeypatch.setattr(
        scaling, "_run_alone", lambda scene, kind, *rest: run_alone(scene, kind, *rest) if kind == "photos" else "1 1.0"
    )  # one of three processes of the same kind
    assert main(["scaling", "--model", "resnet18", "--forwards", "16", "--photos", "21"]) == 0
    printed = capfd.readouterr().out
    for head in ("| channels | fast |", "| chunk | fast |", "| 21 explanations in a row |"):
        assert head in printed
    assert re.search(r"\| memory after them \| \d\.\d+ GB", printed)


@soak
@pytest.mark.slow
def test_archive_prints_three_tables(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "prepare_scene", lambda *_: scene)
    monkeypatch.setattr(archive, "_open", lambda path: float(path.is_file()))
    counts = ["--photos", "12", "--large", "4", "--full", "2", "--rounds", "1", "--many", "12", "24"]
    assert main(["archive", "--model", "resnet18", *counts]) == 0
    printed = capfd.readouterr().out
    for head in ("| figure | photos a second |", "| photos | seconds a photo |", "| report of | made in |"):
        assert head in printed
    assert len(re.findall(r"^\| (prediction|screen|full).* \d+% \|", printed, flags=re.MULTILINE)) == 4


def test_the_plan_of_a_cluster_by_hand() -> None:
    costs = cluster.Costs(screen=0.2, screen_rest=0.02, full=7.2, full_rest=0.72, driver=0.001, report=0.0004)
    assert costs.hours(3_600_000, 2) == pytest.approx(100 + 1 + 0.4)
    assert costs.hours(3_600_000, 1000) == pytest.approx(1 + 0.002 + 0.4), "the driver is slower than the workers"
    assert costs.hours_of_gpu(3_600_000) == pytest.approx(20 + 0.2 + 0.4)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_evidence_prints_times_and_shifts(
    scene: Scene, quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exported(options: ExportOptions) -> Path:  # a model that is quantised in a moment
        return Path(shutil.copytree(quick_artifacts / "finches", str(options.out)))

    monkeypatch.setattr(evidence, "prepare_scene", lambda *_: scene)
    monkeypatch.setattr(evidence, "export_artifact", exported)
    monkeypatch.setattr(evidence, "imagenet_photos", lambda: imagenet_photos()[:4])
    assert main(["evidence", "--model", "resnet18", "--rounds", "1", "--forwards", "8"]) == 0
    printed = capsys.readouterr().out
    assert "torch eager in batches of 32, a method at a time" in printed
    assert "EfficientNet-Lite0, 1 photos it was not calibrated on" in printed
    shift = {label: [float(cell) for cell in cells] for label, cells in rows(printed).items() if "are" in label}
    assert set(shift) == {"area under a curve", "what the areas of two methods lie apart"}
    assert all(0 <= mean <= largest < 1 for mean, largest in shift.values())


def test_table_of_a_full_run_does_not_speak_of_extrapolation() -> None:
    printed = rows(draw_table(replace(FIGURES, channels=2048, memory_channels=2048), FAST))
    assert "Score-CAM, 2,048 channels" in printed
    assert "peak memory of a fresh process" in printed


def test_turns_alternate_and_the_first_is_not_counted() -> None:
    ran: list[str] = []
    samples = in_turns({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, rounds=2)
    assert ran == ["a", "b"] * 3
    assert [len(samples[name]) for name in "ab"] == [2, 2]


def test_bundled_photo_is_there() -> None:
    assert isinstance(bundled_photo(), Path)
    assert bundled_photo().is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_needs_prints_findings_correlations_and_the_cost(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(needs, "TRUTH", {"animal": "needs the target"})  # one network of four
    monkeypatch.setattr(needs, "prepare_scene", lambda *_: scene)
    plot = tmp_path / "thresholds.png"
    assert main(["needs", "--count", "6", "--rounds", "1", "--model", "resnet18", "--plot", str(plot)]) == 0
    printed = rows(capsys.readouterr().out)
    assert printed["animal"][:3] == ["6", "100%", "100.0%"]
    assert set(printed) >= {"Grad-CAM", "Centre", "Random", "one forward in fp32", "the inputs"}
    assert plot.is_file()


@pytest.mark.slow
def test_baselines_prints_the_methods_beside_centre_and_random(
    quick_artifacts: Path, animal_photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for photo in animal_photos:
        shutil.copy(photo, tmp_path / "photos")
    images = [
        {"file": photo.name, "detections": [{"category": "1", "conf": 0.9, "bbox": [0.2, 0.2, 0.5, 0.6]}]}
        for photo in animal_photos
    ]
    (tmp_path / "boxes.json").write_text(json.dumps({"detection_categories": {"1": "animal"}, "images": images}))
    arguments = [str(tmp_path / "photos"), str(tmp_path / "boxes.json")]
    assert main(["baselines", *arguments, "--artifact", str(quick_artifacts / "finches")]) == 0
    printed = rows(capsys.readouterr().out)
    assert printed[""] == ["Grad-CAM", "Grad-CAM++", "Score-CAM", "Centre", "Random"]
    assert float(printed["lift, higher is better"][3].split()[0]) > 0
    assert "The prediction needs the animal" in printed
