"""`--device`: where it cannot be used there is one sentence, and every engine gets it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from camcore import Explainer
from camcore.cli import study
from camcore.cli.main import main
from camcore.errors import StudyError


@pytest.fixture(autouse=True)
def without_a_gpu(tmp_path: Path, quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMCORE_ARTIFACTS", str(quick_artifacts))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("command", ["explain", "study"])
def test_cuda_without_a_gpu_is_one_sentence(
    command: str, animal_photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    source = animal_photos[0] if command == "explain" else animal_photos[0].parent
    assert main([command, str(source), "--device", "cuda"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: torch ")
    assert line.endswith(", or use --device cpu")
    assert not list(Path().iterdir())


@pytest.mark.parametrize("command", ["explain", "study"])
def test_another_device_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "a.jpg", "--device", "tpu"])
    assert "invalid choice: 'tpu' (choose from" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_every_engine_and_the_records_get_the_device(
    engine: str, animal_photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def make(*arguments: Any) -> None:
        seen.append(arguments[-1])

    def stop(manifest: object, settings: Any) -> None:
        seen.append(settings.device)
        raise StudyError("enough")

    monkeypatch.setattr(Explainer, "load", make)
    monkeypatch.setattr(study, "LocalEngine", lambda _: None)
    monkeypatch.setattr(study, "RayEngine", make)
    monkeypatch.setattr(study, "conditions", stop)
    for device in ("cuda", "cpu"):
        main(["study", str(animal_photos[0].parent), "--engine", engine, "--device", device])
    assert seen == ["cuda", "cuda", "cpu", "cpu"]
