"""What is taken along: complete, of the class asked about, with nothing of the machine or of the photo's EXIF."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from camcore import Box, Explainer
from camcore.options import ExplainOptions
from demo.compare.download_files import bundle, comparison, download_source, file_name
from demo.compare.explain import explain
from demo.compare.session import ExplainRequest, FinishedExplanation, Session
from demo.service.models import Models

KITE = 21
KINDS = ("compare", "grad-cam", "grad-cam-pp", "score-cam", "view", "again")
PICTURES = [f"explanations/Nid 1.{what}.png" for what in KINDS]
MAPS = [f"explanations/Nid 1.{method}.npy" for method in ("grad-cam", "grad-cam-pp", "score-cam")]
BOX = Box(left=0.2, top=0.2, right=0.7, bottom=0.9)


@pytest.fixture(scope="module")
def models(stand_in_artifacts: Path, stand_in: Explainer) -> Models:
    return Models(stand_in, stand_in_artifacts / "efficientnet_lite0")


@pytest.fixture(scope="module")
def finished(
    models: Models, imagenet_photos: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> FinishedExplanation:
    """Of an eagle whose EXIF tells where it nests, asked about a kite."""
    path = tmp_path_factory.mktemp("upload") / "Nid 1.JPG"
    exif = Image.Exif()
    exif[0x010E] = "nest at the red cliff"
    exif[0x0132] = "2024:05:06 07:08:09"
    eagle = next(path for path in imagenet_photos if path.stem.endswith("_22"))
    Image.open(eagle).save(path, exif=exif)
    request = ExplainRequest(str(path), ExplainOptions(KITE))
    session = Session(request)
    assert list(explain(models, session, request))
    assert session.finished
    return session.finished


@pytest.fixture(scope="module")
def archive(
    models: Models, finished: FinishedExplanation, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of the archive by name."""
    folder = tmp_path_factory.mktemp("cache")
    path = bundle(download_source(models, finished, (BOX,), "viridis", 0.5), folder)
    assert path == folder / "Nid 1.zip"
    assert list(folder.iterdir()) == [path]
    with ZipFile(path) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def study(archive: dict[str, bytes]) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(archive["explanation.json"], parse_constant=refuse)


def test_everything_is_in_it(archive: dict[str, bytes]) -> None:
    expected = ["explanation.json", "figures.csv", "report.html", *sorted([*PICTURES, *MAPS])]
    assert sorted(archive) == sorted(expected)


def test_the_record_is_of_the_class_asked_about_and_of_the_box(archive: dict[str, bytes]) -> None:
    made = study(archive)
    (record,) = made["photos"]
    assert {each["name"] for each in record["explanations"]} == {"kite"}
    assert record["predictions"][0]["name"] == "bald eagle"
    assert "The maps explain kite" in record["verdict"]["sentence"]
    assert record["target"]["word"] == "animal"
    assert all(each["localisation"]["lift"] > 0 for each in record["explanations"])
    assert all(each["hottest"].startswith(("at the", "on the", "in the")) for each in record["explanations"])
    assert made["protocol"]["score"] == "softmax probability of the explained class, kite"
    assert "--class 21 --model efficientnet_lite0" in made["command"]
    assert made["pictures"] == {"colour_map": "viridis", "opacity": 0.5}


def test_the_record_names_files_that_are_there(archive: dict[str, bytes], finished: FinishedExplanation) -> None:
    (record,) = study(archive)["photos"]
    for found, explanation in zip(record["explanations"], finished.explanations, strict=True):
        assert found["picture"] in archive
        np.testing.assert_array_equal(np.load(io.BytesIO(archive[found["map"]])), explanation.heatmap)
    assert record["view"]["picture"] in archive


def test_the_figures_are_a_row_a_method(archive: dict[str, bytes]) -> None:
    rows = list(csv.DictReader(io.StringIO(archive["figures.csv"].decode())))
    assert [(row["file"], row["method"], row["name"]) for row in rows] == [
        ("Nid 1.JPG", method, "kite") for method in ("grad-cam", "grad-cam++", "score-cam")
    ] + [("Nid 1.JPG", baseline, "") for baseline in ("centre", "random")]


def test_the_report_stands_alone(archive: dict[str, bytes]) -> None:
    report = archive["report.html"].decode()
    assert "default-src 'none'" in report
    assert report.count("data:image/webp;base64,") >= 4
    assert "is missing" not in report
    assert "<h1>Nid 1.JPG</h1>" in report
    assert "#flagged" not in report
    assert "supported the explained class, kite" in report


def test_no_path_and_no_exif_gets_out(archive: dict[str, bytes], finished: FinishedExplanation, tmp_path: Path) -> None:
    upload = Path(finished.request.path or "")
    for name, data in archive.items():
        for secret in (str(upload.parent), str(tmp_path.parent), "/tmp", str(Path.home()), "red cliff", "07:08:09"):
            assert secret.encode() not in data, (name, secret)
    for name in PICTURES:
        with Image.open(io.BytesIO(archive[name])) as picture:
            picture.load()
            assert not picture.getexif()
            assert not picture.info


def test_pictures_are_in_the_colours_of_the_page(
    archive: dict[str, bytes], models: Models, finished: FinishedExplanation, tmp_path: Path
) -> None:
    path = comparison(download_source(models, finished, (BOX,), "viridis", 0.5), tmp_path)
    assert path.name == "Nid 1.compare.png"
    assert path.read_bytes() == archive[PICTURES[0]]
    other = comparison(download_source(models, finished, (BOX,), "jet", 0.5), tmp_path)
    assert other.read_bytes() != archive[PICTURES[0]]


def test_the_comparison_has_the_box_and_the_verdict(
    models: Models, finished: FinishedExplanation, tmp_path: Path
) -> None:
    pictures = {}
    for name, boxes in (("boxed", (BOX,)), ("plain", ())):
        with Image.open(comparison(download_source(models, finished, boxes, "inferno", 0.8), tmp_path)) as picture:
            pictures[name] = np.asarray(picture.convert("RGB")).astype(int)
    changed = np.abs(pictures["boxed"][28:364] - pictures["plain"][28:364]).max(axis=(0, 2)) > 60
    panels = [changed[28 + 352 * column : 28 + 352 * column + 336].any() for column in range(4)]
    assert panels == [True] * 4
    assert (pictures["plain"][470:500, 28:700] < 128).any(), "the verdict"


def test_a_photo_that_is_gone_is_taken_along_without_its_hash(
    models: Models, finished: FinishedExplanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(finished.request.path or "")
    aside = path.rename(tmp_path / "aside")
    try:
        made = bundle(download_source(models, finished, (), "inferno", 0.8), tmp_path)
    finally:
        aside.rename(path)
    with ZipFile(made) as opened:
        (record,) = json.loads(opened.read("explanation.json"))["photos"]
    assert (record["sha256"], record["target"]) == ("", None)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/tmp/gradio/0a1b/Aigle de Bonelli (2).jpg", "Aigle de Bonelli (2).jpg"),
        ("鷹.jpeg", "鷹.jpeg"),
        ("../..", "photo"),
        (".hidden", "hidden"),
        ('a<b>"c|d?.png', "a_b__c_d_.png"),
        ("line\nbreak\u202egpj.exe", "line_break_gpj.exe"),
        ("x" * 300 + ".jpg", "x" * 60 + ".jpg"),
        ("-rf.jpg", "rf.jpg"),
        ("", "photo"),
    ],
)
def test_a_name_is_made_harmless(path: str, name: str) -> None:
    assert file_name(path) == name
