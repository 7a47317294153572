"""Networks and pictures whose evidence is known by construction: the verdict must say where it lies."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import nn

from camcore.explainer import Explainer
from camcore.images.photo import open_photo
from camcore.images.preprocess import make_view
from camcore.methods.method_table import DEFAULT_METHODS
from camcore.model.manifest import Preprocessing
from camcore.study.file_names import PICTURES
from camcore.study.inputs.detections import read_detections
from camcore.study.inputs.load import StudyItem
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.species import GroundTruth
from camcore.study.photo_files import UNREADABLE
from camcore.study.record import make_record
from camcore.study.settings import StudySettings
from camcore.types import Box
from export import export_model

pytestmark = pytest.mark.slow

SETTINGS = StudySettings(target_word="bird")
SIDE, CELL = 64, 8
RED, BLUE, GREEN = (200, 40, 40), (40, 60, 190), (50, 130, 60)
SHARED = Path(__file__).parents[3] / ".." / "shared" / "photos"


def colour_network(name: str, colour: Sequence[float], folder: Path) -> Explainer:
    """A network of two classes: the first answers to `colour`, weights of R, G and B, in cells of 8 pixels."""

    layers = {"conv": nn.Conv2d(3, 2, CELL, stride=CELL), "relu": nn.ReLU(), "pool": nn.AdaptiveAvgPool2d(1)}
    model = nn.Sequential(OrderedDict(layers, flat=nn.Flatten(), fc=nn.Linear(2, 2)))
    weights = torch.zeros(2, 3, CELL, CELL)
    weights[0] = torch.tensor(colour)[:, None, None] / CELL**2
    state = {
        "conv.weight": weights,
        "conv.bias": torch.zeros(2),
        "fc.weight": torch.tensor([[4.0, 0.0], [0.0, 1.0]]),
        "fc.bias": torch.zeros(2),
    }
    model.load_state_dict(state)
    steps = Preprocessing(resize=SIDE, size=(SIDE, SIDE), interpolation="bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)
    return Explainer.load(export_model(model, folder / name, preprocessing=steps, int8=False))


def record_of(
    explainer: Explainer, picture: Image.Image, box: Box, folder: Path, truth: GroundTruth | None = None
) -> dict[str, Any]:
    path = folder / "photo.png"
    picture.save(path)
    (folder / PICTURES).mkdir(exist_ok=True)
    subject = StudyItem(StudyPhoto(path, path.name, "", "photo"), [box], truth or GroundTruth())
    view = make_view(open_photo(path), explainer.manifest.preprocessing)
    return make_record(explainer, subject, view, SETTINGS, UNREADABLE)[0]


def pasted(animal: Image.Image, background: Image.Image, box: tuple[int, int, int, int]) -> tuple[Image.Image, Box]:
    """An animal laid over a box of another background, and that box as fractions."""
    picture = background.copy()
    picture.paste(animal.resize((box[2] - box[0], box[3] - box[1])), box[:2])
    width, height = picture.size
    return picture, Box(box[0] / width, box[1] / height, box[2] / width, box[3] / height)


@pytest.mark.parametrize("box", [(8, 16, 32, 48), (0, 0, 24, 24), (40, 40, 64, 64), (16, 0, 40, 16)])
def test_a_network_that_answers_to_the_patch_is_on_the_target(tmp_path: Path, box: tuple[int, int, int, int]) -> None:
    explainer = colour_network("patch", (1, -0.5, -0.5), tmp_path)
    picture, marked = pasted(Image.new("RGB", (8, 8), RED), Image.new("RGB", (SIDE, SIDE), BLUE), box)
    record = record_of(explainer, picture, marked, tmp_path)
    assert record["verdict"]["place"] == "on the target"
    assert "the heat is stronger on the bird than around it" in record["verdict"]["sentence"]
    for explanation in record["explanations"]:
        assert explanation["localisation"]["energy"] > 0.7
        assert explanation["localisation"]["pointing_hit"]


@pytest.mark.parametrize("box", [(8, 16, 32, 48), (0, 0, 24, 24), (40, 40, 64, 64)])
def test_a_network_that_answers_to_the_background_is_off_the_target(
    tmp_path: Path, box: tuple[int, int, int, int]
) -> None:
    explainer = colour_network("background", (-0.5, -0.5, 1), tmp_path)
    picture, marked = pasted(Image.new("RGB", (8, 8), RED), Image.new("RGB", (SIDE, SIDE), BLUE), box)
    record = record_of(explainer, picture, marked, tmp_path)
    assert record["verdict"]["place"] == "off the target"
    assert "the heat is stronger around the bird than on it" in record["verdict"]["sentence"]
    assert "the heat is off the bird" in record["verdict"]["warnings"]
    for explanation in record["explanations"]:
        assert explanation["localisation"]["lift"] < 0.5
        assert not explanation["localisation"]["pointing_hit"]


@pytest.mark.parametrize(
    ("colour", "place"), [((1, 0, -1), "on the target"), ((-1, 1.5, -0.5), "off the target")], ids=["fur", "meadow"]
)
def test_an_animal_pasted_on_another_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, animal_photos: list[Path], colour: Any, place: str
) -> None:
    """A lion on a meadow, to a network that knows warm colours, and to one that knows green."""
    explainer = colour_network("pasted", colour, tmp_path)
    lion = Image.open(animal_photos[0]).convert("RGB")
    picture, marked = pasted(lion, Image.new("RGB", (128, 96), GREEN), (24, 40, 64, 80))
    record = record_of(explainer, picture, marked, tmp_path)
    assert record["verdict"]["place"] == place
    moved, marked = pasted(lion, Image.new("RGB", (128, 96), GREEN), (64, 8, 104, 48))
    assert record_of(explainer, moved, marked, tmp_path)["verdict"]["place"] == place


def test_a_network_without_evidence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = colour_network("patch", (1, -0.5, -0.5), tmp_path)
    picture = Image.new("RGB", (SIDE, SIDE), BLUE)
    record = record_of(explainer, picture, Box(0, 0, 0.5, 0.5), tmp_path)
    assert "No map highlights any part of the photo." in record["verdict"]["sentence"]
    assert "no map highlights any part of the photo" in record["verdict"]["warnings"]
    assert [each["faithfulness"] for each in record["explanations"]] == [None] * 3
    assert [each["localisation"] for each in record["explanations"]] == [None] * 3


def lifts(records: Sequence[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, list[float]] = {method: [] for method in DEFAULT_METHODS}
    for record in records:
        for explanation in record["explanations"]:
            if explanation["localisation"] is not None:
                found[explanation["method"]].append(explanation["localisation"]["lift"])
    return {method: fmean(values) for method, values in found.items()}


@pytest.mark.usefixtures("without_faithfulness")
def test_heat_lies_on_what_was_pasted(lite0: Explainer, imagenet_photos: list[Path], tmp_path: Path) -> None:
    """ImageNet photos shrunk and laid over others, blurred, in each quarter: a model with real weights finds them."""
    records = []
    for number, path in enumerate(imagenet_photos[:8]):
        thing = Image.open(path).convert("RGB")
        other = Image.open(imagenet_photos[-1 - number]).convert("RGB").resize((224, 224))
        left, top = 16 + 96 * (number % 2), 16 + 96 * (number // 2 % 2)
        picture, marked = pasted(thing, other.filter(ImageFilter.GaussianBlur(12)), (left, top, left + 96, top + 96))
        records.append(record_of(lite0, picture, marked, tmp_path))
    assert min(lifts(records).values()) > 1.5


@pytest.mark.skipif(not SHARED.is_dir(), reason="the photos are not in the repository")
@pytest.mark.usefixtures("without_faithfulness")
def test_mean_lift_on_photos_of_birds(lite0: Explainer, tmp_path: Path) -> None:
    """The table of the README."""
    detections = read_detections(SHARED / "megadetector.json")
    (tmp_path / PICTURES).mkdir()
    paths = sorted(SHARED.glob("*.jpg"))
    boxes = detections.among([path.name for path in paths])
    items = [
        StudyItem(StudyPhoto(path, path.name, "", path.stem), boxes.get(path.name), GroundTruth()) for path in paths
    ]
    steps, settings = lite0.manifest.preprocessing, replace(SETTINGS, target_word="animal")
    views = [make_view(open_photo(path), steps) for path in paths]
    records = [make_record(lite0, *photo, settings, UNREADABLE)[0] for photo in zip(items, views, strict=True)]
    assert sum(record["target"] is not None for record in records) == 12
    means = lifts(records)
    assert set(means) == set(DEFAULT_METHODS)
    assert min(means.values()) > 1.5
    np.testing.assert_allclose(list(means.values()), [1.71, 1.70, 1.79], atol=0.05)
