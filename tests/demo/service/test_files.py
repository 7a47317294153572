"""Files made for a visitor."""

from pathlib import Path

import pytest
from PIL import Image

from demo.service.files import displayable_copy


def test_displayable_copy_is_an_upright_jpeg_of_a_tiff_and_none_of_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "served"))
    rotated = Image.new("RGB", (40, 30), "green")
    rotated.getexif()[0x0112] = 6  # a quarter turn
    rotated.save(tmp_path / "rotated.tiff", exif=rotated.getexif())
    copy = displayable_copy(str(tmp_path / "rotated.tiff"))
    assert copy is not None
    assert Path(copy).is_relative_to(tmp_path / "served")
    picture = Image.open(copy)
    assert (picture.format, picture.size) == ("JPEG", (30, 40))
    rotated.save(tmp_path / "rotated.png")
    (tmp_path / "cut.tiff").write_bytes((tmp_path / "rotated.tiff").read_bytes()[:60])
    assert [displayable_copy(str(tmp_path / name)) for name in ("rotated.png", "cut.tiff", "gone.tiff")] == [None] * 3
