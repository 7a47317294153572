"""The record of the last rehearsal: what was measured, and a digest of what that depends on."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

RECORD = "tests/space/measured.md"
_INPUTS = ("requirements.txt", "app.py", "demo/__main__.py", "demo/server.py")


def digest_inputs(root: Path, front: Mapping[str, Any]) -> str:
    """Return a digest of the front matter and of the files that decide how a Space is built, started and rehearsed."""
    rehearsal = (path for path in (root / "tests" / "space").glob("*.py") if not path.name.startswith("test_"))
    digest = sha256(json.dumps(front, sort_keys=True).encode())
    for path in [*(root / name for name in _INPUTS), *sorted(rehearsal)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_rehearsed(root: Path, front: Mapping[str, Any]) -> bool:
    """Return whether the recorded rehearsal is one of these inputs."""
    path = root / RECORD
    return path.is_file() and digest_inputs(root, front) in path.read_text(encoding="utf-8")


def write_record(root: Path, front: Mapping[str, Any], report: str) -> None:
    """Record what a rehearsal has measured."""
    text = f"Written by `make space`; CI rehearses the Space again when its inputs differ.\n\n{report}\n\nInputs: "
    (root / RECORD).write_text(f"{text}{digest_inputs(root, front)}\n", encoding="utf-8")
