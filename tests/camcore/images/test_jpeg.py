"""JPEG files that are cut short or overwritten: what is left is read and said, and too little is refused."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from camcore import PhotoError, open_photo
from camcore.images.decoded_photo import DAMAGE_NOTES
from camcore.images.jpeg import read_structure
from camcore.images.photo import decoded

CUT = f"this photo is {DAMAGE_NOTES['cut short']}"
OVERWRITTEN = f"this photo is {DAMAGE_NOTES['overwritten']}"
REFUSED = "this photo is cut short, and more than a tenth of it is missing: copy it again"

NATURAL = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)  # enlarged, it has smooth areas


def photo(size: tuple[int, int] = (640, 480), **options: object) -> bytes:
    image = Image.fromarray(NATURAL).resize(size, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(1).normal(0, 6, (size[1], size[0], 1))
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 85, **options})
    return buffer.getvalue()


def said(data: bytes) -> str | None:
    """Return the warning about a photo that is read, or None."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_photo(data)
    return str(caught[0].message) if caught else None


KINDS = {
    "baseline": {},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "grey": {"mode": "L"},
}


def of_kind(kind: str) -> bytes:
    if kind != "grey":
        return photo(**KINDS[kind])
    buffer = io.BytesIO()
    Image.open(io.BytesIO(photo())).convert("L").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_photo_is_read_without_a_word(kind: str) -> None:
    assert said(of_kind(kind)) is None


@pytest.mark.parametrize("missing", [2, 100, 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_that_is_slightly_cut_is_read_and_said_to_be(kind: str, missing: int) -> None:
    data = of_kind(kind)
    assert said(data[:-missing]) == CUT
    whole, cut = (np.asarray(open_photo_quietly(part)).astype(int) for part in (data, data[:-missing]))
    rows = int(len(whole) * 0.88)
    assert abs(whole[:rows] - cut[:rows]).mean() < 1


def open_photo_quietly(data: bytes) -> Image.Image:
    with warnings.catch_warnings(action="ignore"):
        return open_photo(data)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_that_lacks_more_than_a_tenth_is_refused(kind: str, share: float) -> None:
    data = of_kind(kind)
    with pytest.raises(PhotoError) as refusal:
        open_photo(data[: int(len(data) * (1 - share))])
    assert str(refusal.value) == REFUSED


def test_a_tenth_of_the_rows_is_the_limit() -> None:
    data = photo((64, 1600))
    start = read_structure(data).scans[0].start
    outcomes = []
    for share in (0.03, 0.07, 0.15):
        cut = data[: start + int((len(data) - start) * (1 - share))]
        try:
            outcomes.append(said(cut))
        except PhotoError as error:
            outcomes.append(str(error))
    assert outcomes == [CUT, CUT, REFUSED]


def test_the_rest_of_a_file_that_was_never_written_is_zeros() -> None:
    data = photo()
    assert said(data[:-600] + bytes(600)) == CUT
    with pytest.raises(PhotoError, match="more than a tenth"):
        open_photo(data[: len(data) // 2] + bytes(len(data) // 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [bytes(4096), bytes(512), b"\xff" * 4096], ids=["zeros", "sector", "ones"])
def test_a_block_that_a_card_has_lost_is_said(kind: str, block: bytes) -> None:
    data = of_kind(kind)
    middle = len(data) // 2 // 512 * 512
    damaged = data[:middle] + block + data[middle + len(block) :]
    if not any(block) and kind != "progressive":
        assert said(damaged) == OVERWRITTEN
    else:  # where a decoder stops at the block, the photo is refused
        with pytest.raises(PhotoError, match="damaged"):
            open_photo(damaged)


def test_zeros_that_an_encoder_wrote_are_no_damage() -> None:
    for mode in ("RGB", "L"):
        for options in ({}, {"optimize": True}, {"progressive": True}):
            buffer = io.BytesIO()
            Image.new(mode, (3000, 2000)).save(buffer, "JPEG", **options)
            assert said(buffer.getvalue()) is None
    half = Image.new("RGB", (3000, 2000), "white")
    half.paste(Image.open(io.BytesIO(photo((1000, 600)))), (0, 0))
    for options in ({}, {"optimize": True}, {"progressive": True}):
        buffer = io.BytesIO()
        half.save(buffer, "JPEG", **options)
        assert said(buffer.getvalue()) is None


def test_what_follows_the_end_is_ignored() -> None:
    assert said(photo() + bytes(5000)) is None
    assert said(photo() + photo((64, 64))) is None


def test_a_jpeg_above_50_megapixels_is_decoded_at_half_its_size() -> None:
    buffer = io.BytesIO()
    Image.new("L", (10_001, 6_000), 77).save(buffer, "JPEG")
    with decoded(buffer.getvalue()) as large:
        assert (large.full_size, large.size) == ((10_001, 6_000), (5_001, 3_000))
    assert open_photo(buffer.getvalue()).size == (5_001, 3_000)
    buffer = io.BytesIO()
    Image.new("L", (10_000, 10_001)).save(buffer, "JPEG")
    with pytest.raises(PhotoError, match=r"has 100\.0 megapixels, above 100: make it smaller"):
        open_photo(buffer.getvalue())
