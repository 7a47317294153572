"""Photos: the conversion of a file to plain RGB, in this process."""

import io
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image

from camcore.errors import PhotoError
from camcore.images.formats import DAMAGED, FORMATS, HEADER_BYTES, refusal

MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000  # pixels
BACKGROUND = (255, 255, 255)

STRIP_PIXELS = 1_000_000  # converted at once, so that a conversion takes little memory beyond its result
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

Source = Path | str | bytes | IO[bytes]


def open_photo(source: Source) -> Image.Image:
    """Decode a photo into an upright RGB image, with transparent pixels over white.

    `source` is a path, the bytes of a file, or a file opened in binary mode. The EXIF orientation is applied. An
    animation gives its first frame; 16-bit grey values are divided by 257; CMYK, palette and grey images are converted.
    The result carries none of the file's metadata. The photo is decoded in this process, without a limit on time or
    memory: for photos from strangers use `camcore.PhotoDecoder`. Raise PhotoError if the file is missing, empty, not a
    photo, of a refused format, damaged, above 50 megapixels, or more than 30,000 pixels wide or high.
    """
    with decoded(source) as photo:
        (width, height), rgb = photo.size, Image.new("RGB", photo.size)
        rows = max(STRIP_PIXELS // width, 1)
        for top in range(0, height, rows):
            rgb.paste(photo.crop((0, top, width, min(top + rows, height))), (0, top))
        return rgb


def read_size(source: Source) -> tuple[int, int]:
    """Return (width, height) of a photo from its header, before any EXIF orientation; raise PhotoError as above."""
    with _opened(source) as image:
        return image.size


class DecodedPhoto:
    """A decoded photo, whose pixels are converted to upright RGB when they are read.

    The largest photos that are accepted take 200 MB as decoded: a converted copy would take as much again.
    """

    def __init__(self, image: Image.Image, orientation: int):
        self._image, self._orientation = image, orientation
        self.size = (image.height, image.width) if orientation in _SWAPPED else image.size

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Return a part as an RGB image without metadata, with transparent pixels over white."""
        (left, top, right, bottom), (width, height) = box, self.size
        if self._orientation in _MIRRORED_X:
            left, right = width - right, width - left
        if self._orientation in _MIRRORED_Y:
            top, bottom = height - bottom, height - top
        if self._orientation in _SWAPPED:
            left, top, right, bottom = top, left, bottom, right
        with _damage_refused():
            part = _to_rgb(self._image.crop((left, top, right, bottom)))
        return part.transpose(_TRANSPOSITIONS[self._orientation]) if self._orientation in _TRANSPOSITIONS else part


@contextmanager
def decoded(source: Source) -> Iterator[DecodedPhoto]:
    """Decode a photo for the block; raise PhotoError as `open_photo` does."""
    with _opened(source) as image:
        if image.mode == "F":
            raise PhotoError("this photo stores floating-point pixels, whose range is unknown: save it as 8-bit")
        with _damage_refused():
            image.load()
        yield DecodedPhoto(image, _orientation(image))


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    """Open a photo whose size is accepted, and close it at the end."""
    with warnings.catch_warnings(), open_file(source) as file:
        warnings.simplefilter("ignore")  # Pillow's warnings of damage: an error follows, or the damage is harmless
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise PhotoError("this photo is above 50 megapixels: make it smaller and try again") from None
        except MemoryError:
            raise
        except Exception:  # a damaged file can raise any exception in Pillow
            file.seek(0)
            raise PhotoError(refusal(file.read(HEADER_BYTES))) from None
        with closing(image):
            _check_size(*image.size)
            yield image


@contextmanager
def _damage_refused() -> Iterator[None]:
    """Raise PhotoError for whatever Pillow raises in the block: a damaged file can raise any exception in it."""
    try:
        yield
    except MemoryError:
        raise
    except Exception:
        raise PhotoError(DAMAGED) from None


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise PhotoError(
            f"this photo is {width:,} × {height:,} pixels, and no side may have more than {MAX_SIDE:,}: cut it into "
            "parts and try again"
        )
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1e6
        raise PhotoError(f"this photo has {megapixels:.1f} megapixels, above 50: make it smaller and try again")


def _to_rgb(part: Image.Image) -> Image.Image:
    if part.mode in _SIXTEEN_BIT:
        grey = np.clip(np.rint(np.asarray(part).astype(np.float32) / 257), 0, 255)
        part = Image.fromarray(grey.astype(np.uint8))
    if part.has_transparency_data:
        rgba = part.convert("RGBA")
        part = Image.alpha_composite(Image.new("RGBA", rgba.size, (*BACKGROUND, 255)), rgba)
    if part.mode != "RGB":
        part = part.convert("RGB")
    part.info = {}
    return part


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


def open_file(source: Source) -> IO[bytes]:
    """Open the file of a photo; raise PhotoError if it cannot be opened."""
    if not isinstance(source, Path | str):
        return io.BytesIO(source if isinstance(source, bytes) else source.read())
    try:
        return Path(source).open("rb")
    except FileNotFoundError:
        raise PhotoError(f"there is no file {source}") from None
    except ValueError:  # a null byte
        raise PhotoError(f"no file can have the name {str(source)!r}") from None
    except IsADirectoryError:
        raise PhotoError(f"{source} is a folder: name the photos in it") from None
    except OSError as error:
        raise PhotoError(
            f"the photo cannot be opened ({error.strerror}): check its path and its permissions"
        ) from error
