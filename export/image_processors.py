"""The preprocessing that an image processor of transformers stands for, measured by trying the processor."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camcore.images.preprocess import preprocess
from camcore.model.manifest import Interpolation, Preprocessing
from camcore.types import Array
from export.checkpoints import FUNCTION
from export.errors import ExportError, shortened
from export.models import IMAGENET_STEPS

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
_GEOMETRY = ("do_resize", "size", "do_center_crop", "crop_size", "do_pad", "resample")
_INTERPOLATIONS: dict[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's codes
_PHOTO = 660, 480  # pixels; no model's input has this shape
_SQUARE = 487  # nor this side
_TOLERANCE = 0.5  # grey levels


def processor_steps(transformers: ModuleType, model: str, folder: Path, config: Any) -> tuple[Preprocessing, str]:
    """Return the steps of a model whose files are in a folder, and who says so.

    Without a file they are assumed to be those of ImageNet, at the size of the configuration. Raise ExportError if the
    image processor cannot be used, or if it changes the order of the colours.
    """
    side = config.image_size if isinstance(getattr(config, "image_size", None), int) else IMAGENET_STEPS.size[0]
    if not any((folder / name).is_file() for name in PROCESSOR_FILES):
        steps = replace(IMAGENET_STEPS, resize=round(side * 256 / 224), size=(side, side))
        return steps, f"assumed, for want of a {PROCESSOR_FILES[0]}: what most models trained on ImageNet expect"
    try:
        # Pillow's resizing is camcore's too
        options = {"backend": "pil", "local_files_only": True, "trust_remote_code": False}
        processor = transformers.AutoImageProcessor.from_pretrained(folder, **options)
        return measure_steps(processor, f"{model}'s {type(processor).__name__.removesuffix('Pil')}", side)
    except ExportError:
        raise
    except Exception as error:  # the kind of error depends on the damage
        problem = f"the image processor of {model} cannot be used ({shortened(error)})"
        raise ExportError(f"{problem}: correct or delete its {PROCESSOR_FILES[0]}") from error


def measure_steps(processor: Any, title: str, side: int = 224) -> tuple[Preprocessing, str]:
    """Return the steps that give the same input as an image processor, and its title with what differs.

    Families resize by rules of their own, such as ConvNeXt's below 384 pixels, and scale colours in several steps. So
    the processor is tried on a smooth photo, and of the ways to resize that camcore has, the nearest is chosen; the
    mean and the deviation are those that give the same values for black and white. `side` is that of the model's input
    in pixels, if the processor does not resize.
    """
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)).resize(_PHOTO)
    target = _process(processor, photo)
    size, mean, std = _size_and_colours(processor, title, side)
    code = getattr(processor, "resample", None)
    filter_name = _INTERPOLATIONS.get(2 if code is None else int(code))
    squashed = Preprocessing(min(size), size, filter_name or "bilinear", mean, std, "squash")
    ways = [replace(squashed, resize=edge, resize_mode="crop") for edge in _edges(processor, min(size))] + [squashed]
    differences = [_difference(photo, way, target) for way in ways]
    steps, values = ways[int(np.argmin(differences))], processor.to_dict()
    if min(differences) <= _TOLERANCE and filter_name:
        return steps, title
    settings = ", ".join(f"{name} {values[name]}" for name in _GEOMETRY if values.get(name) is not None)
    return steps, f"the nearest to {title}, which camcore cannot follow exactly: {settings}"


def _process(processor: Any, photo: Image.Image) -> Array:
    """Return the input (3, H, W) that a processor makes of a photo."""
    x: Array = np.asarray(processor(photo, return_tensors="np")["pixel_values"], np.float32)
    if x.ndim != 4 or x.shape[1] != 3:
        raise ExportError(f"{type(processor).__name__} returns no input of the shape (N, 3, H, W): {FUNCTION}")
    return np.asarray(x[0])


def _size_and_colours(
    processor: Any, title: str, side: int
) -> tuple[tuple[int, int], tuple[float, float, float], tuple[float, float, float]]:
    """Return the size (H, W) of the input for a square photo, and mean and deviation for pixels in [0, 1]."""
    inputs = [_process(processor, Image.new("RGB", (_SQUARE, _SQUARE), colour)) for colour in ("black", "white", "red")]
    black, white, red = (x[:, x.shape[1] // 2, x.shape[2] // 2].astype(np.float64) for x in inputs)
    if not np.allclose(red, [white[0], *black[1:]], atol=1e-4) or min(white - black) <= 0:
        raise ExportError(f"{title} changes the order of the colours, or inverts them: {FUNCTION}")
    _, height, width = inputs[0].shape
    size = (side, side) if height == width == _SQUARE else (height, width)
    return size, _channels(black / (black - white)), _channels(1 / (white - black))


def _channels(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 7) for value in values)
    return red, green, blue


def _difference(photo: Image.Image, steps: Preprocessing, target: Array) -> float:
    """Return the mean difference of the input that steps make of a photo from a target, in grey levels.

    A crop may begin a pixel later than the target's: half a pixel is rounded as torchvision does, not down.
    """
    x = preprocess(photo, steps)[0][0]
    if x.shape != target.shape:
        return float("inf")
    _, height, width = x.shape
    errors = (x[:, : height - top, : width - left] - target[:, top:, left:] for top, left in product((0, 1), repeat=2))
    return min(float(255 * np.abs(error * np.reshape(steps.std, (3, 1, 1))).mean()) for error in errors)


def _edges(processor: Any, side: int) -> list[int]:
    """Return the lengths that the shorter side of a photo may have before a crop, by the rules of all families."""
    size = processor.size or {}
    edge = size.get("shortest_edge") or min(size.get("height") or side, size.get("width") or side)
    share = getattr(processor, "crop_pct", None) or 1
    # 256 / 224 is in the code of LeViT's processor
    return sorted({max(length, side) for length in (edge, int(edge / share), int(256 / 224 * edge))})
