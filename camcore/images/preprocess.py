"""From a photo to the model's input, and what of the photo the model saw."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camcore.model.manifest import Preprocessing

ResizeMode = Literal["crop", "squash"]
RESIZE_MODES: dict[ResizeMode, str] = {
    "crop": "resize the short side, then crop the centre, as the weights were trained",
    "squash": "squeeze the whole photo into the model's square",
}
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Resizing all of a photo only to crop it is what torchvision does, to the last bit; past this many pixels the long
# side is cut first, which differs by at most one grey level.
_MAX_RESIZED_PIXELS = 8_000_000


@dataclass(frozen=True)
class View:
    """What the model saw: an RGB image of its input size, and where that lies in the photo.

    `box` is (left, top, right, bottom) in pixels of the photo, fractions included; `photo_size` its (width, height).
    """

    image: Image.Image
    box: tuple[float, float, float, float]
    photo_size: tuple[int, int]


def preprocess(photo: Image.Image, steps: Preprocessing, fit: ResizeMode = "crop") -> tuple[NDArray[np.float32], View]:
    """The model's input x, float32 (1, 3, H, W), normalised, and the view it shows.

    With `fit="crop"` x equals torchvision's `weights.transforms()` on the same RGB photo.
    """
    view = _squash(photo, steps) if fit == "squash" else _crop(photo, steps)
    pixels = np.asarray(view.image, dtype=np.float32) / np.float32(255)
    x = (pixels - np.array(steps.mean, np.float32)) / np.array(steps.std, np.float32)
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None]), view


def _squash(photo: Image.Image, steps: Preprocessing) -> View:
    image = photo.resize((steps.crop, steps.crop), _FILTERS[steps.interpolation])
    return View(image, (0, 0, photo.width, photo.height), photo.size)


def _crop(photo: Image.Image, steps: Preprocessing) -> View:
    width, height = _resized(photo.size, steps.resize)
    left, top = round((width - steps.crop) / 2), round((height - steps.crop) / 2)
    scale_x, scale_y = photo.width / width, photo.height / height
    box = (left * scale_x, top * scale_y, (left + steps.crop) * scale_x, (top + steps.crop) * scale_y)
    resample = _FILTERS[steps.interpolation]
    if width * height > _MAX_RESIZED_PIXELS:
        # In one call Pillow would choose the order of the two passes by their cost, which rounds differently.
        wide = photo.resize((steps.crop, photo.height), resample, box=(box[0], 0, box[2], photo.height))
        image = wide.resize((steps.crop, steps.crop), resample, box=(0, box[1], steps.crop, box[3]))
        return View(image, box, photo.size)
    resized = photo.resize((width, height), resample)
    return View(resized.crop((left, top, left + steps.crop, top + steps.crop)), box, photo.size)


def _resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    width, height = size
    return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
