"""Folders of artefacts, and which artefact is used."""

import os
from pathlib import Path

from camcore.errors import ArtifactError
from camcore.model.manifest import MANIFEST, read_manifest

PREFERRED = ("resnet50", "efficientnet_lite0")


def list_artifacts(root: Path) -> list[str]:
    """Return the names of the artefacts in a folder of artefacts, in alphabetical order."""
    return sorted(path.parent.name for path in root.glob(f"[!.]*/{MANIFEST}"))


def find_artifact(root: Path | str | None = None, model: str | None = None) -> Path:
    """Return the directory of the artefact to use.

    `root` is one artefact, or a folder of artefacts; by default, the environment variable CAMCORE_ARTIFACTS, or
    `artifacts` without it. `model` is the name of the artefact in a folder; by default resnet50, else
    efficientnet_lite0, else the first by name. Raise ArtifactError if there is no artefact, or none of that name.
    """
    root = Path(root or os.environ.get("CAMCORE_ARTIFACTS") or "artifacts")
    if (root / MANIFEST).is_file():
        manifest = read_manifest(root)
        if model not in (None, manifest.model, root.name):
            raise ArtifactError(
                f"{root} holds {manifest.model}, not {model!r}: leave out the model, or name another directory"
            )
        return root
    names = list_artifacts(root)
    model = model and model.replace("/", "-")  # timm/NAME is in the folder timm-NAME
    if model is not None and model not in names:
        content = f"it holds {', '.join(names) or 'none'}"
        raise ArtifactError(f"{root} has no model {model!r} ({content}): run `python -m export --model {model}`")
    if not names:
        raise ArtifactError(f"{root} holds no exported model: run `python -m export`")
    return root / (model or next((name for name in PREFERRED if name in names), names[0]))
