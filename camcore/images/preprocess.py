"""Preprocessing: the model's input from a photo, and the part of the photo that the model sees."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from camcore.images.photo import STRIP_PIXELS
from camcore.model.manifest import Preprocessing
from camcore.types import Array

ResizeMode = Literal["crop", "squash"]
RESIZE_MODES: dict[ResizeMode, str] = {
    "crop": "resize the short side, then crop the centre, as the weights were trained",
    "squash": "resize the whole photo to the model's square, which distorts it",
}
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_REACH = {Image.Resampling.BILINEAR: 1, Image.Resampling.BICUBIC: 2}  # to either side, in pixels of the smaller image
# torchvision resizes the whole photo before it crops, and up to this many resized pixels the result equals its to the
# last bit. Above, the photo is cropped first, for a thin photo would take gigabytes; that differs by at most one grey
# level.
_MAX_RESIZED_PIXELS = 8_000_000


class Pixels(Protocol):
    """The pixels of an RGB photo, read a part at a time: a `PIL.Image.Image`, or a decoded photo."""

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height)."""

    def crop(self, box: tuple[int, int, int, int], /) -> Image.Image:
        """Return the part with this left, top, right and bottom."""


@dataclass(frozen=True)
class View:
    """The part of a photo that the model sees."""

    image: Image.Image  # that part as an RGB image of the model's input size
    box: tuple[float, float, float, float]  # its left, top, right, bottom in pixels of the photo, may be fractions
    photo_size: tuple[int, int]  # (width, height) of the photo
    whole: Image.Image | None = None  # the whole photo, resized to that size; None if the view is of the whole photo

    @property
    def share(self) -> float:
        """Return the share of the photo that the model sees, in (0, 1]."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top) / (self.photo_size[0] * self.photo_size[1])


def preprocess(photo: Pixels, steps: Preprocessing, resize_mode: ResizeMode = "crop") -> tuple[Array, View]:
    """Return the model's input x, float32 (1, 3, H, W) and normalised, and the view that it shows.

    With `resize_mode="crop"`, x equals torchvision's `weights.transforms()` on the same RGB photo.
    """
    view = make_view(photo, steps, resize_mode)
    return normalise(view, steps), view


def make_view(photo: Pixels, steps: Preprocessing, resize_mode: ResizeMode = "crop") -> View:
    """Return the part of an RGB photo that the model sees, at the size of the model's input."""
    return _squash(photo, steps) if resize_mode == "squash" else _crop(photo, steps)


def normalise(view: View, steps: Preprocessing) -> Array:
    """Return the model's input for a view: float32 (1, 3, H, W)."""
    pixels = np.asarray(view.image, dtype=np.float32) / np.float32(255)
    x = (pixels - np.array(steps.mean, np.float32)) / np.array(steps.std, np.float32)
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def resize(
    photo: Pixels, box: tuple[float, float, float, float], size: tuple[int, int], resample: Image.Resampling
) -> Image.Image:
    """Return a part of an RGB photo, resized.

    The result is that of Pillow, which resizes each row first and then each column; but only the rows that are needed
    are read, a strip at a time, so that the photo need not be in memory as RGB.
    """
    (left, top, right, bottom), (width, height) = box, photo.size
    margin = _REACH[resample] * max((bottom - top) / size[1], 1) + 1
    first, last = max(int(top - margin), 0), min(int(bottom + margin) + 1, height)
    rows, count = Image.new("RGB", (size[0], last - first)), max(STRIP_PIXELS // width, 1)
    for start in range(first, last, count):
        strip = photo.crop((0, start, width, min(start + count, last)))
        narrow = strip.resize((size[0], strip.height), resample, box=(left, 0, right, strip.height))
        rows.paste(narrow, (0, start - first))
    return rows.resize(size, resample, box=(0, top - first, size[0], bottom - first))


def _squash(photo: Pixels, steps: Preprocessing) -> View:
    box = (0, 0, *photo.size)
    return View(resize(photo, box, (steps.crop, steps.crop), _FILTERS[steps.interpolation]), box, photo.size)


def _crop(photo: Pixels, steps: Preprocessing) -> View:
    (photo_width, photo_height), (width, height) = photo.size, _resized_size(photo.size, steps.resize)
    left, top = round((width - steps.crop) / 2), round((height - steps.crop) / 2)
    right, bottom, scale_x, scale_y = left + steps.crop, top + steps.crop, photo_width / width, photo_height / height
    box = (left * scale_x, top * scale_y, right * scale_x, bottom * scale_y)
    resample = _FILTERS[steps.interpolation]
    if width * height <= _MAX_RESIZED_PIXELS:
        image = resize(photo, (0, 0, *photo.size), (width, height), resample).crop((left, top, right, bottom))
    else:
        image = resize(photo, box, (steps.crop, steps.crop), resample)
    return View(image, box, photo.size, _squash(photo, steps).image)


def _resized_size(size: tuple[int, int], short: int) -> tuple[int, int]:
    width, height = size
    return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
