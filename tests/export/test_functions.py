"""A user's own function as the model: what it may be, and the one sentence that refuses anything else."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from camcore import Explainer, open_photo
from camcore.model.manifest import read_manifest
from export.__main__ import main
from export.errors import ExportError
from export.models import find_source
from tests.conftest import OWN_MODEL

NETWORK = OWN_MODEL.partition("def one")[0]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which the command runs; what it imports there is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("finch_")]:
        del sys.modules[name]


def refusal(model: str, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return the sentence with which the command refuses a model, having left nothing behind."""
    before = {*Path().rglob("*")}
    path = [*sys.path]
    assert main(["--model", model, "--no-int8", "--size", "32", "--out", "models/out", *options]) == 1
    streams = capsys.readouterr()
    *_, error = streams.err.splitlines()
    assert streams.out == ""
    assert "Traceback" not in streams.err
    assert error.startswith("error: ")
    left = {path for path in {*Path().rglob("*")} - before if "__pycache__" not in path.parts}
    assert left <= {Path("models")}
    assert sys.path == path
    return error.removeprefix("error: ")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "def build(): raise ValueError('no\\nluck')",
            "net.py:build fails with ValueError (no luck) in {file}, line 1:",
        ),
        (
            "def build(): return 1 / 0",
            "net.py:build fails with ZeroDivisionError (division by zero) in {file}, line 1:",
        ),
        ("def build(): raise SystemExit(3)", "net.py:build fails with SystemExit (3) in {file}, line 1: mend"),
        ("def build(): import no_such", "fails with ModuleNotFoundError (No module named 'no_such') in {file}, line 1"),
        ("def build(): return 7", "net.py:build returns an int, not a torch.nn.Module: write `def build(): return"),
        ("def build(): pass", "net.py:build returns None, not a torch.nn.Module"),
        ("from torch import nn\ndef build(): return nn.Linear", "net.py:build returns a type, not a torch.nn.Module"),
        (
            "def build(classes, *, side, depth=1): pass",
            "net.py:build needs arguments (classes, side): give them default",
        ),
        ("def other(): pass\ndef _own(): pass", "net.py:build names no function (it has other): write `def build()"),
        ("build = 3", "net.py:build names no function (it has no function)"),
        ("import no_such_package", "net.py cannot be imported (there is no module 'no_such_package'): install it"),
        (
            "from torch import no_such",
            "net.py cannot be imported, it fails with ImportError (cannot import name 'no_suc",
        ),
        ("def build(:\n", "net.py cannot be imported, it fails with SyntaxError ("),
        (
            "x = 1\nassert x > 1, 'too small'",
            "it fails with AssertionError (too small) in {file}, line 2: mend the file",
        ),
        (
            "import sys; sys.exit('usage')",
            "net.py cannot be imported, it fails with SystemExit (usage) in {file}, line 1",
        ),
    ],
    ids=lambda value: value.splitlines()[0][:40] if isinstance(value, str) else None,
)
def test_what_a_function_must_not_do(code: str, says: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("net.py")
    file.write_text(code, encoding="utf-8")
    assert says.format(file=file) in refusal("net.py:build", capsys).replace(str(desk) + "/", "")
    file.write_text(NETWORK, encoding="utf-8")
    assert find_source("net.py:build").load().weights == "from the function", "the next try works"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("none.py:build", "there is no file none.py, which --model none.py:build names: write `def build(): return My"),
        ("folder.py:build", "there is no file folder.py"),
        ("no_such_package.net:build", "no_such_package.net cannot be imported (there is no module 'no_such_package')"),
        ("torch:no_such", "torch:no_such names no function"),
        ("torchvision.models:get_model", "torchvision.models:get_model needs arguments (name): give them default"),
        ("builtins:dict", "builtins:dict returns a dict, not a torch.nn.Module"),
        (":build", " cannot be imported, it fails with ValueError (Empty module name)"),
        ("net.py:", "net.py: names no function"),
    ],
)
def test_a_name_that_leads_nowhere(model: str, says: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "folder.py").mkdir()
    (desk / "net.py").write_text(NETWORK, encoding="utf-8")
    assert says in refusal(model, capsys)


