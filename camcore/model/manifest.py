"""Artefact directories, each of one model: the manifest, the check of the files, and how a directory is chosen."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from camcore.errors import ArtifactError
from camcore.model.layer import Layer

FORMAT = 2
MANIFEST = "manifest.json"
TORCHSCRIPT = "model.ts.pt"
ONNX = "model.onnx"
ONNX_INT8 = "model.int8.onnx"
PREFERRED = ("resnet50", "efficientnet_lite0")

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
ResizeMode = Literal["crop", "squash", "pad"]
ViewSource = Literal["photo", "box"]
InputLayout = Literal["NCHW", "NHWC"]
Head = Literal["softmax", "one logit", "multi-label"]


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the model's input: resize, crop or pad, normalise."""

    resize: int  # for "crop": length of the input's shorter side before the crop, in pixels of the resized photo
    size: tuple[int, int]  # (height, width) of the model's input, in pixels
    interpolation: Interpolation  # filter for resizing
    mean: tuple[float, float, float]  # of each channel, for pixels in [0, 1]
    std: tuple[float, float, float]  # standard deviation of each channel, for pixels in [0, 1]
    resize_mode: ResizeMode = "crop"  # how a photo of another shape becomes an input of that size
    view: ViewSource = "photo"  # "box" for a model of cropped detections: it sees the box of the animal, if given
    to_srgb: bool = False  # whether colours are converted to sRGB from the colour space that a photo's file describes

    @property
    def zero_colour(self) -> tuple[int, int, int]:
        """Return the RGB colour, 0 to 255, of a pixel that is 0 after normalisation, as masked pixels are."""
        red, green, blue = (min(max(round(255 * value), 0), 255) for value in self.mean)
        return red, green, blue


@dataclass(frozen=True)
class Quantization:
    """How the int8 model compares with the fp32 model, on photos that it was not calibrated on."""

    used: bool  # false if the int8 model was too slow or too inaccurate to be kept
    noise: float  # variance of the error of its scores, as a share of the scores' own variance over masked photos
    fidelity_mean: float  # mean correlation of its Score-CAM heatmaps with those of fp32
    fidelity_min: float  # smallest such correlation
    speed_up: float  # ratio of the times of fp32 and int8 on the machine that exported
    photos: int  # number of photos of this comparison
    float_layers: int  # number of convolutions that were left in fp32


@dataclass(frozen=True)
class Manifest:
    """The description of an exported model, written by `export` and read by everything else."""

    model: str  # name of the architecture
    weights: str  # name of the weights: `IMAGENET1K_V2`, `package`, or the file name of a checkpoint
    layers: tuple[Layer, ...]  # of the artefact; the methods use the first, unless another is chosen
    labels: tuple[str, ...]  # names of the classes, by index
    preprocessing: Preprocessing
    parity: Mapping[str, Any]  # largest differences of the artefacts from the original model
    versions: Mapping[str, str]  # of the packages that exported
    files: Mapping[str, str]  # SHA-256 of each file of the artefact
    int8: Quantization | None = None  # None if no int8 model was requested
    head: Head = "softmax"  # what probabilities are made of; "one logit" z became the two classes -z/2 and z/2
    input_layout: InputLayout = "NCHW"  # of the exported model; the files of the artefact take NCHW
    classifier: str | None = None  # TorchScript parameter with the last weight matrix; None for the last of two axes
    format: int = FORMAT

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read a manifest that `to_json` wrote, now or in format 1; raise ValueError, KeyError or TypeError otherwise.

        A manifest of format 1 has one layer and a square input.
        """
        values = json.loads(text)
        number = values.get("format") if isinstance(values, dict) else None
        if number not in (1, FORMAT):
            raise ValueError(f"its format is {number}, not 1 or {FORMAT}: it was written by a newer version")
        if number == 1:
            values = _from_format_1(values)
        steps: dict[str, Any] = values["preprocessing"]
        values["preprocessing"] = Preprocessing(
            **steps | {name: tuple(steps[name]) for name in ("size", "mean", "std")}
        )
        values["layers"] = tuple(Layer(**{**layer, "map_size": tuple(layer["map_size"])}) for layer in values["layers"])
        if not values["layers"]:
            raise ValueError("it has no layer")
        values["labels"] = tuple(values["labels"])
        values["int8"] = Quantization(**values["int8"]) if values.get("int8") else None
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    @property
    def layer(self) -> Layer:
        """Return the layer that the methods use."""
        return self.layers[0]

    @property
    def multi_label(self) -> bool:
        """Return whether several classes may be right at once: each has a probability of its own."""
        return self.head == "multi-label"

    def at_layer(self, name: str) -> "Manifest":
        """Return the manifest with another layer first; raise ArtifactError if the artefact has no such layer."""
        chosen = [layer for layer in self.layers if layer.name == name]
        if not chosen:
            names = ", ".join(layer.name for layer in self.layers)
            raise ArtifactError(
                f"{self.model} was exported without the layer {name!r}: choose {names}, or export again"
            )
        return replace(self, layers=(*chosen, *(layer for layer in self.layers if layer.name != name)))

    def to_json(self) -> str:
        """Return the manifest as indented JSON, in the order of the fields."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def _from_format_1(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of format 2 that those of format 1 mean."""
    layer = {"name": values["target_layer"], **{key: values[key] for key in ("channels", "map_size", "linear_head")}}
    steps = dict(values["preprocessing"])
    side = steps.pop("crop")
    return {
        "head": "softmax", "input_layout": "NCHW", "classifier": None, **values,
        "layers": [layer], "preprocessing": {**steps, "size": [side, side]}, "format": FORMAT,
    }  # fmt: skip


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """Read an artefact's manifest; its model files are not checked.

    Raise ArtifactError if the directory does not exist, is not an artefact, or has a manifest that cannot be read.
    """
    if not directory.is_dir():
        raise ArtifactError(f"there is no model directory {directory}: run `python -m export --out {directory}`")
    try:
        return Manifest.from_json((directory / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            f"{directory} is not an exported model (no {MANIFEST}): name a directory that `python -m export` wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{directory / MANIFEST} cannot be read ({error}): {_export_again(directory)}") from error


def verify(directory: Path, manifest: Manifest) -> None:
    """Raise ArtifactError if a file that the manifest lists is missing, damaged, or from another export."""
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
                f"{directory / name} is damaged or from another export (its hash differs): {_export_again(directory)}"
            )


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


def _export_again(directory: Path) -> str:
    return f"export it again with `python -m export --out {directory}` and the options used before"
