"""The benchmarks run and print what they promise; what they measure is never a reason to fail."""

import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from tests.bench import peers
from tests.bench.__main__ import BENCHES, main
from tests.bench.libraries import GradCam, TorchCam
from tests.bench.scene import Scene, bundled_photo, open_scene, prepare_scene
from tests.bench.table import FEATURES, Figures, draw_table
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


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return prepare_scene(tmp_path_factory.mktemp("scene"), "resnet18", bundled_photo())


def rows(table: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return {label: values for label, *values in cells}


def test_help_lists_every_bench(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    for name, what in BENCHES.items():
        assert f"{name}  {what}" in printed
        assert callable(import_module(f"tests.bench.{name}").main)


@pytest.mark.usefixtures("one_thread")
def test_peers_prints_every_figure(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "prepare_scene", lambda *_: scene)  # exported once for this file
    monkeypatch.setattr(peers, "_GRADIENT_ROUNDS", 1)
    assert main(["peers", "--model", "resnet18", "--channels", "8", "--rounds", "1"]) == 0
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
    ]
    for label, (*values, _) in table.items():
        for value in values[label.endswith("faster by") :]:
            # so few channels on a busy machine can extrapolate to less than nothing
            assert re.fullmatch(r"-?\d+(\.\d+)?( s| ms| GB| ×)?", value), value


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
    table = draw_table(FIGURES)
    printed = rows(table)
    assert printed["… camcore is faster by"] == ["", "3.10 ×", "3.00 ×", "at least 3.0 (met); 3.5 (missed)"]
    assert printed["Score-CAM, 2,048 channels, extrapolated from 64"][:2] == ["20.0 s", "62.0 s"]
    assert printed["peak memory of a fresh process, first 256 channels"][-1] == "camcore at most 1.1 GB (met)"
    assert printed["… against one `features` forward (20 ms)"] == ["1.50 ×"] * 3 + ["camcore at most 1.5 (met)"]


def test_table_of_a_full_run_does_not_speak_of_extrapolation() -> None:
    printed = rows(draw_table(replace(FIGURES, channels=2048, memory_channels=2048)))
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
