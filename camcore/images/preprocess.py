"""Preprocessing: the model's input from a photo, and the part of the photo that the model sees."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from camcore.model.manifest import Preprocessing
from camcore.types import Array

ResizeMode = Literal["crop", "squash"]
RESIZE_MODES: dict[ResizeMode, str] = {
    "crop": "resize the short side, then crop the centre, as the weights were trained",
    "squash": "resize the whole photo to the model's square, which distorts it",
}
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_SUPPORTS = {"bilinear": 1, "bicubic": 2}  # reach of a filter to either side, in pixels of the smaller image
# torchvision resizes the whole photo before it crops, and up to this many resized pixels the result equals its to the
# last bit. Above, the long side is cropped first, which saves time and differs by at most one grey level.
_MAX_RESIZED_PIXELS = 8_000_000


@dataclass(frozen=True)
class View:
    """The part of a photo that the model sees."""

    image: Image.Image  # that part as an RGB image of the model's input size
    box: tuple[float, float, float, float]  # its left, top, right, bottom in pixels of the photo, may be fractions
    photo_size: tuple[int, int]  # (width, height) of the photo


def preprocess(photo: Image.Image, steps: Preprocessing, resize_mode: ResizeMode = "crop") -> tuple[Array, View]:
    """Return the model's input x, float32 (1, 3, H, W) and normalised, and the view that it shows.

    With `resize_mode="crop"`, x equals torchvision's `weights.transforms()` on the same RGB photo.
    """
    view = make_view(photo, steps, resize_mode)
    return normalise(view, steps), view


def make_view(photo: Image.Image, steps: Preprocessing, resize_mode: ResizeMode = "crop") -> View:
    """Return the part of an RGB photo that the model sees, at the size of the model's input."""
    return _squash(photo, steps) if resize_mode == "squash" else _crop(photo, steps)


def normalise(view: View, steps: Preprocessing) -> Array:
    """Return the model's input for a view: float32 (1, 3, H, W)."""
    pixels = np.asarray(view.image, dtype=np.float32) / np.float32(255)
    x = (pixels - np.array(steps.mean, np.float32)) / np.array(steps.std, np.float32)
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def _squash(photo: Image.Image, steps: Preprocessing) -> View:
    image = photo.resize((steps.crop, steps.crop), _FILTERS[steps.interpolation])
    return View(image, (0, 0, photo.width, photo.height), photo.size)


def _crop(photo: Image.Image, steps: Preprocessing) -> View:
    width, height = _resized_size(photo.size, steps.resize)
    left, top = round((width - steps.crop) / 2), round((height - steps.crop) / 2)
    scale_x, scale_y = photo.width / width, photo.height / height
    box = (left * scale_x, top * scale_y, (left + steps.crop) * scale_x, (top + steps.crop) * scale_y)
    resample = _FILTERS[steps.interpolation]
    if width * height <= _MAX_RESIZED_PIXELS:
        resized = photo.resize((width, height), resample)
        return View(resized.crop((left, top, left + steps.crop, top + steps.crop)), box, photo.size)
    # Two calls fix the order of the two passes. In one call Pillow chooses it by cost, which rounds differently. The
    # first call resizes only the rows that the second one reads: all rows of a thin photo would take gigabytes.
    margin = _SUPPORTS[steps.interpolation] * max(scale_y, 1) + 1
    first, last = max(int(box[1] - margin), 0), min(int(box[3] + margin) + 1, photo.height)
    rows = photo.crop((0, first, photo.width, last))
    wide = rows.resize((steps.crop, rows.height), resample, box=(box[0], 0, box[2], rows.height))
    image = wide.resize((steps.crop, steps.crop), resample, box=(0, box[1] - first, steps.crop, box[3] - first))
    return View(image, box, photo.size)


def _resized_size(size: tuple[int, int], short: int) -> tuple[int, int]:
    width, height = size
    return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
