"""Preprocessing: the model's input from a photo, and the part of the photo that the model sees."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camcore.images.decoded_photo import Damage
from camcore.images.photo import STRIP_PIXELS
from camcore.model.manifest import Interpolation, Preprocessing, ResizeMode
from camcore.types import Array, Box

RESIZE_MODES: dict[ResizeMode, str] = {
    "crop": "resize the photo until it covers the model's input, then crop the centre",
    "squash": "resize the whole photo to the model's input, which distorts it",
    "pad": "resize the whole photo without distortion, and fill the rest with the colour that the model sees as 0",
}
_FILTERS: dict[Interpolation, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# How far a filter reaches to either side, in pixels of the smaller image.
_REACH = {resample: reach for reach, resample in enumerate(_FILTERS.values())}
# torchvision resizes the whole photo before it crops, and up to this many resized pixels the result equals its to the
# last bit. Above, the photo is cropped first, for a thin photo would take gigabytes; that differs by at most one grey
# level.
_MAX_RESIZED_PIXELS = 8_000_000
_ZOOM_MARGIN = 0.1  # of the box, on each side


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
    box: tuple[float, float, float, float]  # its left, top, right, bottom in pixels; a padded view exceeds the photo
    photo_size: tuple[int, int]  # (width, height) of the photo
    whole: Image.Image | None = None  # the whole photo, resized to that size, if the view is a crop of its centre
    of_box: bool = False  # whether the view is the box of a detection
    damage: Damage | None = None  # what is wrong with the photo's file, if anything
    zoom: Image.Image | None = None  # the box of the animal with a margin, as the model would see that part alone
    taken_at: str = ""  # local date and time of the photo by its EXIF, "2026-05-01T06:30:00"; "" if there is none
    reduced: int = 1  # the photo was decoded at this fraction of its width and height: 1 is all of it, 4 a quarter

    @property
    def share(self) -> float:
        """Return the share of the photo that the model sees, in (0, 1]."""
        (left, top, right, bottom), (width, height) = self.box, self.photo_size
        return (min(right, width) - max(left, 0)) * (min(bottom, height) - max(top, 0)) / (width * height)


def preprocess(
    photo: Pixels, steps: Preprocessing, resize_mode: ResizeMode | None = None, box: Box | None = None
) -> tuple[Array, View]:
    """Return the model's input x, float32 (1, 3, H, W) and normalised, and the view that it shows; see `make_view`.

    With "crop", x equals torchvision's `weights.transforms()` on the same RGB photo.
    """
    view = make_view(photo, steps, resize_mode, box)
    return normalise(view, steps), view


def make_view(
    photo: Pixels,
    steps: Preprocessing,
    resize_mode: ResizeMode | None = None,
    box: Box | None = None,
    *,
    with_whole: bool = True,
) -> View:
    """Return the part of an RGB photo that the model sees, at the size of the model's input.

    `resize_mode` is by default the model's own. `box` is that of a detection: a model whose view is the box
    (`steps.view`) sees nothing else, and the view of any other gets a `zoom`. Without `with_whole`, the view of a crop
    has no `whole`, which takes time.
    """
    mode = resize_mode or steps.resize_mode
    make = _VIEWS[mode]
    if steps.view == "photo" or box is None:
        whole = _squash(photo, steps).image if with_whole and mode == "crop" else None
        zoom = None if box is None else make(_Part(photo, box.grown(_ZOOM_MARGIN)), steps).image
        return replace(make(photo, steps), whole=whole, zoom=zoom)
    part = _Part(photo, box)
    view = make(part, steps)
    (left, top, right, bottom), (x, y) = view.box, part.corner
    moved = (left + x, top + y, right + x, bottom + y)
    return replace(view, box=moved, photo_size=photo.size, of_box=True)


def normalise(view: View, steps: Preprocessing) -> Array:
    """Return the model's input for a view: float32 (1, 3, H, W)."""
    values, pixels = _normalised_values(steps.mean, steps.std), np.asarray(view.image)
    return np.stack([values[channel][pixels[..., channel]] for channel in range(3)])[None]


