"""The command `study`: its files, its messages, and how it continues after an interruption."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from camcore.cli.main import main
from camcore.errors import OutputError
from camcore.methods.method_table import DEFAULT_METHODS, METHODS
from camcore.metrics.baselines import column_titles
from camcore.report.metrics_csv import COLUMNS
from camcore.study import outputs

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMCORE_ARTIFACTS", str(artifacts))


@pytest.fixture
def quick(in_an_empty_folder: None, quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a model that answers at once, with random classes, for tests of files, names and messages."""
    monkeypatch.setenv("CAMCORE_ARTIFACTS", str(quick_artifacts))


@pytest.fixture
def birds(imagenet_photos: list[Path], in_an_empty_folder: None) -> Path:
    """A folder with one subfolder per species, of which only one has a class in ImageNet."""
    photos = {path.stem.split("_")[-1]: path for path in imagenet_photos}
    for file, index in (("bonegl/eagle.jpg", "22"), ("cbrtsh/thrush.jpg", "99"), ("himbul/bulbul.jpg", "22")):
        Path("birds", file).parent.mkdir(parents=True)
        shutil.copy(photos[index], Path("birds", file))
    return Path("birds")


def boxes(**detections: list[float] | None) -> Path:
    """Write a MegaDetector file with one box, or none, for each photo."""
    images = [
        {
            "file": name.replace("__", "/") + ".jpg",
            "detections": [{"category": "1", "conf": 0.9, "bbox": bbox}] if bbox else [],
        }
        for name, bbox in detections.items()
    ]
    content = {"info": {"format_version": "1.4"}, "detection_categories": {"1": "animal"}, "images": images}
    Path("boxes.json").write_text(json.dumps(content))
    return Path("boxes.json")


def study() -> dict[str, Any]:
    return dict(json.loads(Path("study/study.json").read_text()))


