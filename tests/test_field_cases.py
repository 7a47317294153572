"""What people bring to the commands: files as cameras, cards, trainers and other programs leave them.

Each case goes through the command line as its owner would have used it, and the value is checked, not only its success.
"""

import io
import json
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image

from camcore.cli.main import main
from camcore.images.decoded_photo import DAMAGE_NOTES
from demo.service.uploads import collect
from export.__main__ import main as export
from tests.camcore.images.test_formats import _white_is_zero, chunk, tiff
from tests.camcore.study.inputs.test_detection_formats import camtrap_dp
from tests.conftest import OWN_MODEL

pytestmark = pytest.mark.slow

EAGLE, KITE = 22, 21  # classes of ImageNet


@pytest.fixture(autouse=True)
def in_an_empty_folder(
    tmp_path: Path, stand_in_artifacts: Path, without_faithfulness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMCORE_ARTIFACTS", str(stand_in_artifacts))


@pytest.fixture
def eagle(imagenet_photos: list[Path]) -> Image.Image:
    (path,) = (path for path in imagenet_photos if path.stem.endswith("_22"))
    image = Image.open(path)
    image.load()
    return image


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def explain(capsys: pytest.CaptureFixture[str], *files: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code of `explain` and its records."""
    capsys.readouterr()
    code = main(["explain", *files, "--json", "--method", "grad-cam"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def explained(capsys: pytest.CaptureFixture[str], name: str, data: bytes) -> dict[str, Any]:
    Path(name).write_bytes(data)
    code, (record,) = explain(capsys, name)
    assert code == (1 if "error" in record else 0)
    return record


def class_of(record: dict[str, Any]) -> int:
    return int(record["predictions"][0]["class_idx"])


def test_a_raw_photo_is_refused_and_the_next_photo_explained(
    eagle: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("raw.nef").write_bytes(tiff(eagle.resize((160, 120)), t254=1, t330=8))
    eagle.save("eagle.png")
    code, (raw, photo) = explain(capsys, "raw.nef", "eagle.png")
    assert (code, raw) == (1, {"file": "raw.nef", "error": "this is a raw photo: export it as JPEG"})
    assert class_of(photo) == EAGLE


@pytest.mark.parametrize("missing", [2, 100, 1000])
def test_a_cut_jpeg_is_explained_with_a_note(
    missing: int, eagle: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    record = explained(capsys, "cut.jpg", jpeg(eagle)[:-missing])
    assert (class_of(record), record["damage"]) == (EAGLE, DAMAGE_NOTES["cut short"])
    half = explained(capsys, "half.jpg", jpeg(eagle)[: len(jpeg(eagle)) // 2])
    assert half["error"] == "this photo is cut short, and more than a tenth of it is missing: copy it again"


def test_a_block_of_zeros_is_said(eagle: Image.Image, capsys: pytest.CaptureFixture[str]) -> None:
    data = jpeg(eagle.resize((1200, 900)))
    record = explained(capsys, "card.jpg", data[:40_960] + bytes(4096) + data[45_056:])
    assert record["damage"] == DAMAGE_NOTES["overwritten"]
    assert explained(capsys, "whole.jpg", data)["damage"] is None


def test_white_is_zero(eagle: Image.Image, capsys: pytest.CaptureFixture[str]) -> None:
    grey = np.asarray(eagle.convert("L")).astype(np.uint16) * 257
    usual = explained(capsys, "usual.tif", tiff(Image.fromarray(grey)))
    negative = explained(capsys, "inverted.tif", _white_is_zero(65535 - grey))
    assert negative["predictions"] == usual["predictions"]


@pytest.mark.parametrize("name", ["text.png", "eagle.avif", "eagle.jp2", "eagle.heic", "heic.JPG"])
def test_other_formats_are_explained(name: str, eagle: Image.Image, capsys: pytest.CaptureFixture[str]) -> None:
    buffer = io.BytesIO()
    if name == "text.png":
        eagle.save(buffer, "PNG")
        data = buffer.getvalue()
        buffer = io.BytesIO(data[:33] + chunk(b"tEXt", b"Comment\0" + b"x" * 2_000_000) + data[33:])
    elif "heic" in name:
        from pillow_heif import from_pillow

        from_pillow(eagle).save(buffer, quality=90)
    else:
        eagle.save(buffer, {"avif": "AVIF", "jp2": "JPEG2000"}[name[-4:].lstrip(".")])
    assert class_of(explained(capsys, name, buffer.getvalue())) == EAGLE


def test_a_photo_of_80_megapixels_is_explained(eagle: Image.Image, capsys: pytest.CaptureFixture[str]) -> None:
    large = eagle.resize((10_000, 8_000), Image.Resampling.NEAREST)
    assert class_of(explained(capsys, "large.jpg", jpeg(large))) == EAGLE


def test_a_name_of_255_bytes_is_explained(eagle: Image.Image, capsys: pytest.CaptureFixture[str]) -> None:
    assert class_of(explained(capsys, f"{'x' * 250}.jpg", jpeg(eagle))) == EAGLE
    assert any(path.name.endswith("x.compare.png") for path in Path("explanations").iterdir())


# Studies: photos of one bird in the folders of two species and two sites.
FILES = ("eagle/siteA/IMG_0001.JPG", "eagle/siteB/IMG_0001.JPG", "kite/IMG_0003.JPG")


@pytest.fixture
def archive(eagle: Image.Image) -> Path:
    for file in FILES:
        path = Path("archive", file)
        path.parent.mkdir(parents=True)
        path.write_bytes(jpeg(eagle))
    return Path("archive")


def study(*options: str) -> dict[str, dict[str, Any]]:
    """Return the records of a study of the archive by file."""
    assert main(["study", "archive", *options]) == 0
    content = json.loads(Path("study/study.json").read_text())
    return {record["file"]: record for record in content["photos"]}


def written(content: Any, name: str = "boxes.json") -> str:
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
    return name


def image(file: str, category: str = "1", box: Any = (0.1, 0.2, 0.3, 0.4), conf: float = 0.9) -> dict[str, Any]:
    return {"file": file, "detections": [{"category": category, "conf": conf, "bbox": list(box)}]}


def megadetector(*images: dict[str, Any], categories: Any = None) -> dict[str, Any]:
    return {"info": {"format_version": "1.4"}, "detection_categories": categories, "images": list(images)}


NAMED = {"1": "animal", "2": "person", "3": "vehicle"}
CORNERS = {"category": "animal", "confidence": 0.93, "bbox": [50.4, 75.1, 200.7, 225.2]}


@pytest.mark.parametrize(
    ("content", "unmarked"),
    [
        (megadetector(*({"file": file, "detections": []} for file in FILES), categories={}), ["none found"] * 3),
        (
            megadetector(
                image(FILES[0], "4"), image(FILES[1], "5"), image(FILES[2], "2"),
                categories={"1": "unidentified animal", "2": "person", "4": "eagle", "5": "kite"},
            ),
            [None, None, "none found"],
        ),
        (megadetector(*(image(file, "0") for file in FILES)), [None] * 3),
        ([{"file": file, "detections": [CORNERS]} for file in FILES], [None] * 3),
        (
            megadetector(image(FILES[0], box=(0.1, 0.1, 1.02, 0.5)), *map(image, FILES[1:]), categories=NAMED),
            ["not marked", None, None],
        ),
        (
            megadetector(
                image(FILES[0]), image(FILES[0]), {"file": FILES[1], "failure": "Failure image access"},
                image(FILES[1]), categories=NAMED,
            ),
            [None, None, "not marked"],
        ),
        (
            {
                "images": [{"id": number, "file_name": file} for number, file in enumerate(FILES)],
                "annotations": [
                    {"image_id": 0, "category_id": 7, "bbox": [50, 75, 150, 150]},
                    {"image_id": 1, "category_id": 7, "sequence_level_annotation": True},
                    {"image_id": 2, "category_id": 0},
                ],
                "categories": [{"id": 0, "name": "empty"}, {"id": 7, "name": "eagle"}],
            },
            [None, "not marked", "none found"],
        ),
    ],
    ids=["all blank", "AddaxAI", "no categories", "pixels", "one bad box", "listed twice", "COCO"],
)  # fmt: skip
def test_boxes(content: Any, unmarked: list[str | None], archive: Path) -> None:
    records = study("--boxes", written(content))
    assert [records[file]["unmarked"] for file in FILES] == unmarked
    marked = [record for record in records.values() if record["unmarked"] is None]
    assert all(0 < record["target"]["share"] < 1 for record in marked)


def test_boxes_in_pixels_are_where_those_in_fractions_are(archive: Path, eagle: Image.Image) -> None:
    corners = np.multiply((0.25, 0.5, 0.75, 0.75), (*eagle.size, *eagle.size)).tolist()
    pixels = [{"file": FILES[0], "detections": [{**CORNERS, "bbox": corners}]}]
    fractions = megadetector(image(FILES[0], box=(0.25, 0.5, 0.5, 0.25)), categories=NAMED)
    targets = [study("--boxes", written(content))[FILES[0]]["target"] for content in (pixels, fractions)]
    assert targets[0]["share"] == pytest.approx(targets[1]["share"])
    assert np.allclose(targets[0]["boxes"], targets[1]["boxes"])


def test_camtrap_dp_gives_boxes_species_and_sites(eagle: Image.Image) -> None:
    package = camtrap_dp(Path("package"))
    for name in ("d1/IMG_1.JPG", "d2/IMG_3.JPG"):
        path = Path("archive", name)
        path.parent.mkdir(parents=True)
        path.write_bytes(jpeg(eagle))
    records = study("--boxes", str(package), "--truth", str(package))
    assert [(record["unmarked"], record["site"], record["truth"]["title"]) for record in records.values()] == [
        (None, "Ridge", "Vulpes vulpes"), ("not marked", "l2", "Meles meles"),
    ]  # fmt: skip
    report = Path("study/report.html").read_text()
    assert "By site" in report
    assert "site Ridge" in report
    assert Path("study/figures.csv").read_text().splitlines()[1].startswith("d1/IMG_1.JPG,d1,Ridge,")


TIMELAPSE = (
    "RootFolder,File,RelativePath,DateTime,DeleteFlag,Species\n"
    "birds,IMG_0001.JPG,eagle\\siteA,2024-01-01 00:00:00,false,bald eagle\n"
    "birds,IMG_0001.JPG,eagle\\siteB,2024-01-01 00:00:00,false,kite\n"
)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_timelapse(separator: str, archive: Path) -> None:
    records = study("--truth", written(TIMELAPSE.replace(",", separator), "timelapse.csv"), "--site-from", "folder:2")
    assert [records[file]["truth"]["class_idx"] for file in FILES[:2]] == [EAGLE, KITE]
    assert [records[file]["truth"]["status"] for file in FILES[:2]] == ["right", "wrong"]
    assert [records[file]["site"] for file in FILES] == ["siteA", "siteB", ""]


def test_speciesnet_predictions_are_true_classes(archive: Path) -> None:
    taxa = ("x;aves;accipitriformes;accipitridae;haliaeetus;leucocephalus;bald eagle", "x;;;;;;blank")
    predictions = [{"filepath": file, "prediction": taxon} for file, taxon in zip(FILES[:2], taxa, strict=True)]
    records = study("--truth", written({"predictions": predictions}, "predictions.json"))
    assert [records[file]["truth"]["status"] for file in FILES[:2]] == ["right", "not told"]


def test_folders_of_the_system_are_not_studied(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("@eaDir", "$RECYCLE.BIN", "eagle/@eaDir/IMG_0001.JPG", "System Volume Information", ".thumbnails"):
        (archive / folder).mkdir(parents=True)
        shutil.copy(archive / FILES[0], archive / folder / "SYNOPHOTO_THUMB_M.jpg")
    assert list(study()) == list(FILES)
    note = "note: ignored folders of the operating system: $RECYCLE.BIN, @eaDir, System Volume Information"
    assert note in capsys.readouterr().err
    with ZipFile("archive.zip", "w") as zipped:
        for path in archive.rglob("*.[jJ]*"):
            if path.is_file():
                zipped.write(path, path.relative_to(archive))
    collect([Path("archive.zip")], Path("unpacked"))
    assert sorted(path.relative_to("unpacked").as_posix() for path in Path("unpacked").rglob("*.JPG")) == list(FILES)
    assert not list(Path("unpacked").rglob("*THUMB*"))


# Exports: what `--weights` and `--labels` say of a file, on stderr.


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("PyTorch-Wildlife", "left out: net.feature.fc.weight, net.feature.fc.bias"),
        ("averaged", "averaged weights taken from model_ema, not from model"),
    ],
)
def test_checkpoints(form: str, said: str, resnet18_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = torch.load(resnet18_checkpoint)
    head = {key.removeprefix("fc."): value for key, value in state.items() if key.startswith("fc.")}
    rest = {key: value for key, value in state.items() if not key.startswith("fc.")}
    forms: dict[str, Any] = {
        "fc.1 after a dropout": {**rest, **{f"fc.1.{key}": value for key, value in head.items()}},
        "CV4Ecology": {
            "model_state": {f"feature_extractor.{key}": value for key, value in rest.items()}
            | {f"classifier.{key}": value for key, value in head.items()},
            "args": Namespace(lr=0.1),
        },
        "PyTorch-Wildlife": {
            "state_dict": {f"net.feature.{key}": value for key, value in rest.items()}
            | {"net.feature.fc.weight": torch.ones(1000, 512), "net.feature.fc.bias": torch.ones(1000)}
            | {f"net.classifier.{key}": value for key, value in head.items()}
        },
        "averaged": {"model": {key: value + 1 for key, value in state.items()}, "model_ema": state},
    }
    torch.save(forms[form], "birds.pth")
    labels = "\n".join(f"{9 - number} bird {number}" for number in range(10))
    Path("labels.txt").write_text(labels)
    export_options = ["--model", "resnet18", "--weights", "birds.pth", "--labels", "labels.txt", "--no-int8"]
    export_options += ["--size", "64"]
    assert export([*export_options, "--photos", str(_photos())]) == 0
    assert said in capsys.readouterr().err
    manifest = json.loads(Path("artifacts/birds/manifest.json").read_text())
    assert manifest["labels"] == [f"bird {9 - number}" for number in range(10)]
    exported = torch.jit.load("artifacts/birds/model.ts.pt").state_dict()
    assert any(torch.equal(value, head["weight"]) for value in exported.values())


def _photos() -> Path:
    folder = Path("photos")
    folder.mkdir(exist_ok=True)
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 256, (240, 240, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


BIRDS = ["eagle", "kite", "owl", "wren"]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("3 wren\n2 owl\n0 eagle\n1 kite\n", BIRDS),
        ('{"0": ["n00", "eagle"], "1": ["n01", "kite"], "2": ["n02", "owl"], "3": ["n03", "wren"]}', BIRDS),
        ("0,eagle\n1,kite\n2,owl\n3,wren\n", BIRDS),
        ('{\n "eagle": 0,\n "kite": 1,\n "owl": 2\n}', None),
    ],
)
def test_labels(content: str, names: list[str] | None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("finches.py").write_text(OWN_MODEL)
    Path("labels").write_text(content)
    code = export(["--model", "finches.py:build", "--labels", "labels", "--no-int8", "--out", "four"])
    if names is None:
        assert code == 1
        assert "labels names 3 classes, but the model has 4: write one class per line" in capsys.readouterr().err
        assert not Path("four").exists()
    else:
        assert code == 0
        assert json.loads(Path("four/manifest.json").read_text())["labels"] == names
