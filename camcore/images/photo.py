"""Photos: the accepted formats, and the conversion of a file to plain RGB."""

import io
import warnings
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image

from camcore.errors import PhotoError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")  # as Pillow names them; it opens MPO as JPEG
ACCEPTED_FORMATS = "JPEG, PNG, WebP, BMP, TIFF, MPO or GIF"  # for messages
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".mpo", ".gif"})
MAX_PIXELS = 50_000_000
BACKGROUND = (255, 255, 255)

_DAMAGED = "this photo is damaged or cut short: save or download it again"
_FOREIGN = (  # first bytes of refused formats
    (b"%PDF", "a PDF"),
    (b"%!PS", "an EPS or PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"PK\x03\x04", "a zip archive"),
)
# Three letters of the brand that follows "ftyp" in ISO media files.
_ISO_MEDIA = {b"hei": "a HEIC photo", b"hev": "a HEIC photo", b"mif": "a HEIF photo", b"msf": "a HEIF photo",
              b"avi": "an AVIF photo", b"crx": "a Canon raw photo"}  # fmt: skip
_ACCEPTED_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF", b"BM")
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


def open_photo(source: Path | str | bytes | IO[bytes]) -> Image.Image:
    """Decode a photo into an upright RGB image, with transparent pixels over white.

    `source` is a path, the bytes of a file, or a file opened in binary mode. The EXIF orientation is applied. An
    animation gives its first frame; 16-bit grey values are divided by 257; CMYK, palette and grey images are converted.
    The result carries none of the file's metadata. Raise PhotoError if the file is missing, empty, not a photo, of a
    refused format, damaged, or above 50 megapixels.
    """
    data = _read(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's warnings of damage: an error follows, or the damage is harmless
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return _decode(data)


def _decode(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoError("this photo is above 50 megapixels: make it smaller and try again") from None
    except Exception:  # a damaged file can raise any exception in Pillow
        raise PhotoError(_refusal(data)) from None
    if image.width * image.height > MAX_PIXELS:
        megapixels = image.width * image.height / 1e6
        raise PhotoError(f"this photo has {megapixels:.1f} megapixels, above 50: make it smaller and try again")
    try:
        return _to_rgb(image)
    except PhotoError:
        raise
    except Exception:  # as above
        raise PhotoError(_DAMAGED) from None


def _to_rgb(image: Image.Image) -> Image.Image:
    image.load()
    upright = _upright(image)
    if upright.mode in _SIXTEEN_BIT:
        grey = np.clip(np.rint(np.asarray(upright).astype(np.float64) / 257), 0, 255)
        upright = Image.fromarray(grey.astype(np.uint8))
    elif upright.mode == "F":
        raise PhotoError("this photo stores floating-point pixels, whose range is unknown: save it as 8-bit")
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, (*BACKGROUND, 255)), rgba)
    return Image.fromarray(np.asarray(upright.convert("RGB")))


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; `ImageOps.exif_transpose` fails if any other EXIF entry is faulty."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # as above
        return image
    transposition = _TRANSPOSITIONS.get(orientation) if isinstance(orientation, int) else None
    return image if transposition is None else image.transpose(transposition)


def _read(source: Path | str | bytes | IO[bytes]) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes() if isinstance(source, Path | str) else source.read()
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


def _refusal(data: bytes) -> str:
    if not data:
        return "this file is empty (0 bytes): choose another photo"
    kind = next((name for start, name in _FOREIGN if data.startswith(start)), None)
    if data[4:8] == b"ftyp":
        kind = _ISO_MEDIA.get(data[8:11], "a video")
    if b"<svg" in data[:4096].lower():
        kind = "an SVG drawing"
    if kind:
        return f"this is {kind}, which is not accepted: use {ACCEPTED_FORMATS}"
    if data.startswith(_ACCEPTED_STARTS):
        return _DAMAGED
    return f"this file is not a photo, whatever its name says: use {ACCEPTED_FORMATS}"