@pytest.mark.parametrize(
    ("forward", "says"),
    [
        (
            "return self.net(x), x",
            "the model returns a tuple: let it return one tensor of scores, (N, K) for K classes",
        ),
        ("return {'logits': self.net(x)}", "the model returns a dict: let it return one tensor of scores"),
        ("return self.net[0](x)", "the model returns a tensor of shape (2, 6, 7, 7) for 2 photos"),
        ("return self.net(x)[:, 0]", "the model returns a tensor of shape (2,) for 2 photos"),
        ("return self.net(x.flatten(1))", "the model fails on an input of 32 × 32 pixels with RuntimeError ("),
        ("raise KeyError('x')", "the model fails on an input of 32 × 32 pixels with KeyError ('x') in {file}, line 21"),
        ("return self.net(x) if x.sum() > 9 else x", "neither by torch.fx nor by torch.export ("),
        (
            "return self.net(x) if x.sum() > 9 else x",
            " in {file}, line 21): write this line so that it does not depend",
        ),
        ("return self.net(x).softmax(1)[:, :1].softmax(1)", "the model ends in a softmax over one output"),
    ],
)
def test_what_a_model_must_not_return(forward: str, says: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = desk / "net.py"
    wrapper = (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.net = build()\n\n"
    )
    file.write_text(f"{NETWORK}{wrapper}    def forward(self, x):\n        {forward}\n", encoding="utf-8")
    line = file.read_text(encoding="utf-8").splitlines().index(f"        {forward}") + 1
    assert says.format(file=file).replace("line 21", f"line {line}") in refusal("net.py:Net", capsys)


def test_after_a_refusal_the_next_try_works(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = desk / "net.py"
    file.write_text("def build(): return 7", encoding="utf-8")
    refusal("net.py:build", capsys)
    file.write_text(NETWORK, encoding="utf-8")
    assert main(["--model", "net.py:build", "--no-int8", "--size", "32", "--out", "models/out"]) == 0
    assert read_manifest(Path("models/out")).weights == "from the function"
    assert [path.name for path in Path("models").iterdir()] == ["out"]


def test_a_file_may_use_what_lies_beside_it_even_late(desk: Path) -> None:
    folder = desk / "project"
    folder.mkdir()
    (folder / "finch_parts.py").write_text(NETWORK, encoding="utf-8")
    (folder / "finch_late.py").write_text("CLASSES = 3\n", encoding="utf-8")
    (folder / "net.py").write_text(
        "import finch_parts\n\ndef birds():\n    import finch_late\n    return finch_parts.build(finch_late.CLASSES)\n",
        encoding="utf-8",
    )
    module = find_source("project/net.py:birds").load().module
    assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert str(folder) not in sys.path


@pytest.mark.parametrize("name", ["export.py", "types.py", "torch.py", "net.v2.py"])
def test_a_file_may_have_any_name(name: str, desk: Path) -> None:
    code = f"import dataclasses\n{NETWORK}\n@dataclasses.dataclass\nclass Options:\n    classes: 'int' = 3\n"
    (desk / "project").mkdir()
    (desk / "project" / name).write_text(code.replace("classes=4", "classes=3"), encoding="utf-8")
    modules = {name: sys.modules.get(name) for name in ("export", "types", "torch")}
    source = find_source(f"project/{name}:build")
    assert (source.name, source.folder) == (f"{name}:build", "build")
    assert source.load().labels is None
    assert {name: sys.modules.get(name) for name in modules} == modules


def test_a_function_of_a_package_beside_the_command(desk: Path) -> None:
    (desk / "finch_package").mkdir()
    (desk / "finch_package" / "__init__.py").touch()
    (desk / "finch_package" / "net.py").write_text(NETWORK, encoding="utf-8")
    loaded = find_source("finch_package.net:build").load()
    assert (loaded.weights, loaded.labels, loaded.module.training) == ("from the function", None, False)


def test_the_code_runs_only_when_the_model_is_loaded(desk: Path) -> None:
    (desk / "net.py").write_text("raise ValueError\n", encoding="utf-8")
    source = find_source("net.py:build")
    with pytest.raises(ExportError, match="ValueError"):
        source.load()


def test_weights_of_a_file_are_loaded_into_the_function_s_model(desk: Path) -> None:
    (desk / "net.py").write_text(NETWORK, encoding="utf-8")
    torch.manual_seed(9)
    state = find_source("net.py:build").load().module.state_dict()
    torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}, "birds.pth")
    loaded = find_source("net.py:build", "birds.pth").load()
    assert loaded.weights == "birds.pth"
    assert all(torch.equal(loaded.module.state_dict()[key], tensor) for key, tensor in state.items())


def test_a_module_in_half_precision_and_training_is_made_ready(desk: Path) -> None:
    (desk / "net.py").write_text(NETWORK + "def half():\n    return build().half().train()\n", encoding="utf-8")
    module = find_source("net.py:half").load().module
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert not module.training


def test_the_command_exports_a_function_and_the_explainer_takes_it(
    desk: Path, animal_photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "net.py").write_text(NETWORK, encoding="utf-8")
    (desk / "names.txt").write_text("wren\nrobin\ntit\ncrow\n", encoding="utf-8")
    options = ["--model", "net.py:build", "--size", "32", "--labels", "names.txt", "--no-int8", "--layer", "relu"]
    assert main([*options, "--layer", "conv"]) == 0
    assert capsys.readouterr().err.endswith("wrote artifacts/build\n")
    explainer = Explainer.load(desk / "artifacts" / "build")
    assert [layer.name for layer in explainer.manifest.layers] == ["relu", "conv"]
    (explanation,) = explainer.explain(open_photo(animal_photos[0]), methods=["grad-cam"])
    assert explanation.heatmap.shape == (32, 32)


def test_list_layers_prints_them_and_writes_nothing(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "net.py").write_text(NETWORK, encoding="utf-8")
    assert main(["--model", "net.py:build", "--size", "32x64", "--list-layers"]) == 0
    assert capsys.readouterr().out == (
        "conv      6 channels of   7 ×  15\nrelu      6 channels of   7 ×  15  default\n"
    )
    assert not (desk / "artifacts").exists()
