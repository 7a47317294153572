"""What a Space is made of: its packages, its copy of the repository, its variables, and weights in the cache."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

VENV = ".venv-space"  # beside the repository's files, ignored by git
_BUILT = "built-from.txt"
_INSTALL_TIMEOUT = 1800.0  # seconds
MODEL = "resnet50"
SPACE = "somebody/what-did-it-look-at"


class RehearsalError(RuntimeError):
    """Something that would keep the Space from running, in a sentence."""


def added_packages(sdk_version: str) -> list[str]:
    """What Spaces install beside requirements.txt, in the same call of pip, as their build logs show it."""
    return [f"gradio[oauth,mcp]=={sdk_version}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces"]


def pip_command(python: Path, sdk_version: str) -> list[str]:
    """The one call of pip that builds a Space, for a folder that holds nothing but requirements.txt."""
    return [str(python), "-m", "pip", "install", "-r", "requirements.txt", *added_packages(sdk_version)]


def build_environment(root: Path, front: Mapping[str, Any], folder: Path, say: Callable[[str], None]) -> Path:
    """The Python of an environment such as a Space's: the one from the last run if nothing it was built from changed.

    `folder` is an empty one for requirements.txt alone: a Space installs before it copies the repository.

    Raises:
        RehearsalError: if this machine has no such Python, or pip cannot install.
    """
    venv, version = root / VENV, ".".join(front["python_version"].split(".")[:2])
    python = venv / "bin" / "python"
    command = pip_command(python, front["sdk_version"])
    asked = "\n".join([version, *command, (root / "requirements.txt").read_text(encoding="utf-8")])
    if (venv / _BUILT).is_file() and (venv / _BUILT).read_text(encoding="utf-8") == asked:
        say(f"{VENV} is as requirements.txt and the front matter ask: kept (delete it to build it anew)")
        return python
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([_interpreter(version), "-m", "venv", str(venv)], check=True, timeout=_INSTALL_TIMEOUT)
    shutil.copy(root / "requirements.txt", folder)
    say(f"Python {version}, pip install {' '.join(command[4:])}")
    installed = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=_INSTALL_TIMEOUT
    )
    if installed.returncode:
        raise RehearsalError(f"pip cannot install what a Space would: {_last_error(installed.stderr)}")
    (venv / _BUILT).write_text(asked, encoding="utf-8")
    return python


def copy_repository(root: Path, target: Path) -> int:
    """Copy what git tracks, which is what a Space gets, and return how many files that is.

    Raises:
        RehearsalError: if git does not know the folder.
    """
    names = [name for name in _git(root, "ls-files") if (root / name).is_file()]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)
    return len(names)


def untracked(root: Path) -> list[str]:
    """Files that git neither tracks nor ignores, and that a Space will therefore not have."""
    return _git(root, "ls-files", "--others", "--exclude-standard")


def cache_seeded_weights(home: Path) -> None:
    """Put a ResNet-50 of seeded weights where torchvision's loader looks for the pretrained one."""
    import torch
    from torchvision.models import get_model, get_model_weights

    torch.manual_seed(0)
    address: str = get_model_weights(MODEL).DEFAULT.url
    path = home / ".cache" / "torch" / "hub" / "checkpoints" / address.rsplit("/", 1)[1]
    path.parent.mkdir(parents=True)
    torch.save(get_model(MODEL, weights=None).state_dict(), path)


def space_variables(home: Path, app: Path, python: Path, port: int, title: str) -> dict[str, str]:
    """All the variables that the app sees: those of a Space on the basic CPU, and proxies that refuse."""
    author, name = SPACE.split("/")
    nowhere = "http://127.0.0.1:9"  # nothing listens there
    return {
        "HOME": str(home),
        "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
        "PYTHONPATH": str(app),
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        # Of the helper variables in https://huggingface.co/docs/hub/spaces-overview
        "SPACE_ID": SPACE,
        "SPACE_AUTHOR_NAME": author,
        "SPACE_REPO_NAME": name,
        "SPACE_TITLE": title,
        "SPACE_HOST": space_host(),
        "SPACE_CREATOR_USER_ID": "0123456789abcdef01234567",
        "ACCELERATOR": "none",
        "CPU_CORES": "2",
        "MEMORY": "16Gi",
        # Of the image, whose app listens to the proxy in front of it
        "SYSTEM": "spaces",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_NUM_PORTS": "1",
        "GRADIO_ALLOW_FLAGGING": "never",
        "GRADIO_THEME": "huggingface",
        "GRADIO_SSR_MODE": "True",
        # The rehearsal's own: where it looks for what is left behind, and no way to the network
        "TMPDIR": str(home / "tmp"),
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), nowhere),
        "NO_PROXY": "localhost,127.0.0.1",
    }


def space_host() -> str:
    """Name of the host under which a Space is reached."""
    return f"{SPACE.replace('/', '-')}.hf.space"


def _interpreter(version: str) -> str:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    found = shutil.which(f"python{version}")
    if found is None:
        raise RehearsalError(f"the Space asks for Python {version}, and there is no python{version} here: install it")
    return found


def _last_error(printed: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in printed.splitlines() if line.startswith("ERROR: ")]
    return " ".join(errors[-2:] or printed.splitlines()[-1:])


def _git(root: Path, *arguments: str) -> list[str]:
    try:
        done = subprocess.run(
            ["git", *arguments, "-z"], cwd=root, capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise RehearsalError(f"git does not list the files of {root} ({error}): rehearse in a clone") from error
    return [name for name in done.stdout.split("\0") if name]
