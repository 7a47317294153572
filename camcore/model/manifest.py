"""One directory holds one model: its manifest, its integrity, and where to find it."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from camcore.errors import ArtifactError

FORMAT = 1
MANIFEST = "manifest.json"
TORCHSCRIPT = "model.ts.pt"
ONNX = "model.onnx"
ONNX_INT8 = "model.int8.onnx"
PREFERRED = ("resnet50", "efficientnet_lite0")

Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the model's input: resize the short side, crop the centre, normalise.

    `resize` and `crop` are pixels; `mean` and `std` are per channel, for pixels in [0, 1].
    """

    resize: int
    crop: int
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def zero_colour(self) -> tuple[int, int, int]:
        """RGB colour, 0 to 255, of a pixel that is 0 after normalisation: what a mask paints."""
        red, green, blue = (round(255 * value) for value in self.mean)
        return red, green, blue


@dataclass(frozen=True)
class Quantization:
    """How the int8 model compares with the fp32 one, on photos that it was not calibrated on.

    `noise` is the variance of its scores' error as a share of the scores' own variance over masked photos;
    `fidelity_mean` and `fidelity_min` are correlations of Score-CAM heatmaps; `speed_up` is the ratio of the times on
    the machine that exported. `float_layers` are the convolutions left in fp32. One that is not `used` was not kept,
    being slow or unfaithful.
    """

    used: bool
    noise: float
    fidelity_mean: float
    fidelity_min: float
    speed_up: float
    photos: int
    float_layers: int


@dataclass(frozen=True)
class Manifest:
    """What `export` decided, read by everything else.

    `map_size` is (h, w) of the target layer. `linear_head` says that the head is global average pooling and one
    linear layer, so that Grad-CAM equals classic CAM. `parity` holds the largest differences from the eager model,
    `files` the SHA-256 of each artefact file. `int8` is None if no int8 model was asked for.
    """

    model: str
    weights: str
    target_layer: str
    channels: int
    map_size: tuple[int, int]
    linear_head: bool
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    parity: Mapping[str, Any]
    versions: Mapping[str, str]
    files: Mapping[str, str]
    int8: Quantization | None = None
    format: int = FORMAT

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read what `to_json` wrote. Raises ValueError, KeyError or TypeError if it is anything else."""
        values = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        steps = values["preprocessing"]
        values["preprocessing"] = Preprocessing(**{**steps, "mean": tuple(steps["mean"]), "std": tuple(steps["std"])})
        values["labels"] = tuple(values["labels"])
        values["map_size"] = tuple(values["map_size"])
        values["int8"] = Quantization(**values["int8"]) if values.get("int8") else None
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def to_json(self) -> str:
        """The manifest as indented JSON, its order that of the fields."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """Read an artefact's manifest without looking at its model files.

    Raises:
        ArtifactError: if the directory is not there, is something else, or its manifest cannot be read.
    """
    if not directory.is_dir():
        raise ArtifactError(f"there is no model directory {directory}: run `python -m export --out {directory}`")
    try:
        return Manifest.from_json((directory / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            f"{directory} holds no {MANIFEST}, so it is not an exported model: "
            "name a directory that `python -m export` wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{directory / MANIFEST} cannot be read ({error}): {_export_again(directory)}") from error


def verify(directory: Path, manifest: Manifest) -> None:
    """Check every file that the manifest names against its hash.

    Raises:
        ArtifactError: if one is missing, damaged, or belongs to another export.
    """
    for name in (TORCHSCRIPT, ONNX):
        if name not in manifest.files:
            raise ArtifactError(f"the manifest in {directory} does not list {name}: {_export_again(directory)}")
    for name, expected in manifest.files.items():
        try:
            actual = sha256(directory / name)
        except OSError:
            raise ArtifactError(f"{directory / name} is missing: {_export_again(directory)}") from None
        if actual != expected:
            raise ArtifactError(
                f"{directory / name} is damaged or from another export (its hash differs from the manifest's): "
                f"{_export_again(directory)}"
            )


def list_artifacts(root: Path) -> list[str]:
    """Names of the artefacts in a folder of them, in alphabetical order."""
    if not root.is_dir():
        return []
    return sorted(path.parent.name for path in root.glob(f"[!.]*/{MANIFEST}"))


def find_artifact(root: Path | str | None = None, model: str | None = None) -> Path:
    """Directory of the artefact to use.

    `root` is one artefact or a folder of them; by default the variable CAMCORE_ARTIFACTS, else `artifacts`. From a
    folder: `model` if given, else resnet50, else efficientnet_lite0, else the first by name.

    Raises:
        ArtifactError: if there is none, or not the one asked for.
    """
    root = Path(root or os.environ.get("CAMCORE_ARTIFACTS") or "artifacts")
    if (root / MANIFEST).is_file():
        return _single(root, model)
    names = list_artifacts(root)
    if model is not None and model not in names:
        there = f"it holds {', '.join(names)}" if names else "it holds none"
        raise ArtifactError(f"{root} has no model {model!r} ({there}): run `python -m export --model {model}`")
    if not names:
        raise ArtifactError(f"{root} holds no exported model: run `python -m export`")
    return root / (model or next((name for name in PREFERRED if name in names), names[0]))


def _single(directory: Path, model: str | None) -> Path:
    manifest = read_manifest(directory)
    if model not in (None, manifest.model, directory.name):
        raise ArtifactError(
            f"{directory} holds {manifest.model}, not {model!r}: leave out the model, or name another directory"
        )
    return directory


def _export_again(directory: Path) -> str:
    return f"export it again with `python -m export --out {directory}` and the options used before"
