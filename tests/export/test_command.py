"""`python -m export` as it is run: its streams, its exit status, and what a kill or Ctrl-C leaves."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from camcore.model.manifest import ONNX, TORCHSCRIPT, read_manifest, verify
from camcore.model.onnx import Scorer
from camcore.model.torchscript import TracedModel
from export.__main__ import main
from export.labels import imagenet_labels
from tests.conftest import own_model

ROOT = Path(__file__).parents[2]
MOMENTS = 20  # at which an export is killed
HEAVY = {"torch", "torchvision", "onnx", "onnxruntime", "gradio"}
PROGRESS = [
    "reading the weights of {model}",
    "input: 64 × 64 pixels, the centre of the photo after its shorter side is resized to {resize}; bilinear; "
    "mean 0.485 0.456 0.406; standard deviation 0.229 0.224 0.225 (torchvision's {entry}, except --size)",
    "finding the layers in the graph",
    "tracing into TorchScript",
    "exporting to ONNX",
    "comparing both with the original model, on random input and 2 photos",
    "wrote {out}",
]


def _start(*arguments: object, torch_home: Path | None = None) -> subprocess.Popen[str]:
    """The command in a process of its own, where nothing listens at the proxy that leads to the network."""
    environment = {**os.environ, "https_proxy": "http://127.0.0.1:9", "TORCH_HOME": str(torch_home)}
    command = [sys.executable, "-m", "export", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _steps(stderr: str) -> list[str]:
    """What was said, but for whether the int8 model was worth keeping, which depends on the machine."""
    return [line for line in stderr.splitlines() if not line.startswith("no int8 model: ")]


def _wait(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        try:
            out, err = process.communicate(timeout=200)
        finally:
            process.kill()  # which nothing is left of, unless it has taken too long
    return process.returncode, out, err


def _wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stderr
    for written in process.stderr:
        if written.startswith(line):
            return
    pytest.fail(f"it ended before {line!r}")


def _finches(folder: Path, out: Path) -> Sequence[object]:
    options = own_model(folder, "build", out)
    return "--model", options.model, "--weights", options.weights, "--crop", 32, "--out", out


def _is_whole(directory: Path) -> bool:
    verify(directory, read_manifest(directory))
    TracedModel(directory / TORCHSCRIPT)
    Scorer(directory / ONNX)
    return {path.name for path in directory.parent.iterdir()} == {directory.name}


@pytest.mark.slow
def test_the_default_is_resnet50_with_v2_from_torchvisions_cache(resnet50_checkpoint: Path, tmp_path: Path) -> None:
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "resnet50-11ad3fa6.pth").symlink_to(resnet50_checkpoint)
    out = tmp_path / "out" / "resnet50"
    status, stdout, stderr = _wait(_start("--crop", 64, "--no-int8", "--out", out, torch_home=tmp_path / "torch"))
    assert _steps(stderr) == [
        line.format(model="resnet50", resize=232, entry="IMAGENET1K_V2", out=out) for line in PROGRESS
    ]
    assert (status, stdout) == (0, "")
    assert _is_whole(out)
    manifest = read_manifest(out)
    assert (manifest.model, manifest.weights, manifest.layer.name) == ("resnet50", "IMAGENET1K_V2", "layer4")
    assert (manifest.layer.channels, manifest.preprocessing.resize) == (2048, 232)
    assert manifest.labels == imagenet_labels()


@pytest.mark.slow
def test_without_a_network_it_fails_in_one_sentence(tmp_path: Path) -> None:
    started = time.monotonic()
    status, stdout, stderr = _wait(_start("--out", tmp_path / "out", torch_home=tmp_path / "torch"))
    assert (status, stdout) == (1, "")
    assert stderr.splitlines() == [
        "reading the weights of resnet50",
        "error: the weights IMAGENET1K_V2 of resnet50 could not be downloaded (Connection refused): "
        "connect to the network, or give a checkpoint with --weights",
    ]
    assert time.monotonic() - started < 60
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_killed_export_leaves_the_old_artefact_and_two_at_once_a_whole_one(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out" / "finches"
    arguments = _finches(tmp_path, out)
    assert main([*map(str, arguments)]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    killed = _start(*arguments)
    _wait_for(killed, "exporting to ONNX")
    killed.kill()
    assert _wait(killed)[0] == -signal.SIGKILL
    assert [path.name for path in out.parent.glob(".*.partial/*")] == [TORCHSCRIPT]
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    verify(out, read_manifest(out))
    rivals = {layer: _start(*arguments, "--layer", layer) for layer in ("conv", "relu")}
    for rival in rivals.values():
        status, stdout, stderr = _wait(rival)
        steps = _steps(stderr)
        assert (steps[0], steps[-1]) == ("reading the weights of finches.py:build", f"wrote {out}")
        assert (status, stdout) == (0, "")
    assert _is_whole(out)
    assert read_manifest(out).layer.name in rivals


@pytest.mark.skipif("SOAK" not in os.environ, reason="takes long: run by make soak")
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_export_that_is_killed_at_any_moment_leaves_a_whole_artefact_and_the_next_one_works(tmp_path: Path) -> None:
    """The old artefact, or the new one, which has another layer; each is killed after up to as long as one takes."""
    out, chance, layers = tmp_path / "out" / "finches", random.Random(0), ("conv", "relu")
    arguments = _finches(tmp_path, out)
    start = time.monotonic()
    assert _wait(_start(*arguments, "--layer", layers[0]))[0] == 0
    duration = time.monotonic() - start
    killed = 0
    for number in range(MOMENTS):
        ending = signal.SIGTERM if number % 4 == 3 else signal.SIGKILL
        running = _start(*arguments, "--layer", layers[(number + 1) % 2])
        time.sleep(chance.uniform(0, duration))
        running.send_signal(ending)
        killed += _wait(running)[0] != 0
        verify(out, read_manifest(out))
        assert read_manifest(out).layer.name in layers
    assert killed > MOMENTS / 2
    assert _wait(_start(*arguments, "--layer", layers[0]))[0] == 0
    assert _is_whole(out)
    assert read_manifest(out).layer.name == layers[0]


@pytest.mark.slow
def test_ctrl_c_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    process = _start(*_finches(tmp_path, tmp_path / "out" / "finches"))
    _wait_for(process, "exporting to ONNX")
    process.send_signal(signal.SIGINT)
    status, stdout, stderr = _wait(process)
    assert (status, stdout, stderr) == (130, "", "stopped: nothing was written\n")
    assert not list((tmp_path / "out").iterdir())


def test_ctrl_c_while_torch_loads_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Impatient:
        def find_spec(self, name: str, *_arguments: object) -> ModuleSpec | None:
            if name == "export.pipeline":
                raise KeyboardInterrupt
            return None

    monkeypatch.delitem(sys.modules, "export.pipeline")
    monkeypatch.setattr(sys, "meta_path", [Impatient(), *sys.meta_path])
    assert main([]) == 130
    assert capsys.readouterr() == ("", "stopped: nothing was written\n")


@pytest.mark.parametrize(
    "arguments",
    [["--size", "320x"], ["--crop", "0"], ["--crop", "many"], ["--resize", "99999"], ["photo.jpg"], ["--labels"]],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    streams = capsys.readouterr()
    assert (stop.value.code, streams.out) == (2, "")
    assert streams.err.startswith("usage: python -m export")
    assert "Traceback" not in streams.err


def test_every_error_is_one_sentence_on_stderr(
    resnet18_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pth").write_text("no weights\n")
    (tmp_path / "names.txt").write_text("wren\n")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.docx").touch()
    birds = ["--model", "resnet18", "--weights", str(resnet18_checkpoint)]
    for arguments, says in (
        (["--weights", "none.pth"], "there is no checkpoint none.pth"),
        (["--weights", "text.pth"], "text.pth is not a checkpoint of plain tensors, or it is damaged"),
        (["--weights", str(resnet18_checkpoint)], "birds.pth is not a checkpoint of resnet50 (it lacks layer1.0."),
        ([*birds, "--labels", "names.txt"], "names.txt names 1 classes, but the model has 10"),
        ([*birds, "--labels", "none.txt"], "there is no labels file none.txt"),
        (["--model", "vgg"], "there is no model 'vgg'"),
        ([*birds, "--layer", "layer5"], "the model has no layer 'layer5': --list-layers prints all"),
        ([*birds, "--layer", "fc"], "the layer 'fc' is no feature map of more than one place: choose layer4."),
        ([*birds, "--photos", "taken"], "--photos taken holds no readable photo"),
        ([*birds, "--out", "taken"], "taken holds other files (thesis.docx)"),
        ([*birds, "--out", "text.pth"], "text.pth is a file"),
        ([*birds, "--out", "/proc/birds"], "/proc/birds cannot be written"),
    ):
        assert main(arguments) == 1
        streams = capsys.readouterr()
        *progress, error = streams.err.splitlines()
        assert streams.out == ""
        assert error.startswith("error: ")
        assert says in error
        assert len(progress) <= 3


def test_help_and_import_load_neither_torch_nor_a_setting() -> None:
    code = (
        "import sys, warnings, logging, export\n"
        "assert not [name for name in sys.modules if name.startswith(('export.', 'camcore', 'numpy'))]\n"
        "import numpy, matplotlib\n"
        "filters, root = list(warnings.filters), logging.getLogger().level\n"
        "import export.__main__, export.errors, export.labels, export.models, export.publish\n"
        "import export.pretrained, export.weights\n"
        "try: export.__main__.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        f"assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)\n"
        "assert (filters, root) == (list(warnings.filters), logging.getLogger().level)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--weights" in done.stdout
