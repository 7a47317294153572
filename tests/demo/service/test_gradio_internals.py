"""Gradio's internals: one module uses them, and they do what it says."""

import ast
from pathlib import Path

import gradio as gr
import pytest

from demo.service.gradio_internals import endpoint_parameters, find_function, find_numbered_function, is_served_file

ROOT = Path(__file__).parents[3]
UNDOCUMENTED = {"fns", "_queue", "state_holder", "mcp_server_obj", "get_blocks", "get_api_info", "GRADIO_CACHE"}


def internals_used_by(path: Path) -> set[str]:
    """Names of the modules and attributes of Gradio that a file uses although Gradio does not document them."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return {name for name in modules if name.startswith("gradio.")} | (attributes & UNDOCUMENTED)


def test_one_module_uses_gradio_internals() -> None:
    used = {str(path.relative_to(ROOT)): internals_used_by(path) for path in (ROOT / "demo").rglob("*.py")}
    assert {name for name, internals in used.items() if internals} == {"demo/service/gradio_internals.py"}, used


def test_functions_are_described_as_gradio_holds_them() -> None:
    def double(number: int, times: int = 2) -> int:
        return number * times

    with gr.Blocks() as blocks:
        gr.api(double)
        gr.Button().click(None, js="() => {}")
    function = find_function(blocks, "double")
    assert function
    assert (function.parameters, function.queued) == (("number", "times"), True)
    assert [function.accepts(values) for values in ([1, 2], [1], None)] == [True, False, False]
    assert find_numbered_function(blocks, 0) == function
    assert [find_numbered_function(blocks, number) for number in (1, 99, True, "0")] == [None] * 4
    assert find_function(blocks, "triple") is None
    assert endpoint_parameters(blocks, "double") == {"number": False, "times": True}
    assert endpoint_parameters(blocks, "triple") is None


def test_a_file_is_served_from_the_folder_of_uploads_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    paths = ("uploads/photo.jpg", "secret.txt", "uploads/../secret.txt")
    assert [is_served_file(str(tmp_path / path)) for path in paths] == [True, False, False]
    assert not is_served_file("\0\ud800")
