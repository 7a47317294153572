"""A study read photo by photo: a record each, taken over where there is one, and nothing run beyond what was read."""

import shutil
from pathlib import Path

import pytest

from camcore import Explainer
from camcore.drawing.output import make_folder
from camcore.errors import OutputError
from camcore.options import ExplainOptions
from camcore.study.inputs.load import InputPaths, StudyInputs, load_inputs
from camcore.study.record import PICTURES, StudySettings
from camcore.study.resume import StudyLog
from camcore.study.run import CONFIDENCE, run_study, write_results

SETTINGS = StudySettings(ExplainOptions(effort=8))


@pytest.fixture
def known(animal_photos: list[Path], lite0: Explainer, tmp_path: Path) -> StudyInputs:
    for name, source in zip(("a.jpg", "b.jpg"), animal_photos, strict=True):
        (tmp_path / "cats").mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / "cats" / name)
    (tmp_path / "cats" / "c.jpg").write_text("words")
    sources = InputPaths(tmp_path / "cats", None, None, None, "animal", CONFIDENCE)
    make_folder(tmp_path / PICTURES)
    return load_inputs(sources, lite0.manifest.labels, tmp_path)


def test_a_photo_is_explained_when_it_is_asked_for_and_taken_over_the_next_time(
    known: StudyInputs, lite0: Explainer, tmp_path: Path
) -> None:
    first = next(run_study(lite0, known, SETTINGS, tmp_path, StudyLog(tmp_path, {"of": 1})))
    assert (first.record["file"], first.record["error"], first.reused) == ("a.jpg", None, False)
    assert {path.name.split(".")[0] for path in (tmp_path / PICTURES).iterdir()} == {"a"}
    again = list(run_study(lite0, known, SETTINGS, tmp_path, StudyLog(tmp_path, {"of": 1})))
    assert [studied.reused for studied in again] == [True, False, False]
    assert again[0].record["seconds"] == first.record["seconds"]
    assert again[2].record["error"].startswith("this file is not a photo")


def test_what_was_made_under_other_conditions_is_made_again(
    known: StudyInputs, lite0: Explainer, tmp_path: Path
) -> None:
    next(run_study(lite0, known, SETTINGS, tmp_path, StudyLog(tmp_path, {"of": 1})))
    assert not next(run_study(lite0, known, SETTINGS, tmp_path, StudyLog(tmp_path, {"of": 2}))).reused


def test_results_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"figures\.csv cannot be written"):
        write_results(tmp_path / "nowhere", {}, [])
