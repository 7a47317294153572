"""The commands and examples of the README files work; `tests/space/test_space.py` checks the front matter."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
import transformers

from camcore.cli.main import main
from export.labels import imagenet_labels
from tests.export.onnx_models.nets import conv_net, to_file
from tests.readme_examples import DOCUMENTS, EXAMPLES, ROOT, commands

MAX_LINES = 180
NEEDS_MORE = "python -m (demo|tests.bench|pytest)"  # a browser's test, a benchmark's own smoke test, and this run

EXPORTED = "python -m export --model efficientnet_lite0"  # what the fixture `artifacts` does

CLASSIFIER = """
from torch import nn


def build() -> nn.Module:
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)]
    return nn.Sequential(nn.Conv2d(3, 8, 7, stride=8), nn.ReLU(), *head)
"""

# `python -m` for each of several modules with its arguments, in one process, as torch takes seconds to load. An export
# measures its int8 model on few masks: the artefact of EfficientNet-Lite0 is measured on all.
IN_ONE_PROCESS = """
import json, runpy, sys
from export import quantize
quantize._CALIBRATION_MASKS, quantize._CHECK_MASKS = 2, 4
for module, *arguments in json.loads(sys.argv.pop()):
    sys.argv[1:] = arguments
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        assert not ended.code, (module, *arguments)
"""


def runnable() -> list[str]:
    """Return the commands that end by themselves and need no network, those of the main README first."""
    lines = dict.fromkeys([*commands("README.md"), *commands()])
    return [line for line in lines if line.startswith("python -m") and not re.match(NEEDS_MORE, line)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, imagenet_photos: list[Path], stand_in_artifacts: Path) -> Path:
    """Return a folder with the files that the examples name: photos, boxes, models and labels.

    In place of EfficientNet-Lite0, which the first command exports, there is the stand-in: it answers in a moment.
    """
    from torchvision.models import resnet18

    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(stand_in_artifacts, folder / "artifacts")
    photos = {path.stem.split("_")[-1]: path for path in imagenet_photos}
    shutil.copy(photos["22"], folder / "eagle.jpg")
    shutil.copy(photos["99"], folder / "thrush.jpg")
    torch.manual_seed(0)
    torch.save(resnet18(num_classes=3).state_dict(), folder / "birds.pth")
    torch.save(timm.create_model("mobilenetv4_conv_small", num_classes=2).state_dict(), folder / "trap.pth")
    to_file(conv_net(3), folder / "finches.onnx")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=64, num_labels=3
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder / "vit-finches")
    (folder / "classifier.py").write_text(CLASSIFIER)
    for place, index in (("bonegl", "22"), ("himbul", "99")):
        (folder / "birds" / place).mkdir(parents=True)
        shutil.copy(photos[index], folder / "birds" / place / "1.jpg")
    (folder / "megadetector.json").write_text(
        '{"info": {"format_version": "1.4"}, "detection_categories": {"1": "animal"}, "images": '
        '[{"file": "bonegl/1.jpg", "detections": [{"category": "1", "conf": 0.9, "bbox": [0.1, 0.3, 0.6, 0.6]}]}]}'
    )
    (folder / "photos.csv").write_text("file,site\nbirds/bonegl/1.jpg,north\nbirds/himbul/1.jpg,south\n")
    (folder / "birds.txt").write_text("Bonelli's Eagle\nRock Thrush\nHimalayan Bulbul\n")
    return folder


def test_both_commands_come_first() -> None:
    assert commands("README.md")[0] == "make demo"
    assert "make test" in commands("README.md")[:6]


def test_the_readme_is_short() -> None:
    assert len(DOCUMENTS["README.md"].splitlines()) < MAX_LINES


@pytest.mark.slow
def test_every_command_works(desk: Path) -> None:
    assert len(runnable()) >= 5
    lines = [line for line in runnable() if line != EXPORTED]
    assert len(lines) == len(runnable()) - 1
    arguments = json.dumps([shlex.split(line)[2:] for line in lines])
    command = [sys.executable, "-c", IN_ONE_PROCESS, arguments]
    done = subprocess.run(
        command, cwd=desk, capture_output=True, text=True, check=False, timeout=280, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    assert (desk / "explanations" / "thrush.compare.png").is_file()
    assert (desk / "artifacts" / "birds" / "manifest.json").is_file()
    for name in ("trap", "finches", "vit-finches"):
        assert (desk / "artifacts" / name / "manifest.json").is_file()
    assert (desk / "study" / "report.html").is_file()


@pytest.mark.slow
def test_every_python_example_works(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [
        example for example in EXAMPLES if example.language == "python" and ":7860" not in example.text
    ]  # tests/demo/api/test_programs.py has those
    assert examples
    monkeypatch.chdir(desk)
    monkeypatch.delenv("CAMCORE_ARTIFACTS", raising=False)
    if not Path("study").exists():  # else from the commands
        assert main(["study", "birds", "--boxes", "megadetector.json"]) == 0
    for number, example in enumerate(examples):
        assert len(example.text.splitlines()) <= (10 if number else 8)
        script = desk / "example.py"
        script.write_text(example.text)
        runpy.run_path(str(script))
    assert (desk / "grad-cam.png").is_file()


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("make ")])
def test_every_make_target_is_there(line: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        [*shlex.split(line), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_every_module_and_file_that_a_command_names_is_there() -> None:
    for line in commands():
        for module in re.findall(r"python3? -m (\S+)", line):
            if module not in {"venv", "pip", "pytest"}:
                assert (ROOT / module.replace(".", "/") / "__main__.py").is_file(), line
        for name in re.findall(r"(?:requirements|constraints)\S*\.txt", line):
            assert (ROOT / name).is_file(), line


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_within_the_repository_lead_somewhere(name: str) -> None:
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", DOCUMENTS[name]):
        path = ((ROOT / name).parent / target).resolve() if target else ROOT / name
        assert path.exists(), target
        if heading:
            assert heading in _anchors(path.read_text(encoding="utf-8")), f"{target}#{heading}"


def test_the_readmes_name_only_classes_that_exist() -> None:
    for document in DOCUMENTS.values():
        for name in re.findall(r'--class "([^"]+)"', document):
            assert name in imagenet_labels()


def _anchors(document: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "CAMCORE_ARTIFACTS"}
    return {**kept, "PYTHONPATH": str(ROOT)}
