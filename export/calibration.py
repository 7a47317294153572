"""Photos for the int8 model, and the masked inputs that Score-CAM makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from camcore.images.photo import open_photo
from camcore.images.preprocess import preprocess
from camcore.methods.score_cam import DEFINITIONS, alive_channels, masks
from camcore.model.manifest import Preprocessing
from camcore.model.onnx import Scorer
from camcore.types import Array

MIN_PHOTOS_TO_SPLIT = 4  # calibrate with every other photo and check with the rest


@dataclass(frozen=True)
class CalibrationPhoto:
    """One photo's input (1, 3, H, W), the activations (C, h, w) of the target layer, and the most probable class."""

    x: Array
    activations: Array
    class_idx: int

    def channels(self, count: int) -> Array:
        """Return the activations (n, h, w) of at most `count` channels that vary, evenly spaced from most to least."""
        alive = alive_channels(self.activations)
        evenly = np.unique(np.linspace(0, alive.size - 1, min(count, alive.size)).astype(int))
        channels: Array = self.activations[alive[evenly]]
        return channels

    def masked(self, count: int) -> Array:
        """Return the input masked by each of those channels, as in Score-CAM: (n, 3, H, W)."""
        mask = masks(self.channels(count), (self.x.shape[2], self.x.shape[3]), DEFINITIONS["paper"])
        masked: Array = self.x * mask[:, None]
        return masked


def split_photos(
    photos: Sequence[Path], steps: Preprocessing, exact: Scorer
) -> tuple[list[CalibrationPhoto], list[CalibrationPhoto]]:
    """Return the photos to calibrate with and the photos to check with.

    With fewer than `MIN_PHOTOS_TO_SPLIT` photos, the check uses the same ones, mirrored, whole and cropped. Photos on
    which no channel of the target layer varies are left out, because there is nothing to mask them with.
    """
    images = [open_photo(path) for path in photos]
    if len(images) >= MIN_PHOTOS_TO_SPLIT:
        return _run(images[::2], steps, exact), _run(images[1::2], steps, exact)
    mirrored = [ImageOps.mirror(image) for image in images]
    corners = [image.crop((0, 0, max(image.width * 3 // 4, 1), max(image.height * 3 // 4, 1))) for image in mirrored]
    return _run(images, steps, exact), _run(mirrored + corners, steps, exact)


def _run(images: Sequence[Image.Image], steps: Preprocessing, exact: Scorer) -> list[CalibrationPhoto]:
    photos = []
    for image in images:
        x, _ = preprocess(image, steps)
        logits, activations = exact.forward(x)
        photos.append(CalibrationPhoto(x, activations[0], int(logits.argmax())))
    return [photo for photo in photos if alive_channels(photo.activations).size]
