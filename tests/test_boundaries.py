"""Which package knows of which, seen in a fresh interpreter and in the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnxruntime", "torchvision", "gradio", "cv2", "matplotlib.pyplot")
NETWORK = {"http", "requests", "urllib3", "httpx", "aiohttp", "socket", "ftplib", "huggingface_hub"}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports anywhere: at its top, in a function, or for types alone."""
    return set(_imported(ast.parse(path.read_text(encoding="utf-8"))))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their package in full"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(package: str, *modules: str) -> set[str]:
    """Names of a package's files that import one of these modules or of what lies in them."""
    return {
        path.stem
        for path in sources(package)
        if any(name == module or name.startswith(f"{module}.") for name in imported(path) for module in modules)
    }


def loaded_by(statement: str) -> set[str]:
    """Modules loaded after a statement in a fresh interpreter, which must print nothing."""
    script = f"{statement}\nimport sys\nprint('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("loaded "), "importing prints nothing"
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_camcore_brings_no_runtime_and_no_page() -> None:
    modules = loaded_by("import camcore")
    assert "camcore.explainer" in modules
    assert modules.isdisjoint(HEAVY)
    assert not any(name.split(".")[0] in {"export", "demo", "tests"} for name in modules)


def test_importing_export_brings_nothing_that_is_slow_to_load() -> None:
    modules = loaded_by("import export")
    assert "export" in modules
    assert modules.isdisjoint(HEAVY)


def test_importing_the_command_of_export_brings_no_runtime() -> None:
    """So that its help and its complaints about arguments come at once."""
    assert loaded_by("import export.__main__, export.models").isdisjoint(HEAVY)


def test_importing_demo_brings_no_page_and_no_runtime() -> None:
    modules = loaded_by("import demo")
    assert "demo" in modules
    assert modules.isdisjoint(HEAVY)


def test_the_methods_and_all_else_know_no_runtime_and_the_facade_alone_knows_both() -> None:
    assert importers("camcore", "camcore.model.torchscript", "camcore.model.onnx") == {"explainer"}


def test_within_camcore_one_module_knows_torch_and_one_knows_onnxruntime() -> None:
    assert importers("camcore", "torch") == {"torchscript"}
    assert importers("camcore", "onnxruntime", "onnx") == {"onnx"}


def test_only_export_knows_torchvision() -> None:
    assert importers("export", "torchvision")
    assert importers("camcore", "torchvision") == importers("demo", "torchvision") == set()


def test_camcore_knows_no_page_no_network_and_no_plotting_window() -> None:
    assert importers("camcore", "gradio", "cv2", "matplotlib.pyplot", "urllib", *NETWORK) == set()


def test_neither_camcore_nor_export_knows_the_page_nor_camcore_export() -> None:
    assert importers("camcore", "demo") == importers("export", "demo") == set()
    assert importers("camcore", "export") == set()


def test_nothing_but_tests_knows_the_tests() -> None:
    for package in ("camcore", "export", "demo"):
        assert importers(package, "tests", "pytest", "hypothesis", "foolbox", "pytorch_grad_cam", "torchcam") == set()


def test_the_page_does_no_arithmetic() -> None:
    assert importers("demo", "numpy", "scipy", "torch", "torchvision", "onnxruntime", "cv2", "matplotlib") == set()


@pytest.mark.parametrize("package", ["camcore", "export", "demo"])
def test_there_is_source_to_look_at(package: str) -> None:
    assert len(sources(package)) > 5
    assert importers(package, "camcore"), "or these tests see no import at all"


def test_libraries_do_not_print() -> None:
    for path in [*sources("camcore"), *sources("export")]:
        if path.name != "__main__.py":
            calls = (
                node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
            )
            assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), path