@lru_cache(maxsize=8)
def _normalised_values(mean: tuple[float, ...], std: tuple[float, ...]) -> Array:
    """Return the model's input for each value from 0 to 255 of red, green and blue, (3, 256)."""
    values = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    return np.ascontiguousarray(((values - np.array(mean, np.float32)) / np.array(std, np.float32)).T)


def denormalise(x: Array, steps: Preprocessing) -> NDArray[np.uint8]:
    """Return the RGB pixels (H, W, 3) that one input of the model, float32 (3, H, W), shows; others are clipped."""
    pixels = (x.transpose(1, 2, 0) * np.array(steps.std, np.float32) + np.array(steps.mean, np.float32)) * 255
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


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


class _Part:
    """The pixels of a photo within a box, which is extended to whole pixels and cut off at the edges of the photo."""

    def __init__(self, photo: Pixels, box: Box):
        width, height = photo.size
        left, top, right, bottom = box.left * width, box.top * height, box.right * width, box.bottom * height
        self._photo = photo
        self.corner = min(max(math.floor(left), 0), width - 1), min(max(math.floor(top), 0), height - 1)
        ends = min(math.ceil(right), width), min(math.ceil(bottom), height)
        self.size = max(ends[0] - self.corner[0], 1), max(ends[1] - self.corner[1], 1)

    def crop(self, box: tuple[int, int, int, int], /) -> Image.Image:
        (left, top, right, bottom), (x, y) = box, self.corner
        return self._photo.crop((left + x, top + y, right + x, bottom + y))


def _squash(photo: Pixels, steps: Preprocessing) -> View:
    box = (0, 0, *photo.size)
    return View(resize(photo, box, steps.size[::-1], _FILTERS[steps.interpolation]), box, photo.size)


def _pad(photo: Pixels, steps: Preprocessing) -> View:
    height, width = steps.size
    scale = min(width / photo.size[0], height / photo.size[1])
    inner = max(round(photo.size[0] * scale), 1), max(round(photo.size[1] * scale), 1)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    image = Image.new("RGB", (width, height), steps.zero_colour)
    image.paste(resize(photo, (0, 0, *photo.size), inner, _FILTERS[steps.interpolation]), (left, top))
    scale_x, scale_y = photo.size[0] / inner[0], photo.size[1] / inner[1]
    box = (-left * scale_x, -top * scale_y, (width - left) * scale_x, (height - top) * scale_y)
    return View(image, box, photo.size)


def _crop(photo: Pixels, steps: Preprocessing) -> View:
    (crop_height, crop_width), (width, height) = steps.size, _covering_size(photo.size, steps)
    left, top = round((width - crop_width) / 2), round((height - crop_height) / 2)
    right, bottom = left + crop_width, top + crop_height
    scale_x, scale_y = photo.size[0] / width, photo.size[1] / height
    box = (left * scale_x, top * scale_y, right * scale_x, bottom * scale_y)
    resample = _FILTERS[steps.interpolation]
    if width * height <= _MAX_RESIZED_PIXELS:
        image = resize(photo, (0, 0, *photo.size), (width, height), resample).crop((left, top, right, bottom))
    else:
        image = resize(photo, box, (crop_width, crop_height), resample)
    return View(image, box, photo.size)


def _covering_size(size: tuple[int, int], steps: Preprocessing) -> tuple[int, int]:
    """Return the (width, height) to which a photo of this size is resized before its centre is cropped."""
    (width, height), scale = size, steps.resize / min(steps.size)
    least_height, least_width = (round(side * scale) for side in steps.size)
    if width * least_height <= height * least_width:
        return least_width, int(least_width * height / width)
    return int(least_height * width / height), least_height


_VIEWS: dict[ResizeMode, Callable[[Pixels, Preprocessing], View]] = {"crop": _crop, "squash": _squash, "pad": _pad}
