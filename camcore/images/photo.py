"""Reading a photo: which files are accepted, and how each becomes plain RGB."""

import io
import warnings
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image

from camcore.errors import PhotoError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")  # Pillow opens MPO as JPEG
MAX_PIXELS = 50_000_000
BACKGROUND = (255, 255, 255)

_ACCEPTED = "use JPEG, PNG, WebP, BMP, TIFF, MPO or GIF"
_FOREIGN = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "an EPS or PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"PK\x03\x04", "a zip archive"),
)
_ISO_MEDIA = {b"hei": "a HEIC photo", b"hev": "a HEIC photo", b"mif": "a HEIF photo", b"msf": "a HEIF photo",
              b"avi": "an AVIF photo", b"crx": "a Canon raw photo"}  # fmt: skip
_TURNS = {
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
    """Decode a photo into RGB, upright, with alpha laid over white.

    The first frame of an animation is taken; 16-bit grey is divided by 257; CMYK, palette and grey become RGB. The
    result carries none of the file's metadata.

    Raises:
        PhotoError: if the file is missing, empty, no photo, of a refused format, damaged, or above 50 megapixels.
    """
    data = _read(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on damage, which becomes one sentence or does not matter
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return _decode(data)


def _decode(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoError("this photo is above 50 megapixels: make it smaller and try again") from None
    except Exception:  # Pillow raises whatever the damage provokes
        raise PhotoError(_refusal(data)) from None
    if image.width * image.height > MAX_PIXELS:
        megapixels = image.width * image.height / 1e6
        raise PhotoError(f"this photo has {megapixels:.1f} megapixels, above 50: make it smaller and try again")
    try:
        return to_rgb(image)
    except PhotoError:
        raise
    except Exception:  # as above
        raise PhotoError("this photo is damaged or cut short: save or download it again") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """An upright RGB copy of any Pillow image, alpha laid over white, without metadata."""
    image.load()
    turned = _upright(image)
    if turned.mode in _SIXTEEN_BIT:
        grey = np.clip(np.rint(np.asarray(turned).astype(np.float64) / 257), 0, 255)
        turned = Image.fromarray(grey.astype(np.uint8))
    elif turned.mode == "F":
        raise PhotoError("this photo stores floating-point pixels, whose range is unknown: save it as 8-bit")
    if turned.has_transparency_data:
        rgba = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", rgba.size, (*BACKGROUND, 255)), rgba)
    return Image.fromarray(np.asarray(turned.convert("RGB")))


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says; `ImageOps.exif_transpose` stumbles over a faulty entry of another kind."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow raises whatever a damaged entry provokes
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


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
        raise PhotoError(f"the photo cannot be opened ({error.strerror})") from error


def _refusal(data: bytes) -> str:
    if not data:
        return "this file is empty (0 bytes): choose another photo"
    kind = next((name for start, name in _FOREIGN if data.startswith(start)), None)
    if data[4:8] == b"ftyp":
        kind = _ISO_MEDIA.get(data[8:11], "a video")
    if b"<svg" in data[:4096].lower():
        kind = "an SVG drawing"
    if kind:
        return f"this is {kind}, which is not accepted: {_ACCEPTED}"
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF", b"BM")):
        return "this photo is damaged or cut short: save or download it again"
    return f"this file is not a photo, whatever its name says: {_ACCEPTED}"
