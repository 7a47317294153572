"""Photos: the conversion of a file to plain RGB, in this process."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image

from camcore.errors import PhotoError
from camcore.images.formats import DAMAGED, FORMATS, HEADER_BYTES, refusal

MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000  # pixels
BACKGROUND = (255, 255, 255)

_STRIP_PIXELS = 1_000_000  # converted at once, so that a conversion takes little memory beyond its result
_TRANSPOSITIONS = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
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
    with _opened(source) as image:
        return _to_rgb(image)


def read_size(source: Source) -> tuple[int, int]:
    """Return (width, height) of a photo from its header, before any EXIF orientation; raise PhotoError as above."""
    with _opened(source) as image:
        return image.size


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    """Open a photo whose size is accepted, and close it at the end; turn what goes wrong into a PhotoError."""
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
        _check_size(*image.size)
        try:
            yield image
        except (PhotoError, MemoryError):
            raise
        except Exception:  # as above
            raise PhotoError(DAMAGED) from None
        finally:
            image.close()


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise PhotoError(
            f"this photo is {width:,} × {height:,} pixels, and no side may have more than {MAX_SIDE:,}: cut it into "
            "parts and try again"
        )
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1e6
        raise PhotoError(f"this photo has {megapixels:.1f} megapixels, above 50: make it smaller and try again")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return an upright RGB copy without metadata, with transparent pixels over white; `image` is closed."""
    if image.mode == "F":
        raise PhotoError("this photo stores floating-point pixels, whose range is unknown: save it as 8-bit")
    image.load()
    transposition = _transposition(image)
    width, height = image.size
    rows = max(_STRIP_PIXELS // width, 1)
    rgb = Image.new("RGB", image.size)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        rgb.paste(_strip_to_rgb(strip), (0, top))
    image.close()  # its pixels, before those of the copy are copied once more
    return rgb if transposition is None else rgb.transpose(transposition)


def _strip_to_rgb(strip: Image.Image) -> Image.Image:
    if strip.mode in _SIXTEEN_BIT:
        grey = np.clip(np.rint(np.asarray(strip).astype(np.float32) / 257), 0, 255)
        strip = Image.fromarray(grey.astype(np.uint8))
    if strip.has_transparency_data:
        rgba = strip.convert("RGBA")
        strip = Image.alpha_composite(Image.new("RGBA", rgba.size, (*BACKGROUND, 255)), rgba)
    return strip.convert("RGB")


def _transposition(image: Image.Image) -> Image.Transpose | None:
    """Return what makes the image upright, from its EXIF orientation.

    `ImageOps.exif_transpose` is not used: it fails if any other EXIF entry is faulty.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # as above
        return None
    return _TRANSPOSITIONS.get(orientation) if isinstance(orientation, int) else None


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
