"""Artefact directories, each of one model: the manifest, and the check of the files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from camcore.errors import ArtifactError
from camcore.model.json_fields import AboveZero, Count, Finite, NotNegative, Pixels, Positive, Text, read_json
from camcore.model.layer import Layer

FORMAT = 2
MANIFEST = "manifest.json"
TORCHSCRIPT = "model.ts.pt"
ONNX = "model.onnx"
ONNX_INT8 = "model.int8.onnx"

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
ResizeMode = Literal["crop", "squash", "pad"]
ViewSource = Literal["photo", "box"]
InputLayout = Literal["NCHW", "NHWC"]
Head = Literal["softmax", "one logit", "multi-label"]
Correlation = Annotated[float, Field(ge=-1, le=1)]
_MAX_MANIFEST = 50_000_000  # bytes: names of 500,000 classes


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the model's input: resize, crop or pad, normalise."""

    resize: Positive  # for "crop": length of the input's shorter side before the crop, in pixels of the resized photo
    size: tuple[Pixels, Pixels]  # (height, width) of the model's input, in pixels
    interpolation: Interpolation  # filter for resizing
    mean: tuple[Finite, Finite, Finite]  # of each channel, for pixels in [0, 1]
    std: tuple[AboveZero, AboveZero, AboveZero]  # standard deviation of each channel, for pixels in [0, 1]
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
    noise: NotNegative  # variance of the error of its scores, as a share of the scores' own variance over masked photos
    fidelity_mean: Correlation  # mean correlation of its Score-CAM heatmaps with those of fp32
    fidelity_min: Correlation  # smallest such correlation
    speed_up: NotNegative  # ratio of the times of fp32 and int8 on the machine that exported
    photos: Count  # number of photos of this comparison
    float_layers: Count  # number of convolutions that were left in fp32


@dataclass(frozen=True)
class Manifest:
    """The description of an exported model, written by `export` and read by everything else."""

    model: Text  # name of the architecture
    weights: Text  # name of the weights: `IMAGENET1K_V2`, `package`, or the file name of a checkpoint
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=10_000)]  # the methods use the first
    labels: Annotated[tuple[Text, ...], Field(min_length=1, max_length=1_000_000)]  # names of the classes, by index
    preprocessing: Preprocessing
    parity: Mapping[str, Any]  # largest differences of the artefacts from the original model
    versions: Mapping[str, Text]  # of the packages that exported
    files: Mapping[str, Text]  # SHA-256 of each file of the artefact
    int8: Quantization | None = None  # None if no int8 model was requested
    head: Head = "softmax"  # what probabilities are made of; "one logit" z became the two classes -z/2 and z/2
    input_layout: InputLayout = "NCHW"  # of the exported model; the files of the artefact take NCHW
    classifier: Text | None = None  # TorchScript parameter with the last weight matrix; None for the last of two axes
    format: Count = FORMAT

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read a manifest that `to_json` wrote, now or in format 1, which has one layer and a square input.

        Raise ValueError if a value is missing, of another type, out of its range, or contradicts another.
        """
        values = json.loads(text)
        number = values.get("format") if isinstance(values, dict) else None
        if type(number) is not int or number not in (1, FORMAT):
            raise ValueError(f"its format is {str(number)[:40]}, not 1 or {FORMAT}: it was written by a newer version")
        if number == 1:
            values = _from_format_1(values)
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in values and name != "int8"]:
            raise ValueError(f"it has no {missing[0]!r}")
        manifest: Manifest = read_json(cls, json.dumps({name: values[name] for name in names if name in values}))
        manifest._check()
        return manifest

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

    def _check(self) -> None:
        """Raise ValueError if values contradict each other."""
        if unknown := self.files.keys() - {TORCHSCRIPT, ONNX, ONNX_INT8}:
            raise ValueError(f"it lists the unknown file {ascii(min(unknown))[:40]}")
        steps, names = self.preprocessing, {layer.name for layer in self.layers}
        if steps.resize < min(steps.size):
            raise ValueError(f"preprocessing.resize is {steps.resize}, below the input's {min(steps.size)} pixels")
        if self.head == "one logit" and len(self.labels) != 2:
            raise ValueError(f"it names {len(self.labels)} classes, but one logit has 2")
        numbers = [layer.number for layer in self.layers]
        if len(names) < len(numbers) or numbers != list(range(len(numbers))):
            raise ValueError(f"its layers are not different ones with the numbers 0 to {len(numbers) - 1}")
        for layer in self.layers:
            if layer.first_token > layer.other_tokens or (layer.other_tokens and not layer.has_tokens):
                raise ValueError(f"its layer {layer.name!r} has other tokens that do not fit its axes")
        read_json(NotNegative, json.dumps(self.parity.get("worst_share_of_range")), "parity.worst_share_of_range")


def _from_format_1(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of format 2 that those of format 1 mean; raise ValueError if one is missing."""
    try:
        names = ("channels", "map_size", "linear_head")
        layer = {"name": values["target_layer"], **{key: values[key] for key in names}}
        steps = dict(values["preprocessing"])
        side = steps.pop("crop")
    except KeyError as error:
        raise ValueError(f"it has no {error}") from error
    except TypeError as error:
        raise ValueError("its preprocessing is not an object") from error
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
        return Manifest.from_json(_read_text(directory / MANIFEST))
    except FileNotFoundError:
        raise ArtifactError(
            f"{directory} is not an exported model (no {MANIFEST}): name a directory that `python -m export` wrote"
        ) from None
    except RecursionError:
        reason: object = "it is nested too deeply"
    except (OSError, ValueError) as error:
        reason = error
    raise ArtifactError(f"{directory / MANIFEST} cannot be read ({reason}): {export_again(directory)}")


def _read_text(path: Path) -> str:
    """Return the text of a file; raise ValueError if it is none in UTF-8, and OSError if it cannot be read."""
    if path.exists() and not path.is_file():  # a named pipe would be waited for
        raise ValueError("it is not a regular file")
    if path.stat().st_size > _MAX_MANIFEST:
        raise ValueError(f"it is larger than {_MAX_MANIFEST // 1_000_000} MB")
    return path.read_text(encoding="utf-8")


def verify(directory: Path, manifest: Manifest) -> None:
    """Raise ArtifactError if a file that the manifest lists is missing, damaged, or from another export."""
    for name in (TORCHSCRIPT, ONNX):
        if name not in manifest.files:
            raise ArtifactError(f"the manifest in {directory} does not list {name}: {export_again(directory)}")
    for name, expected in manifest.files.items():
        if (directory / name).exists() and not (directory / name).is_file():  # a named pipe would be waited for
            raise ArtifactError(f"{directory / name} is not a regular file: {export_again(directory)}")
        try:
            actual = sha256(directory / name)
        except OSError:
            raise ArtifactError(f"{directory / name} is missing: {export_again(directory)}") from None
        if actual != expected:
            raise ArtifactError(
                f"{directory / name} is damaged or from another export (its hash differs): {export_again(directory)}"
            )


def export_again(directory: Path) -> str:
    """Return the remedy for a damaged artefact."""
    return f"export it again with `python -m export --out {directory}` and the options used before"
