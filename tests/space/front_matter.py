"""The front matter of the README, which configures the Space."""

from pathlib import Path
from typing import Any

import yaml

from tests.space.environment import RehearsalError

REQUIRED = ("title", "sdk", "sdk_version", "python_version", "app_file", "license")


def read_front_matter(root: Path, gradio: str) -> dict[str, Any]:
    """Return the front matter of the README in `root`; `gradio` is the version that the tests run with.

    Raises:
        RehearsalError: if it is not YAML or lacks a key, or if it names another gradio or a file that is not there.
    """
    try:
        front: dict[str, Any] = yaml.safe_load((root / "README.md").read_text("utf-8").split("---\n", 2)[1])
    except (IndexError, yaml.YAMLError) as error:
        raise RehearsalError(f"the README does not begin with YAML between two lines of --- ({error})") from error
    if missing := [key for key in REQUIRED if key not in front]:
        raise RehearsalError(f"the front matter lacks {', '.join(missing)}: Spaces ask for it")
    if front["sdk_version"] != gradio:
        raise RehearsalError(f"sdk_version is {front['sdk_version']}, but the tests run with gradio {gradio}")
    if not (root / front["app_file"]).is_file():
        raise RehearsalError(f"app_file is {front['app_file']!r}, which is not a file of the repository")
    return front
