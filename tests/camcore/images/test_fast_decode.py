"""Decoding at a fraction of the size, and the time at which a photo was taken."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from camcore.images.decoder import shared_decoder
from camcore.images.photo import decoded
from camcore.images.preprocess import View
from camcore.model.manifest import Preprocessing
from camcore.types import Box

STEPS = Preprocessing(64, (56, 56), "bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of 1,600 by 1,200 pixels with smooth colours, as all large photos are at this scale."""
    across, down = np.meshgrid(np.linspace(0, 6, 1600), np.linspace(0, 4, 1200))
    colours = [127 + 100 * np.sin(across + shift) * np.cos(down - shift) for shift in range(3)]
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.stack(colours, axis=-1).astype(np.uint8)).save(path, quality=95)
    return path


def view(photo: Path, *, fast_decode: bool = False, box: Box | None = None) -> View:
    """In a process of its own: the limit on its processor time would end the process of the tests."""
    return shared_decoder().view(photo, STEPS, box=box, fast_decode=fast_decode)


def test_a_fast_view_is_nearly_the_same_and_states_the_fraction(photo: Path) -> None:
    whole, fast = view(photo), view(photo, fast_decode=True)
    assert (whole.reduced, fast.reduced) == (1, 8)
    assert fast.photo_size == whole.photo_size == (1600, 1200)
    assert fast.box == pytest.approx(whole.box)
    difference = np.abs(np.asarray(fast.image, float) - np.asarray(whole.image, float))
    assert difference.mean() < 2


def test_a_small_box_keeps_its_pixels(photo: Path) -> None:
    box = Box(0.4, 0.4, 0.5, 0.5)
    fast, whole = view(photo, fast_decode=True, box=box), view(photo, box=box)
    assert fast.reduced == 2, "the box of 160 pixels has more than the model's 56"
    assert fast.zoom is not None
    assert whole.zoom is not None
    assert np.abs(np.asarray(fast.zoom, float) - np.asarray(whole.zoom, float)).mean() < 2


def test_other_formats_and_small_photos_are_decoded_whole(photo: Path, tmp_path: Path) -> None:
    with Image.open(photo) as opened:
        opened.save(tmp_path / "photo.png")
        opened.resize((90, 80)).save(tmp_path / "small.jpg")
    assert view(tmp_path / "photo.png", fast_decode=True).reduced == 1
    assert view(tmp_path / "small.jpg", fast_decode=True).reduced == 1


@pytest.mark.parametrize(
    ("original", "changed", "expected"),
    [
        ("2026:05:01 06:30:00", "2026:06:02 00:00:00", "2026-05-01T06:30:00"),
        (None, "2026:06:02 12:00:01", "2026-06-02T12:00:01"),
        ("0000:00:00 00:00:00", None, ""),
        ("    :  :     :  :  ", None, ""),
        ("2026:05:01 06:30:00\0", None, "2026-05-01T06:30:00"),
        ("yesterday", None, ""),
        (None, None, ""),
    ],
)
def test_the_time_is_that_of_the_exif(
    photo: Path, tmp_path: Path, original: str | None, changed: str | None, expected: str
) -> None:
    exif = Image.Exif()
    if changed is not None:
        exif[ExifTags.Base.DateTime] = changed
    if original is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = original
    with Image.open(photo) as opened:
        opened.save(tmp_path / "dated.jpg", exif=exif)
    with decoded(tmp_path / "dated.jpg") as read:
        assert read.taken_at == expected
    assert view(tmp_path / "dated.jpg").taken_at == expected
