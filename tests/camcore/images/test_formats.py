"""File formats: raw photos, previews, texts in PNG files, 16 bits, other codecs and colour spaces."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from camcore import PhotoError, open_photo
from camcore.images.formats import is_hidden_by_browsers
from camcore.images.photo import decoded

GREEN = (30, 160, 60)


def tiff(image: Image.Image, **tags: int) -> bytes:
    """Return a TIFF with tags, each named by its number after "t"."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        info[int(name[1:])] = value
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", tiffinfo=info)
    return buffer.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        open_photo(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


PREVIEW = Image.new("RGB", (160, 120), GREEN)
RAW = "this is a raw photo: export it as JPEG"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (tiff(PREVIEW, t254=1, t330=8), RAW),
        (tiff(PREVIEW, t50706=0x01040000), RAW),
        (tiff(PREVIEW, t254=1, t50706=0x01040000), RAW),
        (tiff(PREVIEW, t254=1), "the first picture of this TIFF is a preview of the photo: export it as JPEG"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(60), "this is a raw photo (CR2): export it as JPEG"),
        (b"FUJIFILMCCD-RAW 0201FF383501" + bytes(60), "this is a raw photo (RAF): export it as JPEG"),
        (b"IIU\0\x18\0\0\0" + bytes(60), "this is a raw photo (RW2): export it as JPEG"),
        (b"IIRO\x08\0\0\0" + bytes(60), "this is a raw photo (ORF): export it as JPEG"),
        (b"\0\0\0\x18ftypcrx " + bytes(60), "this is a raw photo (CR3): export it as JPEG"),
        (b"\xff\x0a" + bytes(60), "this is a JPEG XL photo: export it as JPEG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), "this is a JPEG XL photo: export it as JPEG"),
    ],
)
def test_a_raw_photo_is_named_and_its_preview_never_explained(data: bytes, sentence: str) -> None:
    assert refusal(data) == sentence


def test_a_raw_photo_that_pillow_cannot_open_is_named_too() -> None:
    """Pentax's directory describes the colour filter array itself, in a compression of its own."""
    entries = [(256, 4, 1, 100), (257, 4, 1, 100), (259, 3, 1, 65535), (262, 3, 1, 32803)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    assert refusal(b"II*\0" + struct.pack("<I", 8) + directory) == RAW


@pytest.mark.parametrize("tags", [{}, {"t254": 0, "t330": 8}, {"t254": 2}])
def test_an_ordinary_tiff_is_read(tags: dict[str, int]) -> None:
    assert open_photo(tiff(PREVIEW, **tags)).getpixel((5, 5)) == GREEN


def test_white_is_zero_with_16_bits_as_with_8() -> None:
    values = np.linspace(0, 65535, 24, dtype=np.uint16).reshape(4, 6)
    usual = np.asarray(open_photo(tiff(Image.fromarray(values))))
    inverted = np.asarray(open_photo(_white_is_zero(values)))
    assert np.array_equal(inverted, 255 - usual)


def _white_is_zero(values: np.ndarray[Any, Any]) -> bytes:
    """Return a 16-bit TIFF whose header, unlike its pixels, says that white is 0."""
    data = bytearray(tiff(Image.fromarray(values)))
    offset = int.from_bytes(data[4:8], "little")
    for entry in range(offset + 2, len(data) - 11, 12):
        if int.from_bytes(data[entry : entry + 2], "little") == 262:
            data[entry + 8 : entry + 10] = b"\0\0"
            return bytes(data)
    raise AssertionError


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("after", [b"IHDR", b"IDAT"])
def test_much_text_in_a_png_does_not_matter(after: bytes) -> None:
    buffer = io.BytesIO()
    PREVIEW.save(buffer, "PNG")
    data, text = buffer.getvalue(), chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000)))
    start = data.index(after) - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    assert open_photo(data[:end] + text + data[end:]).getpixel((5, 5)) == GREEN


@pytest.mark.parametrize("file_format", ["AVIF", "JPEG2000"])
def test_other_codecs_that_pillow_reads_are_read(file_format: str) -> None:
    buffer = io.BytesIO()
    PREVIEW.save(buffer, file_format)
    assert np.abs(np.subtract(open_photo(buffer.getvalue()).getpixel((5, 5)), GREEN)).max() < 8
    damaged = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    assert "damaged" in refusal(damaged)


def heic() -> bytes:
    from pillow_heif import from_pillow

    buffer = io.BytesIO()
    from_pillow(PREVIEW).save(buffer)
    return buffer.getvalue()


def test_heic_is_an_optional_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic()
    assert np.abs(np.subtract(open_photo(data).getpixel((5, 5)), GREEN)).max() < 8
    assert "damaged" in refusal(data[: len(data) // 2])
    monkeypatch.setattr("camcore.images.formats.has_heif", lambda: False)
    assert refusal(data) == ("this is a HEIC photo: export it as JPEG, or install pillow-heif where this program runs")


def test_browsers_show_neither_tiff_nor_jpeg_2000_nor_heic() -> None:
    buffer = io.BytesIO()
    PREVIEW.save(buffer, "JPEG2000")
    assert all(map(is_hidden_by_browsers, (tiff(PREVIEW), buffer.getvalue(), heic())))
    buffer = io.BytesIO()
    PREVIEW.save(buffer, "AVIF")
    assert not is_hidden_by_browsers(buffer.getvalue())


def test_colours_are_converted_to_srgb_only_on_request() -> None:
    """The profile swaps the red and the green primary of sRGB, so that the conversion is easy to see."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tmp ").replace(b"gXYZ", b"rXYZ").replace(b"tmp ", b"gXYZ")
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 20, 20)).save(buffer, "PNG", icc_profile=swapped)
    with decoded(buffer.getvalue()) as stored, decoded(buffer.getvalue(), to_srgb=True) as converted:
        assert stored.crop((0, 0, 8, 8)).getpixel((4, 4)) == (200, 20, 20)
        red, green, _ = converted.crop((0, 0, 8, 8)).getpixel((4, 4))  # type: ignore[misc]
        assert green > 180
        assert red < 60
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 20, 20)).save(buffer, "PNG", icc_profile=b"no profile")
    with decoded(buffer.getvalue(), to_srgb=True) as damaged:
        assert damaged.crop((0, 0, 8, 8)).getpixel((4, 4)) == (200, 20, 20)
