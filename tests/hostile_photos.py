"""Crafted photos, one function per kind: small files that would take gigabytes or minutes to decode.

Each function takes a size from `SIZES` and returns the bytes of a file. Every kind was once able to stop the server.
"""

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

SIZES = ("small", "medium", "large")
_SCALE = {"small": 1, "medium": 3, "large": 64}

_PNG_START = b"\x89PNG\r\n\x1a\n"


def thin_png(size: str) -> bytes:
    """Return a PNG one pixel wide and up to 49 million pixels high."""
    return _grey_png(1, {"small": 29_000, "medium": 1_000_000, "large": 49_000_000}[size])


def flat_png(size: str) -> bytes:
    """Return a PNG one pixel high and up to 49 million pixels wide."""
    return _grey_png({"small": 29_000, "medium": 1_000_000, "large": 49_000_000}[size], 1)


def large_png(size: str) -> bytes:
    """Return a PNG of up to 841 megapixels, all of one grey."""
    side = {"small": 8_000, "medium": 15_000, "large": 29_000}[size]
    return _grey_png(side, side)


def tiff_tag_bomb(size: str) -> bytes:
    """Return a TIFF whose many tags all point at the same bytes."""
    tags, length = {"small": (1_000, 20_000), "medium": (4_000, 100_000), "large": (9_000, 200_000)}[size]
    return _tiff(tags, length)


def exif_tag_bomb(size: str) -> bytes:
    """Return a JPEG with such a TIFF as its EXIF data, which cannot be longer than 64 kB."""
    tags = {"small": 500, "medium": 1_500, "large": 3_000}[size]
    exif = _tiff(tags, 65_000 - 12 * tags - 300)
    return _jpeg_with(_segment(0xE1, b"Exif\0\0" + exif))


def png_exif_tag_bomb(size: str) -> bytes:
    """Return a PNG with such a TIFF as its EXIF data."""
    return _png_with(_chunk(b"eXIf", tiff_tag_bomb(size)))


def png_exif_headers(size: str) -> bytes:
    """Return a PNG whose EXIF data repeat the header "Exif" (CVE-2026-96643)."""
    return _png_with(_chunk(b"eXIf", b"Exif\0\0" * (12_500 * _SCALE[size]) + _tiff(1, 4)))


def gif_comments(size: str) -> bytes:
    """Return a GIF with comments of one byte each."""
    return _gif_with(b"\x21\xfe" + b"\x01x" * (125_000 * _SCALE[size]) + b"\x00")


def gif_comment_extensions(size: str) -> bytes:
    """Return a GIF with many comment extensions of one byte each."""
    return _gif_with(b"\x21\xfe\x01x\x00" * (50_000 * _SCALE[size]))


def jpeg_scans(size: str) -> bytes:
    """Return a progressive JPEG that repeats its last scan up to 5,000 times."""
    side, scans = {"small": (2_000, 200), "medium": (3_000, 400), "large": (6_000, 5_000)}[size]
    buffer = io.BytesIO()
    Image.new("L", (side, side), 128).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * scans + b"\xff\xd9"


def jpeg_segments(size: str) -> bytes:
    """Return a JPEG with up to 10 MB of empty comments."""
    return _jpeg_with(_segment(0xFE, b"") * (40_000 * _SCALE[size]))


def jpeg_app_segments(size: str) -> bytes:
    """Return a JPEG with up to 10 MB of tiny application segments, which Pillow keeps in a list."""
    return _jpeg_with(_segment(0xE9, b"") * (40_000 * _SCALE[size]))


def png_empty_chunks(size: str) -> bytes:
    """Return a PNG with up to 10 MB of empty chunks."""
    return _png_with(_chunk(b"IDAT", b"") * (12_500 * _SCALE[size]))


def png_unknown_chunks(size: str) -> bytes:
    """Return a PNG with up to 10 MB of empty chunks of an unknown kind."""
    return _png_with(_chunk(b"abCd", b"") * (12_500 * _SCALE[size]))


def png_text_bomb(size: str) -> bytes:
    """Return a PNG with compressed text of up to 512 MB."""
    compressed = zlib.compress(b"\0" * (8_000_000 * _SCALE[size]), 9)
    return _png_with(_chunk(b"zTXt", b"Comment\0\0" + compressed))


def png_profile_bomb(size: str) -> bytes:
    """Return a PNG with a compressed colour profile of up to 512 MB."""
    compressed = zlib.compress(b"\0" * (8_000_000 * _SCALE[size]), 9)
    return _png_with(_chunk(b"iCCP", b"icc\0\0" + compressed))


KINDS: dict[str, Callable[[str], bytes]] = {
    function.__name__: function
    for function in (
        thin_png, flat_png, large_png, tiff_tag_bomb, exif_tag_bomb, png_exif_tag_bomb, png_exif_headers, gif_comments,
        gif_comment_extensions, jpeg_scans, jpeg_segments, jpeg_app_segments, png_empty_chunks, png_unknown_chunks,
        png_text_bomb, png_profile_bomb,
    )
}  # fmt: skip


def _grey_png(width: int, height: int) -> bytes:
    row = b"\0" + b"\x80" * width
    compressor = zlib.compressobj(6)
    rows_at_once = max(1, 4_000_000 // len(row))
    parts = []
    for start in range(0, height, rows_at_once):
        parts.append(compressor.compress(row * min(rows_at_once, height - start)))
    parts.append(compressor.flush())
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return _PNG_START + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"".join(parts)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_with(chunks: bytes) -> bytes:
    """Return a small PNG with more chunks after its header."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 60)).save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + chunks + data[33:]


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _jpeg_with(segments: bytes) -> bytes:
    """Return a small JPEG with more segments after its start."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 60)).save(buffer, "JPEG")
    return buffer.getvalue()[:2] + segments + buffer.getvalue()[2:]


def _gif_with(extensions: bytes) -> bytes:
    """Return a small GIF with more extensions before its image."""
    buffer = io.BytesIO()
    Image.new("P", (64, 48)).save(buffer, "GIF")
    data = buffer.getvalue()
    start = data.index(b"\x2c", 13 + 3)
    return data[:start] + extensions + data[start:]


def _tiff(tags: int, length: int) -> bytes:
    """Return a TIFF of one grey pixel with `tags` further tags that all point at the same `length` bytes."""
    size = struct.pack
    known = [
        (256, 4, 1, size("<I", 1)), (257, 4, 1, size("<I", 1)), (258, 3, 1, size("<HH", 8, 0)),
        (259, 3, 1, size("<HH", 1, 0)), (262, 3, 1, size("<HH", 1, 0)), (273, 4, 1, size("<I", 8)),
        (277, 3, 1, size("<HH", 1, 0)), (278, 4, 1, size("<I", 1)), (279, 4, 1, size("<I", 1)),
    ]  # fmt: skip
    data_at = 12
    entries = known + [(1_000 + number, 1, length, size("<I", data_at)) for number in range(tags)]
    directory_at = data_at + length + length % 2
    directory = size("<H", len(entries)) + b"".join(
        size("<HHI", tag, kind, count) + value for tag, kind, count, value in entries
    )
    return b"II*\0" + size("<I", directory_at) + b"\x80\0\0\0" + b"x" * (length + length % 2) + directory + b"\0" * 4
