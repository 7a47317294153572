"""Mutated photos of every accepted format: each is read or refused, and the decoder goes on."""

from contextlib import suppress

import pytest

from camcore.errors import PhotoError
from camcore.images import worker
from camcore.images.decoder import PhotoDecoder
from camcore.images.formats import FORMATS
from camcore.images.photo import open_photo
from tests.mutated_photos import STEPS, decode_mutations, mutations, samples

COUNT, SEED = 3_000, 13


def test_samples_are_read_and_have_every_accepted_format() -> None:
    photos = samples()
    assert {name.split()[0] for name in photos} == {*FORMATS, "MPO"}
    for name, photo in photos.items():
        assert open_photo(photo).mode == "RGB", name


def test_mutations_are_the_same_for_the_same_seed() -> None:
    assert list(mutations(50, SEED)) == list(mutations(50, SEED)) != list(mutations(50, SEED + 1))


@pytest.mark.slow
def test_mutated_photos_are_read_or_refused_within_the_limits() -> None:
    outcome = decode_mutations(COUNT, SEED)
    assert outcome.total == COUNT
    assert outcome.opened > COUNT / 3, "mutations that Pillow refuses by their header show little"
    assert outcome.read > COUNT / 10
    assert all("\n" not in refusal and len(refusal) < 250 for refusal in outcome.refused), outcome.refused
    assert outcome.slowest < worker.MAX_SECONDS_LARGE + 5
    assert outcome.memory < worker.MAX_MEMORY


def test_what_libtiff_says_of_a_damaged_photo_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """It would be one line per damage, as many as a visitor's file has."""
    damaged = bytearray(samples()["TIFF 14 1"])
    damaged[40:80] = b"\xff" * 40
    with PhotoDecoder() as decoder, suppress(PhotoError):
        decoder.view(bytes(damaged), STEPS)
    assert capfd.readouterr() == ("", "")
    with suppress(PhotoError):
        open_photo(bytes(damaged))
    assert "Fax4Decode" in capfd.readouterr().err, "it is printed in this process"
