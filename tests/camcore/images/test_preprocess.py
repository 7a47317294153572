"""Preprocessing against torchvision and plain Pillow, and the place of the view in the photo."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from torchvision.models import ResNet18_Weights, ResNet50_Weights

import camcore.images.preprocess
from camcore import open_photo
from camcore.images.preprocess import View, preprocess
from camcore.model.manifest import Preprocessing
from export.models import find_source

RESNET50 = {
    "IMAGENET1K_V1": ResNet50_Weights.IMAGENET1K_V1.transforms(),
    "IMAGENET1K_V2": ResNet50_Weights.IMAGENET1K_V2.transforms(),
}
LITE0 = find_source("efficientnet_lite0").preprocessing
# Round numbers, so that every box below can be computed by hand.
ROUND = Preprocessing(resize=200, size=(100, 100), interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1))
CLOSER_PHOTOS = sorted((Path(__file__).parents[4] / "shared" / "photos").glob("*.jpg"))

side = st.integers(1, 700)


def steps(weights: str) -> Preprocessing:
    return find_source("resnet50", weights).preprocessing


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


def drawn(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    """Return a blue photo with a red box."""
    photo = Image.new("RGB", (width, height), (0, 0, 255))
    photo.paste((255, 0, 0), box)
    return photo


def cut(photo: Image.Image, limit: int, chosen: Preprocessing, monkeypatch: pytest.MonkeyPatch) -> View:
    """Return the view if photos above `limit` resized pixels are cropped before they are resized."""
    with monkeypatch.context() as patch:
        patch.setattr(camcore.images.preprocess, "_MAX_RESIZED_PIXELS", limit)
        return preprocess(photo, chosen)[1]


def test_the_manifests_numbers_are_torchvisions() -> None:
    assert (steps("IMAGENET1K_V1").resize, steps("IMAGENET1K_V2").resize) == (256, 232)
    assert steps("IMAGENET1K_V1").size == steps("IMAGENET1K_V2").size == (224, 224)
    assert find_source("resnet18").preprocessing.resize == ResNet18_Weights.DEFAULT.transforms().resize_size[0]


@pytest.mark.parametrize("weights", RESNET50)
def test_photos_equal_torchvisions_transforms(
    weights: str, imagenet_photos: list[Path], animal_photos: list[Path]
) -> None:
    for path in [*animal_photos, *imagenet_photos[:3], *CLOSER_PHOTOS[:4]]:
        photo = open_photo(path)
        x, _ = preprocess(photo, steps(weights))
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        assert_allclose(x, RESNET50[weights](photo)[None].numpy(), atol=1e-5, err_msg=path.name)


@pytest.mark.parametrize("weights", RESNET50)
@settings(max_examples=40)
@given(side, side)
@example(1, 1)
@example(232, 233)
@example(231, 231)
@example(233, 700)
@example(700, 257)
@example(1, 700)
@example(2500, 22)
def test_every_size_equals_torchvisions_transforms(weights: str, width: int, height: int) -> None:
    photo = noise(width, height)
    expected = RESNET50[weights](photo)[None]
    assert_allclose(preprocess(photo, steps(weights))[0], expected.numpy(), atol=1e-5)


def test_lite0_equals_plain_pillow(imagenet_photos: list[Path], animal_photos: list[Path]) -> None:
    for photo in [open_photo(path) for path in (*animal_photos, imagenet_photos[5])] + [noise(300, 411)]:
        scale = 256 / min(photo.size)
        width, height = int(photo.width * scale + 1e-9), int(photo.height * scale + 1e-9)
        left, top = round((width - 224) / 2), round((height - 224) / 2)
        resized = photo.resize((width, height), Image.Resampling.BICUBIC)
        cropped = resized.crop((left, top, left + 224, top + 224))
        x, view = preprocess(photo, LITE0)
        assert_array_equal(view.image, cropped)
        expected = (np.asarray(cropped).astype(np.float64) - 127) / 128
        assert_allclose(x[0], expected.transpose(2, 0, 1), atol=1e-5)


def test_zero_is_the_colour_that_a_mask_paints() -> None:
    assert LITE0.zero_colour == (127, 127, 127)
    for chosen in (LITE0, steps("IMAGENET1K_V2")):
        x, _ = preprocess(Image.new("RGB", (300, 300), chosen.zero_colour), chosen)
        assert np.abs(x).max() < 0.5 / 255 / min(chosen.std) + 1e-6


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((200, 200), (50, 50, 150, 150)),
        ((400, 200), (150, 50, 250, 150)),
        ((200, 400), (50, 150, 150, 250)),
        ((800, 400), (300, 100, 500, 300)),
        ((400, 800), (100, 300, 300, 500)),
        ((50, 100), (12.5, 37.5, 37.5, 62.5)),
    ],
)
def test_the_box_by_hand(size: tuple[int, int], box: tuple[float, float, float, float]) -> None:
    assert preprocess(Image.new("RGB", size), ROUND)[1].box == pytest.approx(box)


def test_a_box_whose_sides_do_not_divide() -> None:
    """600 x 401 becomes 299 x 200, whose crop starts at 100 (99.5 to even) and 50."""
    expected = (100 * 600 / 299, 50 * 401 / 200, 200 * 600 / 299, 150 * 401 / 200)
    assert preprocess(Image.new("RGB", (600, 401)), ROUND)[1].box == pytest.approx(expected)


@pytest.mark.parametrize(("size", "box"), [((800, 400), (300, 100, 500, 300)), ((400, 800), (100, 300, 300, 500))])
def test_the_view_shows_what_lies_in_its_box(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    red = np.asarray(preprocess(drawn(*size, box), ROUND)[1].image)[..., 0]
    assert (red[1:-1, 1:-1] == 255).all(), "inside the box all is red"
    left, top, right, bottom = box
    around = drawn(*size, (left + 4, top + 4, right - 4, bottom - 4))
    red = np.asarray(preprocess(around, ROUND)[1].image)[..., 0]
    assert not np.concatenate([red[0], red[-1], red[:, 0], red[:, -1]]).any(), "and its rim is the view's"


@given(side, side)
def test_the_box_lies_in_the_photo_and_is_nearly_square(width: int, height: int) -> None:
    left, top, right, bottom = preprocess(Image.new("RGB", (width, height)), ROUND)[1].box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert right - left == pytest.approx(bottom - top, rel=1 / 200)
    assert (left + right) / 2 == pytest.approx(width / 2, abs=width / 200)
    assert (top + bottom) / 2 == pytest.approx(height / 2, abs=height / 200)


def test_squash_shows_the_whole_photo(animal_photos: list[Path]) -> None:
    photo = open_photo(animal_photos[0]).crop((0, 0, 300, 200))
    x, view = preprocess(photo, ROUND, "squash")
    assert view.box == (0, 0, 300, 200)
    assert_array_equal(view.image, photo.resize((100, 100), Image.Resampling.BILINEAR))
    assert_allclose(x[0], np.asarray(view.image).transpose(2, 0, 1) / 255, atol=1e-6)


def test_squash_keeps_left_and_top_apart() -> None:
    view = np.asarray(preprocess(drawn(400, 100, (0, 0, 200, 100)), ROUND, "squash")[1].image)
    assert (view[:, 5, 0] == 255).all()
    assert (view[:, 95, 2] == 255).all()


def test_the_input_is_the_view_normalised() -> None:
    chosen = Preprocessing(200, (100, 100), "bilinear", mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2))
    x, _ = preprocess(Image.new("RGB", (50, 70), (255, 51, 0)), chosen)
    assert x.shape == (1, 3, 100, 100)
    assert_allclose(x[0, :, 7, 9], [(1 - 0.1) / 0.5, 0, -0.15], atol=1e-6)


@pytest.mark.parametrize("chosen", [steps("IMAGENET1K_V2"), LITE0], ids=["resnet50", "lite0"])
@pytest.mark.parametrize("size", [(40, 8000), (8000, 40), (300, 2000), (2001, 499), (7, 900)])
def test_cutting_first_stays_within_one_grey_level(
    size: tuple[int, int], chosen: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = noise(*size)
    whole, first = (cut(photo, limit, chosen, monkeypatch) for limit in (10**9, 0))
    assert first.box == whole.box
    assert_allclose(np.asarray(first.image).astype(int), np.asarray(whole.image).astype(int), atol=1)


def test_a_photo_one_pixel_wide_costs_nothing_and_shows_its_middle() -> None:
    line = np.zeros((65_000, 1, 3), np.uint8)
    line[32_499, 0, 0] = line[32_500, 0, 2] = 200  # red above blue, in the middle
    for pixels, turn in ((line, (0, 1, 2)), (line.transpose(1, 0, 2), (1, 0, 2))):
        start = time.process_time()
        x, view = preprocess(Image.fromarray(pixels), steps("IMAGENET1K_V2"))
        assert time.process_time() - start < 0.5
        assert np.isfinite(x).all()
        upright = np.asarray(view.image).transpose(turn)
        assert (upright[0, :, 0] > 190).all()
        assert (upright[-1, :, 2] > 190).all()
        sides = view.box[2] - view.box[0], view.box[3] - view.box[1]
        assert sides == pytest.approx((224 / 232, 224 / 232), rel=1e-6)


def test_the_photo_is_left_alone(animal_photos: list[Path]) -> None:
    photo = open_photo(animal_photos[0])
    before = photo.copy()
    preprocess(photo, LITE0)
    preprocess(photo, LITE0, "squash")
    assert_array_equal(photo, before)


def test_a_batch_of_photos_is_what_torch_would_stack(imagenet_photos: list[Path]) -> None:
    photos = [open_photo(path) for path in imagenet_photos[:3]]
    ours = np.concatenate([preprocess(photo, steps("IMAGENET1K_V2"))[0] for photo in photos])
    theirs = torch.stack([RESNET50["IMAGENET1K_V2"](photo) for photo in photos])
    assert_allclose(ours, theirs.numpy(), atol=1e-5)
