"""The constraints fit the requirements, every licence is allowed, and every dependency has a reason."""

import re
import subprocess
from importlib.metadata import Distribution
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.readme_examples import DOCUMENTS, ROOT
from tests.supply.distributions import PROJECT, closure, constraints, licence, problem, requirement_lines

LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINNED = dict(line.split("==") for line in LINES if not line.startswith("#"))


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    names = [line.partition("==")[0] for line in LINES if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in LINES if not line.startswith("#"))
    assert names == sorted(set(names))


def test_every_requirement_has_a_constraint_that_it_allows() -> None:
    extras = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name != "gpu"}
    needed = [*requirement_lines("requirements.txt"), *requirement_lines("requirements-test.txt")]
    needed += [Requirement(line) for lines in extras.values() for line in lines]
    for requirement in needed:
        if requirement.name != "pip":
            assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)]), requirement


def test_what_is_installed_and_needed_is_pinned() -> None:
    assert {name for name, package in closure().items() if package} - PINNED.keys() <= {"setuptools"}
    assert len(set(constraints()) - set(LINES)) <= len(LINES) / 2, "run `make constraints`: most of them are outdated"


def test_every_licence_is_allowed() -> None:
    packages = closure()
    assert len(packages) > 100
    assert [sentence for name, package in packages.items() if package and (sentence := problem(name, package))] == []


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ({"License-Expression": "MIT"}, True), ({"License-Expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}, True),
        ({"License-Expression": "AGPL-3.0-only"}, False), ({"License-Expression": "MIT AND GPL-3.0-only"}, False),
        ({"Classifier": "License :: OSI Approved :: ISC License (ISCL)"}, True),
        ({"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}, False),
        ({"License": "BSD"}, True), ({"License": "UNKNOWN"}, False), ({}, False),
    ],
)  # fmt: skip
def test_a_licence_is_read_from_what_a_package_states(statements: dict[str, str], allowed: bool) -> None:
    class Metadata(dict[str, str]):
        def get_all(self, name: str) -> list[str]:
            return [self[name]] if name in self else []

    package: Any = SimpleNamespace(metadata=Metadata(statements))
    assert (problem("birds", package) == "") == allowed


def test_a_reviewed_package_may_state_what_it_likes() -> None:
    package = closure([Requirement("pebble")])["pebble"]
    assert isinstance(package, Distribution)
    assert "LGPL" in licence(package)
    assert problem("pebble", package) == ""
    assert problem("other", package)


def test_every_dependency_at_run_time_has_a_reason() -> None:
    table = DOCUMENTS["CONTRIBUTING.md"].partition("## Dependencies")[2]
    rows = re.findall(r"^\| (.+?) \|", table, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"[\w-]+", row)}
    lines = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]
    names = {requirement.name for requirement in [*map(Requirement, lines), *requirement_lines("requirements.txt")]}
    assert names - named == set()


def test_the_tests_are_no_dependency_of_the_package() -> None:
    assert "pytest" not in {Requirement(line).name for line in PROJECT["dependencies"]}
    assert "pytest" in {line.name for line in requirement_lines("requirements.txt")}, "which is its owner's one list"


@pytest.mark.parametrize(
    ("program", "code", "printed"),
    [
        ("echo 'No known vulnerabilities found'", 0, "No known vulnerabilities found"),
        ("echo 'torch 2.0 PYSEC-1'; exit 1", 1, "torch 2.0 PYSEC-1"),
        ("echo 'requests.exceptions.ConnectionError: Max retries exceeded'; exit 1", 0, "SKIPPED: the service"),
    ],
)
def test_an_audit_fails_for_a_vulnerability_and_says_when_it_is_skipped(
    program: str, code: int, printed: str, tmp_path: Path
) -> None:
    stand_in = tmp_path / "pip-audit"
    stand_in.write_text(f"#!/bin/sh\n{program}\n")
    stand_in.chmod(0o755)
    command = [str(ROOT / ".ci" / "audit"), str(stand_in)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, printed in done.stdout + done.stderr) == (code, True)
