"""A decoded photo, of which parts are converted to plain RGB when they are read."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, ImageCms

from camcore.errors import PhotoError
from camcore.images.formats import DAMAGED, PHOTOMETRIC

BACKGROUND = (255, 255, 255)
_TRANSPOSITIONS = {  # what makes a photo upright, by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MIRRORED_X, _MIRRORED_Y, _SWAPPED = {2, 3, 6, 7}, {3, 4, 7, 8}, {5, 6, 7, 8}  # EXIF orientations
_SIXTEEN_BIT = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_PROFILED = {"RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB"}  # modes that are converted to sRGB, and what they become

Damage = Literal["cut short", "overwritten"]
DAMAGE_NOTES: dict[Damage, str] = {  # after "this photo is"
    "cut short": "cut short: its last rows may be missing",
    "overwritten": "partly damaged: some of it may be shifted, grey or of other colours",
}


class DecodedPhoto:
    """A decoded photo, whose pixels are converted to upright RGB when they are read.

    The largest photos that are accepted take 200 MB as decoded: a converted copy would take as much again. `size` is
    (width, height) as decoded, `full_size` that of the file, `damage` what is wrong with it, if anything, and
    `taken_at` the local date and time of its EXIF, "2026-05-01T06:30:00", or "".
    """

    def __init__(self, image: Image.Image, full_size: tuple[int, int], *, damage: Damage | None, to_srgb: bool):
        self._image, self._orientation = image, _orientation(image)
        is_swapped = self._orientation in _SWAPPED
        self.size, self.full_size = ((size[::-1] if is_swapped else size) for size in (image.size, full_size))
        self.damage = damage
        self.taken_at = _taken_at(image)
        self._colours = _colours_to_srgb(image) if to_srgb else None
        # White is 0, which Pillow heeds with 8 bits only.
        self._is_negative = image.mode in _SIXTEEN_BIT and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Return a part as an RGB image without metadata, with transparent pixels over white."""
        (left, top, right, bottom), (width, height) = box, self.size
        if self._orientation in _MIRRORED_X:
            left, right = width - right, width - left
        if self._orientation in _MIRRORED_Y:
            top, bottom = height - bottom, height - top
        if self._orientation in _SWAPPED:
            left, top, right, bottom = top, left, bottom, right
        with damage_refused():
            part = self._to_rgb(self._image.crop((left, top, right, bottom)))
        return part.transpose(_TRANSPOSITIONS[self._orientation]) if self._orientation in _TRANSPOSITIONS else part

    def _to_rgb(self, part: Image.Image) -> Image.Image:
        if part.mode in _SIXTEEN_BIT:
            grey = np.clip(np.rint(np.asarray(part).astype(np.float32) / 257), 0, 255).astype(np.uint8)
            part = Image.fromarray(255 - grey if self._is_negative else grey)
        if self._colours is not None:
            part = ImageCms.applyTransform(part, self._colours)  # type: ignore[assignment]
        if part.has_transparency_data:
            rgba = part.convert("RGBA")
            part = Image.alpha_composite(Image.new("RGBA", rgba.size, (*BACKGROUND, 255)), rgba)
        if part.mode != "RGB":
            part = part.convert("RGB")
        part.info = {}
        return part


@contextmanager
def damage_refused() -> Iterator[None]:
    """Raise PhotoError for whatever Pillow raises in the block: a damaged file can raise any exception in it."""
    try:
        yield
    except (MemoryError, PhotoError):
        raise
    except Exception:
        raise PhotoError(DAMAGED) from None


def _colours_to_srgb(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from the colours that a photo's profile describes, None without a profile that fits."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in _PROFILED:
        return None
    try:
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(
            ImageCms.getOpenProfile(io.BytesIO(profile)), srgb, image.mode, _PROFILED[image.mode]
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):  # a damaged profile, or one of other colours
        return None


def _taken_at(image: Image.Image) -> str:
    try:
        exif = image.getexif()
        text = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    except MemoryError:
        raise
    except Exception:  # a damaged file can raise any exception in Pillow
        return ""
    try:
        return datetime.strptime(str(text).strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:  # none, or zeros, as a camera without a clock writes them
        return ""


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 if there is none.

    `ImageOps.exif_transpose` is not used: it fails if any other EXIF entry is faulty.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # a damaged file can raise any exception in Pillow
        return 1
    return orientation if isinstance(orientation, int) else 1