def rows() -> list[dict[str, str]]:
    with Path("study/figures.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def records() -> list[dict[str, Any]]:
    return list(study()["photos"])


@pytest.mark.slow
def test_a_study_writes_a_report_metrics_pictures_and_a_description(
    birds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = boxes(bonegl__eagle=[0.2, 0.2, 0.5, 0.5], himbul__bulbul=[0.1, 0.1, 0.4, 0.4])
    assert main(["study", str(birds), "--boxes", str(path), "--sanity", "--adcc"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "boxes.json does not list 1 photo, so energy and lift are not measured: cbrtsh/thrush.jpg" in captured.err
    stems = ("bonegl-eagle", "cbrtsh-thrush", "himbul-bulbul")
    kinds = ("view", "compare", "again", *(METHODS[name].file_name for name in DEFAULT_METHODS))
    expected = {f"{stem}.{kind}.png" for stem in stems for kind in kinds}
    assert {path.name for path in Path("study/explanations").iterdir()} == expected
    assert {path.name for path in Path("study").iterdir()} == {
        "report.html", "figures.csv", "study.json", "progress.jsonl", "rows", "explanations",
    }  # fmt: skip

    metrics = rows()
    assert tuple(metrics[0]) == COLUMNS
    assert [(row["file"], row["method"]) for row in metrics] == [
        (f"{species}/{name}.jpg", method)
        for species, name in (("bonegl", "eagle"), ("cbrtsh", "thrush"), ("himbul", "bulbul"))
        for method in column_titles(DEFAULT_METHODS)
    ]
    for row in metrics:
        assert 0 <= float(row["deletion_auc"]) <= 1
        assert row["increase"] in {"0", "1"}
        assert (row["lift"] == "") == (row["species"] == "cbrtsh")
        assert (row["forwards"] == "") == (row["method"] != "score-cam")

    truths = {record["species"]: record["truth"] for record in records()}
    assert truths["bonegl"]["status"] == truths["cbrtsh"]["status"] == "no such class"
    assert (truths["himbul"]["status"], truths["himbul"]["name"]) == ("wrong", "bulbul")
    assert truths["himbul"]["rank"] > 1
    assert set(records()[0]["sanity"]) == {"grad-cam", "grad-cam++"}
    page = Path("study/report.html").read_text()
    for word in ("Bonelli&#39;s Eagle", "Pycnonotus leucogenys", "the model has no class for", "ADCC", "Centre"):
        assert word in page
    for record in records():
        assert all(0 <= value <= 1 for value in record["adcc"].values())
        assert [entry["method"] for entry in record["baselines"]] == ["centre", "random"]
        asked = record["counterfactuals"]
        assert asked["marked_by"] == ("hottest fifth" if record["unmarked"] else "target")
        assert {answer["part"] for answer in asked["answers"]} >= {"target only", "background only"}
        assert Path("study", asked["picture"]).is_file()


@pytest.mark.usefixtures("without_faithfulness")
def test_the_description_has_all_that_is_needed_to_repeat_a_study(birds: Path, artifacts: Path) -> None:
    assert main(["study", str(birds), "--effort", "40", "--fit", "squash", "--definition", "probability"]) == 0
    description = study()
    assert (description["model"]["model"], description["model"]["weights"]) == ("efficientnet_lite0", "package")
    manifest = json.loads((artifacts / "efficientnet_lite0" / "manifest.json").read_text())
    assert description["model"]["files"] == manifest["files"]
    assert description["command"] == "python -m camcore study birds --effort 40 --fit squash --definition probability"
    settings = description["settings"]
    assert (settings["effort"], settings["fit"], settings["definition"]) == (40, "squash", "probability")
    assert [photo["file"] for photo in description["photos"]] == [record["file"] for record in records()]
    assert all(re.fullmatch("[0-9a-f]{64}", photo["sha256"]) for photo in description["photos"])
    assert description["protocol"]["steps"] == 32
    assert set(description["versions"]) >= {"python", "torch", "onnxruntime"}
    assert {row["forwards"] for row in rows() if row["method"] == "score-cam"} == {"40"}


@pytest.mark.usefixtures("quick")
def test_a_bad_photo_is_reported_in_its_row_and_the_others_are_explained(
    birds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(birds, "bonegl", "words.jpg").write_text("not a photo")
    Path(birds, "bonegl", "camera.raf").write_bytes(b"FUJIFILMCCD-RAW 0201FF383501")
    assert main(["study", str(birds)]) == 1
    captured = capsys.readouterr()
    assert "bonegl/words.jpg: this file is not a photo" in captured.err
    assert "bonegl/camera.raf: this is a raw photo (RAF): export it as JPEG" in captured.err
    assert "Traceback" not in captured.err
    metrics = {(row["file"], row["method"]): row for row in rows()}
    assert len(metrics) == 3 * 5 + 2 * 3, "photos that failed have no baselines"
    assert metrics["bonegl/words.jpg", "grad-cam"]["deletion_auc"] == ""
    assert metrics["cbrtsh/thrush.jpg", "grad-cam"]["deletion_auc"] != ""
    assert "this file is not a photo" in Path("study/report.html").read_text()


@pytest.mark.usefixtures("quick")
def test_only_complete_results_of_unchanged_photos_are_reused(birds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(birds, "bonegl", "words.jpg").write_text("not a photo")
    assert main(["study", str(birds), "--effort", "8"]) == 1
    before = rows()
    capsys.readouterr()
    shutil.copy(Path(birds, "cbrtsh", "thrush.jpg"), Path(birds, "bonegl", "eagle.jpg"))  # another photo of that name
    shutil.copy(Path(birds, "himbul", "bulbul.jpg"), Path(birds, "bonegl", "words.jpg"))  # repaired
    Path("study", "explanations", "himbul-bulbul.grad-cam.png").unlink()
    with Path("study", "progress.jsonl").open("a") as file:
        file.write('3\n[]\n{"a": 1}\n{"file": "cut sho')  # an incomplete line, as after a crash
    assert main(["study", str(birds), "--effort", "8"]) == 0
    messages = capsys.readouterr().err
    assert "1 of 4 photos were explained before" in messages
    assert all(f"{name}: " in messages for name in ("bonegl/eagle.jpg", "bonegl/words.jpg", "himbul/bulbul.jpg"))
    assert "cbrtsh/thrush.jpg: " not in messages
    assert Path("study", "explanations", "himbul-bulbul.grad-cam.png").is_file()
    same = [row for row in rows() if row["file"] == "cbrtsh/thrush.jpg"]
    assert same == [row for row in before if row["file"] == "cbrtsh/thrush.jpg"]
    assert all(row["probability"] for row in rows() if row["method"] in METHODS)


@pytest.mark.usefixtures("quick")
def test_with_other_settings_all_photos_are_explained_again(birds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", str(birds), "--effort", "8"]) == 0
    assert main(["study", str(birds), "--effort", "16"]) == 0
    messages = capsys.readouterr().err
    assert (
        "note: the photos in study were explained with another model, other settings or an earlier version, "
        "and are explained again\n"
    ) in messages
    assert {row["forwards"] for row in rows() if row["method"] == "score-cam"} == {"16"}
    assert len(Path("study/progress.jsonl").read_text().splitlines()) == 6, "nothing is erased"


@pytest.mark.usefixtures("quick")
def test_new_boxes_concern_their_own_photo_only(birds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["study", str(birds), "--effort", "8", "--boxes"]
    assert main([*arguments, str(boxes(bonegl__eagle=[0.2, 0.2, 0.5, 0.5]))]) == 0
    capsys.readouterr()
    assert main([*arguments, str(boxes(bonegl__eagle=[0.1, 0.2, 0.5, 0.5], himbul__bulbul=[0, 0, 1, 1]))]) == 0
    messages = capsys.readouterr().err
    assert "1 of 3 photos were explained before" in messages
    assert "cbrtsh/thrush.jpg: " not in messages


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_an_interrupted_study_continues(birds: Path, imagenet_photos: list[Path]) -> None:
    for species in ("bonegl", "cbrtsh", "himbul"):
        for path in imagenet_photos[:9]:
            shutil.copy(path, Path(birds, species))
    total = 3 + 3 * 9
    arguments = [sys.executable, "-m", "camcore", "study", str(birds), "--effort", "8"]
    running = subprocess.Popen(
        arguments, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    progress = Path("study", "progress.jsonl")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (progress.is_file() and progress.read_text().count("\n") > 2):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, messages = running.communicate(timeout=60)
    assert running.returncode == 130, messages
    assert "run the same command again to continue" in messages
    assert "Traceback" not in messages
    done = progress.read_text().count("\n")
    assert 2 < done < total
    again = subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=200, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert again.returncode == 0, again.stderr
    assert f"{done} of {total} photos were explained before" in again.stderr
    assert len(rows()) == 5 * total


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist: give a folder of photos, with one subfolder per species"),
        (["boxes.csv"], "boxes.csv has no column of photos: call it file or filename or filepath or path"),
        (["empty"], "empty contains no photos: add photos, in one subfolder per species"),
        (
            ["birds", "--boxes", "boxes.csv"],
            "boxes.csv is not valid JSON: give the complete JSON file that MegaDetector or SpeciesNet",
        ),
        (["birds", "--boxes", "other.json"], "other.json is JSON in an unknown format"),
        (["birds", "--boxes", "none.json"], "there is no file none.json"),
        (["birds", "--boxes", "good.json", "--category", "bird"], "has no category 'bird'"),
        (["birds", "--truth", "boxes.csv"], "boxes.csv"),
        (["birds", "--truth", "truth.csv"], "no class is named 'bald egle': the nearest are bald eagle"),
        (["birds", "--species", "truth.csv"], "truth.csv"),
        (["birds", "--out", "boxes.csv"], "boxes.csv"),
        (["birds", "--model", "resnet50"], "has no model 'resnet50'"),
    ],
)
def test_a_study_that_cannot_start_has_one_message(
    birds: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    Path("boxes.csv").write_text("name,x\na,1\n")
    Path("truth.csv").write_text("file,class\nbonegl/eagle.jpg,bald egle\n")
    Path("other.json").write_text('{"images": [], "shapes": []}')
    boxes().rename("good.json")
    assert main(["study", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


@pytest.mark.usefixtures("without_faithfulness")
def test_inputs_that_do_not_fit_together_have_one_note_each(birds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(birds, "empty").mkdir()
    shutil.copytree(Path(birds, "bonegl"), Path(birds, "yeti"))
    shutil.copytree(Path(birds, "bonegl"), Path(birds, "bald_eagle"))
    Path(birds, "notes.txt").write_text("seen at dawn")
    path = boxes(bonegl__eagle=[0, 0, 0.1, 1], elsewhere=[0.1, 0.1, 0.5, 0.5], himbul__bulbul=None)
    Path("truth.csv").write_text("file,species\ncbrtsh/thrush.jpg,himbul\ngone.jpg,himbul\n")
    assert main(["study", str(birds), "--boxes", str(path), "--truth", "truth.csv", "--effort", "8"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: the subfolder empty contains no photos",
        "note: ignored files without the suffix of a photo: 1, of the suffixes .txt (1)",
        "note: boxes.json lists 1 photo not in birds: elsewhere.jpg",
        "note: boxes.json does not list 3 photos, so energy and lift are not measured: "
        "bald_eagle/eagle.jpg, cbrtsh/thrush.jpg, yeti/eagle.jpg",
        "note: boxes.json has no animal with a confidence of 0.2 or more in 1 photo: himbul/bulbul.jpg",
        "note: truth.csv lists 1 photo not in birds: gone.jpg",
        "note: the species yeti is unknown, so predictions for its photos are not checked: add it with --species",
    ]
    status = {record["species"]: record["truth"]["status"] for record in records()}
    assert status == {
        "bald_eagle": "right", "bonegl": "no such class", "cbrtsh": "wrong", "himbul": "wrong", "yeti": "not told",
    }  # fmt: skip
    assert study()["notes"] == [note.removeprefix("note: ") for note in notes]
    assert len(rows()) == 5 * 5


@pytest.mark.usefixtures("quick")
def test_the_output_folder_inside_the_folder_is_not_studied(birds: Path) -> None:
    for _ in range(2):
        assert main(["study", str(birds), "--effort", "8", "--out", str(birds / "study")]) == 0
    with Path(birds, "study", "figures.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3 * 5


@pytest.mark.usefixtures("without_faithfulness")
def test_a_table_of_species_replaces_a_built_in_one(birds: Path) -> None:
    Path("species.csv").write_text(
        "species,common_name,scientific_name,class\nbonegl,Bonelli's Eagle,Aquila fasciata,bald eagle\n"
    )
    assert main(["study", str(birds), "--species", "species.csv", "--effort", "8"]) == 0
    truths = {record["species"]: record["truth"] for record in records()}
    assert (truths["bonegl"]["status"], truths["bonegl"]["rank"]) == ("right", 1)
    assert truths["cbrtsh"]["status"] == "no such class"


@pytest.mark.usefixtures("quick")
def test_photos_of_one_stem_do_not_overwrite_each_other(birds: Path) -> None:
    photo = Path(birds, "bonegl", "eagle.jpg")
    shutil.copy(photo, Path(birds, "bonegl", "Eagle.png"))
    shutil.copy(photo, Path(birds, "bonegl-eagle.jpg"))
    assert main(["study", str(birds), "--effort", "8"]) == 0
    stems = {record["stem"].casefold() for record in records()}
    assert len(stems) == 5
    assert len(list(Path("study/explanations").iterdir())) == 5 * 6


@pytest.mark.usefixtures("quick")
def test_a_full_disk_is_reported(
    birds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OutputError("study/figures.csv cannot be written (No space left on device): free some space")

    monkeypatch.setattr(outputs, "save_text", full)
    assert main(["study", str(birds), "--effort", "8"]) == 1
    assert "error: study/figures.csv cannot be written (No space left on device)" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_names_that_are_not_utf_8_or_too_long_do_not_stop_a_study(
    birds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eagle = Path(birds, "bonegl", "eagle.jpg").read_bytes()
    Path(birds, os.fsdecode(b"caf\xe9.jpg")).write_bytes(eagle)
    Path(birds, "bonegl", "long" * 60 + ".jpg").write_bytes(eagle)
    Path(birds, "bonegl", "line\u2028break.jpg").write_bytes(eagle)
    assert main(["study", str(birds), "--effort", "8"]) == 0
    messages = capsys.readouterr().err
    assert "note: ignored files and folders with a name that is not valid UTF-8: 1; rename them" in messages
    assert len(records()) == 5
    assert main(["study", str(birds), "--effort", "8"]) == 0
    assert "5 of 5 photos were explained before" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_once_and_a_dangling_one_is_reported(
    birds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        Path(birds, "bonegl", name).symlink_to("..")
    Path(birds, "bonegl", "gone.jpg").symlink_to("nowhere.jpg")
    assert main(["study", str(birds), "--effort", "8"]) == 1
    assert [record["file"] for record in records()] == [
        "bonegl/eagle.jpg", "bonegl/gone.jpg", "cbrtsh/thrush.jpg", "himbul/bulbul.jpg",
    ]  # fmt: skip
    assert "bonegl/gone.jpg: there is no file" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("out", [".", "earlier"])
def test_results_of_a_study_are_not_studied(birds: Path, out: str) -> None:
    for _ in range(2):
        assert main(["study", str(birds), "--effort", "8", "--out", str(birds / out)]) == 0
    assert main(["study", str(birds), "--effort", "8"]) == 0
    assert len(records()) == 3


@pytest.mark.usefixtures("quick")
def test_boxes_without_an_area_and_failures_of_the_detector_have_notes(
    birds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = boxes(bonegl__eagle=[0, 0, 1e-200, 1e-200])
    content = json.loads(path.read_text())
    content["images"].append({"file": "himbul/bulbul.jpg", "failure": "Failure image access", "detections": None})
    path.write_text(json.dumps(content))
    assert main(["study", str(birds), "--effort", "8", "--boxes", str(path)]) == 0
    messages = capsys.readouterr().err
    assert "boxes.json has no boxes that can be used for 1 photo (Failure image access): himbul/bulbul.jpg" in messages
    assert "boxes.json has no animal with a confidence of 0.2 or more in 1 photo" in messages
    page = Path("study/report.html").read_text()
    assert "was not judged: no animal was found in the photo." in page
    assert "There are no boxes" in page
