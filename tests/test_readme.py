"""The README's commands and examples still work; `tests/space/test_space.py` looks at its front matter."""

import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from export.labels import imagenet_labels

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
NEEDS_MORE = "python -m (demo|tests.bench|pytest)"  # a browser's test, a benchmark's own smoke test, and this run

# `python -m` for each of several modules with its arguments, in one process, as torch takes seconds to load.
IN_ONE_PROCESS = """
import json, runpy, sys
for module, *arguments in json.loads(sys.argv.pop()):
    sys.argv[1:] = arguments
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        assert not ended.code, (module, *arguments)
"""


def runnable() -> list[str]:
    """Commands of the README that end by themselves and need no network, in order."""
    return [line for line in COMMANDS if line.startswith("python -m") and not re.match(NEEDS_MORE, line)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, imagenet_photos: list[Path]) -> Path:
    """A folder with what the README's commands speak of: two photos, a checkpoint and its labels."""
    from torchvision.models import resnet18

    folder = tmp_path_factory.mktemp("desk")
    photos = {path.stem.split("_")[-1]: path for path in imagenet_photos}
    shutil.copy(photos["22"], folder / "eagle.jpg")
    shutil.copy(photos["99"], folder / "thrush.jpg")
    torch.manual_seed(0)
    torch.save(resnet18(num_classes=3).state_dict(), folder / "birds.pth")
    for place, index in (("bonegl", "22"), ("himbul", "99")):
        (folder / "birds" / place).mkdir(parents=True)
        shutil.copy(photos[index], folder / "birds" / place / "1.jpg")
    (folder / "megadetector.json").write_text(
        '{"info": {"format_version": "1.4"}, "detection_categories": {"1": "animal"}, "images": '
        '[{"file": "bonegl/1.jpg", "detections": [{"category": "1", "conf": 0.9, "bbox": [0.1, 0.3, 0.6, 0.6]}]}]}'
    )
    (folder / "birds.txt").write_text("Bonelli's Eagle\nRock Thrush\nHimalayan Bulbul\n")
    return folder


def test_both_commands_come_first() -> None:
    assert COMMANDS[0] == "make demo"
    assert "make test" in COMMANDS[:6]


def test_every_command_of_the_readme_works(desk: Path) -> None:
    assert len(runnable()) >= 5
    given = json.dumps([shlex.split(line)[2:] for line in runnable()])
    command = [sys.executable, "-c", IN_ONE_PROCESS, given]
    done = subprocess.run(command, cwd=desk, capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 0, done.stderr
    assert (desk / "explanations" / "thrush.compare.png").is_file()
    assert (desk / "artifacts" / "birds" / "manifest.json").is_file()
    assert (desk / "study" / "report.html").is_file()


def test_every_python_example_works(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [
        block for kind, block in BLOCKS if kind == "python" and ":7860" not in block
    ]  # tests/demo/api/test_endpoints.py has those
    assert examples
    monkeypatch.chdir(desk)
    for number, example in enumerate(examples):
        assert len(example.splitlines()) <= (10 if number else 8)
        script = desk / "example.py"
        script.write_text(example)
        runpy.run_path(str(script))
    assert (desk / "grad-cam.png").is_file()


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_every_make_target_is_there(line: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run([*shlex.split(line), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_module_and_file_that_a_command_names_is_there() -> None:
    for line in COMMANDS:
        for module in re.findall(r"python3? -m (\S+)", line):
            if module not in {"venv", "pip", "pytest"}:
                assert (ROOT / module.replace(".", "/") / "__main__.py").is_file(), line
        for name in re.findall(r"requirements\S*\.txt", line):
            assert (ROOT / name).is_file(), line


def test_links_within_the_repository_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_readme_names_only_classes_that_exist() -> None:
    for name in re.findall(r'--class "([^"]+)"', README):
        assert name in imagenet_labels()


def _environment() -> dict[str, str]:
    import os

    kept = {name: value for name, value in os.environ.items() if name != "CAMCORE_ARTIFACTS"}
    return {**kept, "PYTHONPATH": str(ROOT)}
