"""Photos: the message for each refused file, and the pixels of each accepted one."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from camcore import PhotoError, open_photo
from camcore.images.decoded_photo import DAMAGE_NOTES
from camcore.images.formats import ACCEPTED_FORMATS, FORMATS, PHOTO_SUFFIXES

ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)

# The upright form of a stored picture of two rows, "abc" above "def", by EXIF's definition of each orientation.
UPRIGHT = {
    1: ["abc", "def"],
    2: ["cba", "fed"],
    3: ["fed", "cba"],
    4: ["def", "abc"],
    5: ["ad", "be", "cf"],
    6: ["da", "eb", "fc"],
    7: ["fc", "eb", "da"],
    8: ["cf", "be", "ad"],
}


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (24, 17)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def pixels(source: bytes) -> NDArray[np.uint8]:
    photo = open_photo(source)
    assert photo.mode == "RGB"
    return np.asarray(photo)


def png(width: int, height: int) -> bytes:
    """Return a PNG whose header states this size, and which holds ten bytes of pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(10))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def outcome(source: Any) -> Image.Image | str:
    """Return the photo, or the message that refuses it; the only warnings are those of damage."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            result: Image.Image | str = open_photo(source)
        except PhotoError as error:
            result = str(error)
    assert {str(warning.message) for warning in warned} <= {f"this photo is {note}" for note in DAMAGE_NOTES.values()}
    return result


def refusal(source: Any) -> str:
    """Return the message that refuses a photo: one line, without any words of Pillow."""
    sentence = outcome(source)
    assert isinstance(sentence, str)
    assert sentence
    assert "\n" not in sentence
    assert not any(word in sentence for word in ("PIL", "Pillow", "Traceback", "BytesIO", "site-packages", "Error"))
    return sentence


# Files that are not photos, and what the message calls them.
NOT_PHOTOS = {
    "text": (b"This is a letter, and no photo.\n", "not a photo"),
    "noise": (np.random.default_rng(0).bytes(1000), "not a photo"),
    "one byte": (b"x", "not a photo"),
    "nothing": (b"", "empty"),
    "zeros": (bytes(50_000), "begins with zeros only"),
    "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "SVG"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0mp42isom" + bytes(64), "video"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
    "EPS for DOS": (b"\xc5\xd0\xd3\xc6" + bytes(32), "EPS"),
    "Photoshop": (b"8BPS\0\1" + bytes(64), "Photoshop"),
    "icon": (encoded(noise(), "ICO"), "icon"),
    "portable pixmap": (encoded(noise(), "PPM"), "not a photo"),
    "zip": (b"PK\x03\x04" + bytes(64), "zip"),
}
DAMAGED = {
    "JPEG cut in its header": encoded(noise(size=(200, 200)), "JPEG")[:500],
    "JPEG of three bytes": b"\xff\xd8\xff",
    "AVIF cut short": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(64),
    "PNG cut short": encoded(noise(), "PNG")[:300],
    "PNG with a wrong checksum": encoded(noise(), "PNG").replace(b"IDAT", b"IDAT\0", 1),
    "WebP cut short": encoded(noise(), "WEBP")[:60],
    "GIF cut short": encoded(noise(), "GIF")[:20],
    "TIFF cut short": encoded(noise(), "TIFF")[:40],
    "BMP cut short": encoded(noise(), "BMP")[:100],
}


def test_the_accepted_formats_and_suffixes_are_those_that_pillow_reads() -> None:
    names = set(ACCEPTED_FORMATS.upper().replace("JPEG 2000", "JPEG2000").replace(" OR ", ", ").split(", "))
    assert names == {*FORMATS, "MPO"}
    Image.init()
    assert {Image.EXTENSION[suffix] for suffix in PHOTO_SUFFIXES} == names


def test_texts_list_the_accepted_formats() -> None:
    """Docstrings and notes cannot use the constant, so their lists are compared with it."""
    root = Path(__file__).parents[3]
    for path in [root / "README.md", *root.glob("camcore/**/*.*"), *root.glob("demo/**/*.*")]:
        if path.suffix not in {".py", ".md", ".html"}:
            continue
        text = " ".join(path.read_text(encoding="utf-8").split())
        assert text.count("MPO or GIF") == text.count(ACCEPTED_FORMATS), path


@pytest.mark.parametrize("kind", NOT_PHOTOS)
def test_a_file_of_another_kind_is_refused_by_name(kind: str) -> None:
    content, named = NOT_PHOTOS[kind]
    sentence = refusal(content)
    assert named in sentence
    assert kind in {"nothing", "zeros"} or f"use {ACCEPTED_FORMATS}" in sentence


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_photo_is_said_to_be_damaged(kind: str) -> None:
    assert refusal(DAMAGED[kind]) == "this photo is damaged or cut short: save or download it again"


@pytest.mark.parametrize("size", [(60_000, 60_000), (10_000, 10_000), (10_200, 5_000), (2**31 - 1, 2**31 - 1)])
def test_more_than_fifty_megapixels_are_refused_before_decoding(size: tuple[int, int]) -> None:
    assert "above 50" in refusal(png(*size))


def test_floating_point_pixels_are_refused_with_the_reason() -> None:
    assert "floating-point" in refusal(encoded(Image.new("F", (3, 2), 0.5), "TIFF"))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    assert refusal(missing) == f"there is no file {missing}"
    assert refusal(str(missing)) == f"there is no file {missing}"
    assert refusal(tmp_path) == f"{tmp_path} is a folder: name the photos in it"


def test_a_name_no_file_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    refusal(tmp_path / "file" / "photo.jpg")
    refusal("a" * 5000)
    refusal("a\0b.jpg")


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear reader,\n")
    (tmp_path / "photo.txt").write_bytes(encoded(noise(), "PNG"))
    assert "not a photo" in refusal(tmp_path / "letter.jpg")
    assert_array_equal(open_photo(tmp_path / "photo.txt"), noise())


def test_after_every_failure_the_next_photo_works() -> None:
    for content in (png(60_000, 60_000), *DAMAGED.values(), *(content for content, _ in NOT_PHOTOS.values())):
        refusal(content)
        assert_array_equal(pixels(encoded(noise(), "PNG")), noise())


def test_a_path_its_name_its_bytes_and_an_open_file_are_one_photo(tmp_path: Path) -> None:
    path = tmp_path / "photo.bmp"
    path.write_bytes(encoded(noise(), "BMP"))
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        assert_array_equal(open_photo(source), noise())


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_keep_every_pixel(file_format: str) -> None:
    assert_array_equal(pixels(encoded(noise(), file_format)), noise())


def test_lossy_formats_keep_the_picture() -> None:
    smooth = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    for content in (encoded(smooth, "JPEG", quality=95), encoded(smooth, "WEBP", quality=95)):
        assert_allclose(pixels(content).astype(int), np.asarray(smooth).astype(int), atol=6)
    assert_array_equal(pixels(encoded(noise(), "WEBP", lossless=True)), noise())


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_stands_upright(orientation: int, file_format: str) -> None:
    shades = {letter: 40 * place for place, letter in enumerate("abcdef")}
    block = np.ones((16, 16), np.uint8)
    stored = np.kron([[shades[letter] for letter in line] for line in UPRIGHT[1]], block)
    upright = np.kron([[shades[letter] for letter in line] for line in UPRIGHT[orientation]], block)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    decoded = pixels(encoded(Image.fromarray(stored.astype(np.uint8)), file_format, exif=exif))[..., 0]
    assert_allclose(decoded.astype(int), upright, atol=2 if file_format == "JPEG" else 0)


def test_an_unknown_orientation_is_left_as_stored() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 9
    assert_array_equal(pixels(encoded(noise(), "PNG", exif=exif)), noise())


def test_a_faulty_exif_entry_changes_neither_the_photo_nor_its_orientation() -> None:
    """The horizontal resolution is text instead of a fraction; then the EXIF block is cut short."""
    entries = struct.pack("<HHIHHHHI4s", ORIENTATION, 3, 1, 6, 0, 0x011A, 2, 3, b"ab\0\0")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    assert open_photo(encoded(noise(), "JPEG", exif=exif)).size == (17, 24)
    cut_short = outcome(encoded(noise(), "JPEG", exif=exif[:20]))
    assert isinstance(cut_short, Image.Image)
    assert cut_short.size == (24, 17)


def test_the_result_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F] = 6, "SECRET CAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    photo = open_photo(encoded(noise(), "JPEG", exif=exif, comment=b"SECRET COMMENT", icc_profile=b"SECRET PROFILE"))
    assert photo.info == {}
    assert not photo.getexif()
    assert b"SECRET" not in encoded(photo, "JPEG")


def test_alpha_is_laid_over_white() -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [255, 0, 0, 128], [0, 0, 0, 51]]], np.uint8)
    expected = np.array([[RED, WHITE, (255, 127, 127), (204, 204, 204)]])
    assert_allclose(pixels(encoded(Image.fromarray(rgba), "PNG")).astype(int), expected, atol=1)
    grey = Image.fromarray(np.array([[[0, 255], [0, 0], [100, 128]]], np.uint8), "LA")
    shades = np.array([[0, 255, 100 * 128 / 255 + 127]])[..., None].repeat(3, axis=2)
    assert_allclose(pixels(encoded(grey, "PNG")).astype(int), shades, atol=1)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_a_palettes_transparent_entry_becomes_white(file_format: str) -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([*RED, *GREEN, *BLUE])
    palette.putdata([0, 1, 2])
    assert_array_equal(pixels(encoded(palette, file_format)), [[RED, GREEN, BLUE]])
    assert_array_equal(pixels(encoded(palette, file_format, transparency=1)), [[RED, WHITE, BLUE]])


def test_a_transparent_colour_becomes_white() -> None:
    image = Image.fromarray(np.array([[RED, GREEN]], np.uint8))
    assert_array_equal(pixels(encoded(image, "PNG", transparency=GREEN)), [[RED, WHITE]])


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_divided_by_257(file_format: str) -> None:
    deep = np.array([[0, 128, 129, 257, 32_767, 65_406, 65_407, 65_535]], np.uint16)
    decoded = pixels(encoded(Image.fromarray(deep), file_format))
    assert_array_equal(decoded, np.array([[0, 0, 1, 1, 127, 254, 255, 255]])[..., None].repeat(3, axis=2))


def test_cmyk_becomes_rgb() -> None:
    inks = np.zeros((16, 48, 4), np.uint8)
    inks[:, :16, [1, 2]], inks[:, 16:32, 3] = 255, 255  # magenta and yellow, then black, then paper
    decoded = pixels(encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=95))
    assert_allclose(decoded[8, [4, 24, 44]].astype(int), [RED, (0, 0, 0), WHITE], atol=4)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_and_black_and_white_become_rgb(mode: str) -> None:
    image = noise(mode)
    expected = np.asarray(image).astype(np.uint8) * (255 if mode == "1" else 1)
    assert_array_equal(pixels(encoded(image, "PNG")), expected[..., None].repeat(3, axis=2))


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_the_first_frame_is_taken(file_format: str) -> None:
    first, second = (Image.new("RGB", (16, 8), colour) for colour in (RED, BLUE))
    decoded = pixels(encoded(first, file_format, save_all=True, append_images=[second]))
    assert decoded.shape == (8, 16, 3)
    assert_allclose(decoded.astype(int), np.broadcast_to(RED, decoded.shape), atol=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 30_000), (30_000, 1)])
def test_extreme_shapes_keep_every_pixel(size: tuple[int, int]) -> None:
    assert_array_equal(pixels(encoded(noise(size=size), "PNG")), noise(size=size))


def test_exactly_fifty_megapixels_are_read() -> None:
    photo = open_photo(encoded(Image.new("L", (10_000, 5_000), 200), "PNG"))
    assert photo.size == (10_000, 5_000)
    assert photo.getpixel((9_999, 4_999)) == (200, 200, 200)


ORIGINALS = [
    encoded(noise(mode), file_format, **options)
    for mode, file_format, options in (
        ("RGB", "JPEG", {"exif": b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"}),
        ("CMYK", "JPEG", {}),
        ("P", "PNG", {"transparency": 3}),
        ("RGBA", "WEBP", {}),
        ("RGB", "BMP", {}),
        ("RGB", "GIF", {}),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("RGB", "TIFF", {}),
    )
]


@settings(max_examples=2000)
@given(
    st.sampled_from(ORIGINALS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
def test_any_damaged_file_gives_a_photo_or_a_message(original: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(original)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    result = outcome(bytes(damaged[: len(damaged) - cut if cut < 50 else None]))
    if isinstance(result, str):
        assert "\n" not in result
    else:
        assert result.mode == "RGB"
