"""Which module imports which, seen in a fresh interpreter and in the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnxruntime", "torchvision", "gradio", "cv2", "matplotlib.pyplot")
NETWORK = {
    "http",
    "requests",
    "urllib.request",
    "urllib3",
    "httpx",
    "aiohttp",
    "fsspec",
    "socket",
    "ftplib",
    "huggingface_hub",
}
# What gradio does not document, by the names under which it is imported or read.
GRADIO_MODULES = (
    "gradio.block_function",
    "gradio.blocks",
    "gradio.data_classes",
    "gradio.events",
    "gradio.processing_utils",
    "gradio.queueing",
    "gradio.route_utils",
    "gradio.routes",
    "gradio.utils",
)
GRADIO_ATTRIBUTES = {
    "_queue",
    "fns",
    "get_api_info",
    "get_blocks",
    "keep_in_cache",
    "mcp_server_obj",
    "pending_event_ids_session",
    "pending_messages_per_session",
    "state_holder",
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    """Return the name under which a file is imported, such as `camcore.model.onnx`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Return the full names of what a file imports anywhere: at its top, in a function, or for types alone."""
    return set(_imported(parse(path)))


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
    """Return the names of the modules below a folder that import one of these modules or of what lies in them."""
    return {
        module_name(path)
        for path in sources(package)
        if any(name == module or name.startswith(f"{module}.") for name in imported(path) for module in modules)
    }


def loaded_by(statement: str) -> set[str]:
    """Return the modules loaded after a statement in a fresh interpreter, which must print nothing."""
    command = [sys.executable, "-c", f"{statement}\nimport sys\nprint('loaded', *sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith("loaded "), "importing prints nothing"
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_camcore_loads_no_runtime_and_no_page() -> None:
    modules = loaded_by("from camcore import *")
    assert "camcore.explainer" in modules
    assert modules.isdisjoint(HEAVY)
    assert not any(name.split(".")[0] in {"export", "demo", "tests"} for name in modules)


def test_importing_export_loads_nothing_that_is_slow() -> None:
    modules = loaded_by("import export")
    assert "export" in modules
    assert modules.isdisjoint(HEAVY)


def test_importing_the_command_of_export_loads_no_runtime() -> None:
    """So that its help and its complaints about arguments come at once."""
    assert loaded_by("import export.__main__, export.models").isdisjoint(HEAVY)


def test_importing_demo_loads_no_page_and_no_runtime() -> None:
    modules = loaded_by("import demo")
    assert "demo" in modules
    assert modules.isdisjoint(HEAVY)


def test_camcore_model_alone_imports_a_runtime_and_each_in_one_module() -> None:
    assert importers("camcore", "torch") == {"camcore.model.torchscript"}
    assert importers("camcore", "onnxruntime", "onnx") == {"camcore.model.onnx"}


def test_the_classifier_alone_imports_both_backends() -> None:
    assert importers("camcore", "camcore.model.torchscript", "camcore.model.onnx") == {"camcore.classifier"}


@pytest.mark.parametrize("folder", ["camcore/methods", "camcore/metrics"])
def test_methods_and_metrics_import_no_runtime_and_no_file_format(folder: str) -> None:
    assert importers(folder, "numpy")
    assert importers(folder, "torch", "onnx", "onnxruntime", "PIL", "json", "matplotlib") == set()


def test_camcore_report_alone_imports_a_template_engine() -> None:
    templates = importers("camcore", "jinja2", "markupsafe")
    assert templates
    assert templates <= importers("camcore/report", "jinja2", "markupsafe")


def test_study_and_cli_alone_import_camcore_study() -> None:
    inside = importers("camcore/study", "camcore.study") | importers("camcore/cli", "camcore.study")
    assert importers("camcore", "camcore.study") == inside


def test_the_other_tabs_and_the_api_do_not_import_the_compare_tab() -> None:
    assert importers("demo", "demo.compare")
    assert importers("demo/api", "demo.compare") == importers("demo/many", "demo.compare") == set()


def test_one_module_imports_what_gradio_does_not_document() -> None:
    assert importers("demo", *GRADIO_MODULES) == {"demo.service.gradio_internals"}


def test_one_module_reads_what_gradio_does_not_document() -> None:
    readers = {
        module_name(path)
        for path in sources("demo")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and node.attr in GRADIO_ATTRIBUTES
    }
    assert readers == {"demo.service.gradio_internals"}


def test_only_export_imports_torchvision() -> None:
    assert importers("export", "torchvision")
    assert importers("camcore", "torchvision") == importers("demo", "torchvision") == set()


def test_camcore_imports_no_page_and_no_plotting_window() -> None:
    assert importers("camcore", "gradio", "cv2", "matplotlib.pyplot") == set()


def test_few_modules_of_camcore_use_the_network_or_a_cluster() -> None:
    assert importers("camcore", *NETWORK - {"socket"}) == {"camcore.study.remote"}
    assert importers("camcore", "socket") == {"camcore.study.remote", "camcore.study.ray_cluster"}
    assert importers("camcore", "ray") == {"camcore.study.ray_engine", "camcore.study.ray_cluster"}
    assert importers("camcore", "camcore.study.ray_cluster") == {"camcore.study.ray_engine"}


def test_a_page_cannot_read_addresses() -> None:
    """A visitor's table must not make the server open one."""
    assert importers("camcore", "camcore.study.remote") | importers("demo", "camcore.study.remote") == {
        "camcore.cli.study",
        "camcore.study.inputs.load",
        "camcore.study.inputs.sources",
        "camcore.study.photo_files",
        "camcore.study.photo_study",
    }
    assert importers("camcore", "camcore.study.ray_engine") | importers("demo", "camcore.study.ray_engine") == {
        "camcore.cli.study"
    }


def test_importing_the_command_loads_no_driver_of_addresses_and_no_cluster() -> None:
    modules = loaded_by("import camcore.cli.main")
    assert "camcore.study.ray_engine" in modules
    assert modules.isdisjoint({"ray", "fsspec", "aiohttp", "pyarrow"})


def test_camcore_and_export_do_not_import_the_page_nor_camcore_export() -> None:
    assert importers("camcore", "demo") == importers("export", "demo") == set()
    assert importers("camcore", "export") == set()


@pytest.mark.parametrize("package", ["camcore", "export", "demo"])
def test_only_tests_import_the_tests(package: str) -> None:
    assert importers(package, "tests", "pytest", "hypothesis", "foolbox", "pytorch_grad_cam", "torchcam") == set()


def test_the_page_imports_no_arithmetic() -> None:
    assert importers("demo", "numpy", "scipy", "torch", "torchvision", "onnxruntime", "cv2", "matplotlib") == set()


@pytest.mark.parametrize("package", ["camcore", "export", "demo"])
def test_there_is_source_to_look_at(package: str) -> None:
    assert len(sources(package)) > 5
    assert importers(package, "camcore"), "or these tests see no import at all"


def test_libraries_do_not_print() -> None:
    for path in [*sources("camcore"), *sources("export")]:
        if path.name != "__main__.py":
            calls = (node for node in ast.walk(parse(path)) if isinstance(node, ast.Call))
            assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), path
