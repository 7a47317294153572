"""The sample photos of the gradio package, with the package and without."""

import pytest

from camcore.images import samples
from camcore.images.photo import open_photo
from camcore.images.samples import sample_photos


def test_sample_photos_are_the_lion_and_the_cheetah() -> None:
    assert [path.name for path in sample_photos()] == list(samples.SAMPLES)
    assert all(min(open_photo(path).size) > 200 for path in sample_photos())


def test_sample_photos_without_gradio_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "find_spec", lambda _name: None)
    assert sample_photos() == []
