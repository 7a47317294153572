"""Names are unique and say what they hold, and nothing grows too long."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from tests.test_boundaries import ROOT, parse, sources

PACKAGES = ("camcore", "export", "demo")
# The page's tabs have files of the same names, and each package may have an entry.
PARALLEL = {"__init__", "__main__", "events", "html", "layout", "session", "text"}
VAGUE = {"asked", "told", "known", "found", "said", "each", "wanted", "given", "taken", "shown"}
MAX_MODULE, MAX_FUNCTION = 220, 40  # lines
# 10,500 lines for the house as it was when it got its rooms; every feature since raises it in its own commit.
MAX_PRODUCT = 24_850
PRODUCT = ("*.py", "*.css", "*.jinja", "*.html", "*.js")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def nodes_of(package: str) -> Iterator[tuple[Path, ast.AST]]:
    for path in sources(package):
        for node in ast.walk(parse(path)):
            yield path.relative_to(ROOT), node


def names_in(node: ast.AST) -> list[str | None]:
    """Return the names of variables, parameters, attributes and functions in one node of a syntax tree."""
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.keyword(arg=name) | ast.Attribute(attr=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias(asname=name) | ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            return [name]
    return []


def repeated(names: Iterator[str]) -> dict[str, int]:
    return {name: count for name, count in Counter(names).items() if count > 1}


def length(function: Function) -> int:
    """Return the number of lines of a function, its signature included and its docstring not."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or 0) - docstring.lineno + 1)


def test_class_names_are_unique_in_the_repository() -> None:
    classes = (node for package in PACKAGES for _, node in nodes_of(package) if isinstance(node, ast.ClassDef))
    assert repeated(node.name for node in classes) == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_module_names_are_unique_within_a_package(package: str) -> None:
    assert repeated(path.stem for path in sources(package) if path.stem not in PARALLEL) == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_names_say_what_they_hold(package: str) -> None:
    vague = [
        f"{path}:{getattr(node, 'lineno', 0)} {name}"
        for path, node in nodes_of(package)
        for name in names_in(node)
        if name in VAGUE
    ]
    assert vague == []


@pytest.mark.parametrize("package", PACKAGES)
def test_names_in_templates_say_what_they_hold(package: str) -> None:
    vague = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in (ROOT / package).rglob("*.jinja")
        for node in Environment(autoescape=True).parse(path.read_text(encoding="utf-8")).find_all(nodes.Name)
        if node.name in VAGUE
    ]
    assert vague == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_too_long(package: str) -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text("utf-8").splitlines()) for path in sources(package)}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_MODULE} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_too_long(package: str) -> None:
    lengths = {f"{path}: {node.name}": length(node) for path, node in nodes_of(package) if isinstance(node, Function)}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION} == {}


def test_the_product_is_small() -> None:
    files = (path for package in PACKAGES for pattern in PRODUCT for path in (ROOT / package).rglob(pattern))
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= MAX_PRODUCT
