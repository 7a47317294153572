"""Names of result files, and atomic writing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camcore.drawing.output import make_folder, output_stems, save_map, save_picture, to_json
from camcore.errors import OutputError


def test_equal_stems_are_numbered_without_regard_to_case() -> None:
    photos = ["a/bird.jpg", "b/Bird.png", "bird-2.gif", "BIRD.tif", "other.jpg"]
    assert output_stems(photos) == ["bird", "Bird-2", "bird-2-2", "BIRD-3", "other"]


def test_the_stem_of_a_long_name_leaves_room_for_suffixes() -> None:
    (stem,) = output_stems([f"a/{'ü' * 120}2.jpg"])
    assert stem.endswith("ü2")
    assert 150 < len(stem.encode()) <= 180


def test_saved_files_can_be_read_back(tmp_path: Path) -> None:
    heatmap = np.array([[0, 0.25], [0.5, 1]], np.float32)
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    save_map(tmp_path / "a.npy", heatmap)
    save_picture(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), heatmap)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), pixels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "a.png"]


def test_a_failed_write_keeps_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npy"
    save_map(path, np.zeros((2, 2), np.float32))
    before = path.read_bytes()

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OutputError, match=r"a\.npy cannot be written \(No space left on device\)"):
        save_map(path, np.ones((2, 2), np.float32))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        make_folder(tmp_path / "file" / "folder")


def test_json_keeps_letters_and_refuses_numbers_that_are_not_finite() -> None:
    assert to_json({"name": "Öland", "lift": None}) == '{"name": "Öland", "lift": null}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"lift": float("nan")})
