"""Visitors' photos: decoded one at a time for each visitor, within a deadline, and once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from PIL import Image

from camcore.errors import PhotoError
from camcore.images.decoder import PhotoDecoder
from camcore.model.manifest import Preprocessing
from demo.service.photos import Photos
from demo.service.queue import Deadline, RequestTimeoutError
from tests.hostile_photos import KINDS

STEPS = Preprocessing(256, (224, 224), "bilinear", (0.5,) * 3, (0.5,) * 3)


def soon(seconds: float = 60) -> Deadline:
    return Deadline(time.monotonic(), seconds)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 30), "green").save(tmp_path / "bird.png")
    return tmp_path / "bird.png"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the photos that are decoded from now on."""
    names: list[str] = []
    view: Callable[..., object] = PhotoDecoder.view

    def record(self: PhotoDecoder, source: Path, *values: object, **keywords: object) -> object:
        names.append(source.name)
        return view(self, source, *values, **keywords)

    monkeypatch.setattr(PhotoDecoder, "view", record)
    return names


def test_photo_is_decoded_once_for_its_check_and_its_use(photo: Path, decoded: list[str]) -> None:
    photos = Photos()
    first, second = (photos.view("visitor", photo, STEPS, "crop", soon()) for _ in range(2))
    assert first is second
    assert decoded == ["bird.png"]
    photos.view("visitor", photo, STEPS, "squash", soon())
    assert decoded == ["bird.png"] * 2


def test_refusal_is_repeated_without_decoding_again(tmp_path: Path, decoded: list[str]) -> None:
    (tmp_path / "note.jpg").write_text("dear bird")
    photos = Photos()
    for _ in range(2):
        with pytest.raises(PhotoError, match="not a photo"):
            photos.view("visitor", tmp_path / "note.jpg", STEPS, "crop", soon())
    assert decoded == ["note.jpg"]


def test_upload_that_is_gone_is_refused_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no longer there") as refusal:
        Photos().view("visitor", tmp_path / "gone.jpg", STEPS, "crop", soon())
    assert str(tmp_path) not in str(refusal.value)


def test_photos_of_one_visitor_wait_for_one_another_and_those_of_others_do_not(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "hostile.gif").write_bytes(KINDS["gif_comments"]("large"))
    photos, begun = Photos(), Barrier(2)

    def decode_hostile_photo() -> None:
        begun.wait(timeout=30)
        with pytest.raises(PhotoError, match="too much memory or time"):
            photos.view("hostile", tmp_path / "hostile.gif", STEPS, "crop", soon())

    photos.view("warm", photo, STEPS, "squash", soon())  # the processes are running
    with ThreadPoolExecutor(1) as threads:
        hostile = threads.submit(decode_hostile_photo)
        begun.wait(timeout=30)
        time.sleep(0.5)
        assert photos.view("visitor", photo, STEPS, "crop", soon()).photo_size == (40, 30)
        assert not hostile.done()
        with pytest.raises(RequestTimeoutError):
            photos.view("hostile", photo, STEPS, "crop", soon(0.3))
        hostile.result(timeout=60)


def test_displayable_copy_is_an_upright_jpeg_of_a_tiff_and_none_of_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "served"))
    rotated = Image.new("RGB", (40, 30), "green")
    rotated.getexif()[0x0112] = 6  # a quarter turn
    rotated.save(tmp_path / "rotated.tiff", exif=rotated.getexif())
    photos = Photos()
    copy = photos.displayable_copy("visitor", tmp_path / "rotated.tiff", soon())
    assert copy is not None
    assert copy.is_relative_to(tmp_path / "served")
    picture = Image.open(copy)
    assert (picture.format, picture.size) == ("JPEG", (30, 40))
    rotated.save(tmp_path / "rotated.png")
    (tmp_path / "cut.tiff").write_bytes((tmp_path / "rotated.tiff").read_bytes()[:60])
    for name in ("rotated.png", "cut.tiff", "gone.tiff"):
        assert photos.displayable_copy("visitor", tmp_path / name, soon()) is None
