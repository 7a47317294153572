"""Each promise of SECURITY.md names a test, and each test that it names exists."""

import ast
import re

import pytest

from tests.readme_examples import DOCUMENTS, ROOT

NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENTS["SECURITY.md"])))
PROMISES = re.findall(r"^\| (?!promise|---)(.+)\|$", DOCUMENTS["SECURITY.md"], flags=re.MULTILINE)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_the_test_of_a_promise_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_promise_names_a_test() -> None:
    assert len(PROMISES) > 20
    assert [promise for promise in PROMISES if "::test_" not in promise] == []
