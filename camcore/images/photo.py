"""Photos: the conversion of a file to plain RGB, in this process."""

import io
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

from camcore.errors import PhotoError
from camcore.images import jpeg
from camcore.images.decoded_photo import DAMAGE_NOTES, Damage, DecodedPhoto, damage_refused
from camcore.images.formats import HEADER_BYTES, PNG, check_tiff, formats_for, refusal, without_text

MAX_PIXELS = 50_000_000
MAX_PIXELS_JPEG = 100_000_000  # decoded at half its size above `MAX_PIXELS`
MAX_PIXELS_JPEG_2000 = 10_000_000  # decoded at half its size above: 24 million exceeded the memory of a worker
MAX_SIDE = 30_000  # pixels

STRIP_PIXELS = 1_000_000  # converted at once, so that a conversion takes little memory beyond its result
Source = Path | str | bytes | IO[bytes]


def open_photo(source: Source) -> Image.Image:
    """Decode a photo into an upright RGB image, with transparent pixels over white.

    `source` is a path, the bytes of a file, or a file opened in binary mode. The EXIF orientation is applied. An
    animation gives its first frame; 16-bit grey values are divided by 257; CMYK, palette and grey images are converted.
    The result carries none of the file's metadata. A JPEG above 50 megapixels, and a JPEG 2000 above 10, is decoded at
    half its width and height.
    The photo is decoded in this process, without a limit on time or memory: for photos from strangers use
    `camcore.PhotoDecoder`. Warn if a JPEG is cut short by at most a tenth, or partly overwritten. Raise PhotoError if
    the file is missing, empty, not a photo, of a refused format, damaged, above 50 megapixels (a JPEG: 100), or more
    than 30,000 pixels wide or high.
    """
    with decoded(source) as photo:
        (width, height), rgb = photo.size, Image.new("RGB", photo.size)
        rows = max(STRIP_PIXELS // width, 1)
        for top in range(0, height, rows):
            rgb.paste(photo.crop((0, top, width, min(top + rows, height))), (0, top))
    if photo.damage is not None:
        warnings.warn(f"this photo is {DAMAGE_NOTES[photo.damage]}", stacklevel=2)
    return rgb


def read_size(source: Source) -> tuple[int, int]:
    """Return (width, height) of a photo from its header, before any EXIF orientation; raise PhotoError as above."""
    with open_file(source) as file, _opened(file) as image:
        return image.size


@contextmanager
def decoded(source: Source, *, to_srgb: bool = False, least_side: int | None = None) -> Iterator[DecodedPhoto]:
    """Decode a photo for the block; raise PhotoError as `open_photo` does.

    With `to_srgb`, colours are converted to sRGB from the colour space that the file describes, if any. With
    `least_side`, a JPEG is decoded at a half, a quarter or an eighth of its width and height if neither then has fewer
    pixels: this takes a fraction of the time.
    """
    with open_file(source) as file:
        header = file.read(HEADER_BYTES)
        file.seek(0)
        data = file.read() if header.startswith(jpeg.START) else b""
        structure = jpeg.read_structure(data)
        with _opened(io.BytesIO(jpeg.complete(data, structure)) if data else file) as image:
            if image.mode == "F":
                raise PhotoError("this photo stores floating-point pixels, whose range is unknown: save it as 8-bit")
            full_size = image.size
            _decode_smaller(image, least_side)
            with damage_refused():
                image.load()
                damage = _damage(data, structure, image)
            yield DecodedPhoto(image, full_size, damage=damage, to_srgb=to_srgb)


def _decode_smaller(image: Image.Image, least_side: int | None) -> None:
    """Let a photo be decoded at a fraction of its width and height, on request or for lack of memory."""
    width, height = image.size
    if least_side is not None:
        image.draft(None, (least_side, least_side))
        if image.size != (width, height):
            return
    if image.format == "JPEG2000":
        image.reduce = int(width * height > MAX_PIXELS_JPEG_2000)  # type: ignore[method-assign, assignment]
    elif width * height > MAX_PIXELS:
        image.draft(None, (width // 2, height // 2))


def _damage(data: bytes, structure: jpeg.JpegStructure, image: Image.Image) -> Damage | None:
    """Return what is wrong with a decoded JPEG; raise PhotoError if more than a tenth of it is missing."""
    if structure.is_overwritten:
        return "overwritten"
    if structure.is_complete or not structure.scans:
        return None
    if structure.has_one_scan:
        lost = jpeg.grey_rows(image) / image.height
    elif structure.lacks_scans:
        lost = 1.0
    else:
        with _opened(io.BytesIO(data[: structure.scans[-1].start] + jpeg.END)) as before:
            before.load()
            lost = jpeg.lost_bytes(structure, jpeg.changed_rows(before, image) / image.height)
    if lost > jpeg.MAX_LOST:
        raise PhotoError("this photo is cut short, and more than a tenth of it is missing: copy it again")
    return "cut short"


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[Image.Image]:
    """Open a photo whose size is accepted, and close it at the end."""
    header = file.read(HEADER_BYTES)
    file.seek(0)
    check_tiff(header, file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's warnings of damage and of size: an error follows, or none is needed
        try:
            readable = io.BytesIO(without_text(file.read())) if header.startswith(PNG) else file
            image = Image.open(readable, formats=formats_for(header))
        except Image.DecompressionBombError:
            raise PhotoError("this photo is above 50 megapixels: make it smaller and try again") from None
        except MemoryError:
            raise
        except Exception:  # a damaged file can raise any exception in Pillow
            raise PhotoError(refusal(header)) from None
        with closing(image):
            _check_size(*image.size, MAX_PIXELS_JPEG if image.format in {"JPEG", "MPO"} else MAX_PIXELS)
            yield image


def _check_size(width: int, height: int, most: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise PhotoError(
            f"this photo is {width:,} × {height:,} pixels, and no side may have more than {MAX_SIDE:,}: cut it into "
            "parts and try again"
        )
    if width * height > most:
        megapixels, limit = width * height / 1e6, f"{most / 1e6:.0f}"
        remedy = "make it smaller" if most == MAX_PIXELS_JPEG else "make it smaller, or save it as a JPEG"
        raise PhotoError(f"this photo has {megapixels:.1f} megapixels, above {limit}: {remedy} and try again")


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
