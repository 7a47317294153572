"""The run of a study: one record per photo, reused where possible, and no work ahead of the reader."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from camcore import Explainer
from camcore.drawing.output import make_folder
from camcore.errors import OutputError
from camcore.options import ExplainOptions
from camcore.study.file_names import PICTURES
from camcore.study.inputs.detections import CONFIDENCE
from camcore.study.inputs.load import InputPaths, StudyInputs, load_inputs
from camcore.study.local_engine import OneByOneEngine
from camcore.study.log import StudyLog
from camcore.study.outputs import write_results
from camcore.study.run import StudiedPhoto, run_study
from camcore.study.settings import StudySettings

pytestmark = pytest.mark.slow

SETTINGS = StudySettings(ExplainOptions(effort=8))


@pytest.fixture
def inputs(animal_photos: list[Path], lite0: Explainer, tmp_path: Path) -> StudyInputs:
    for name, source in zip(("a.jpg", "b.jpg"), animal_photos, strict=True):
        (tmp_path / "cats").mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / "cats" / name)
    (tmp_path / "cats" / "c.jpg").write_text("words")
    paths = InputPaths(tmp_path / "cats", None, None, None, "animal", CONFIDENCE)
    make_folder(tmp_path / PICTURES)
    return load_inputs(paths, lite0.manifest.labels, tmp_path)


def study(explainer: Explainer, inputs: StudyInputs, out: Path, model: int = 1) -> Iterator[StudiedPhoto]:
    log = StudyLog(out, {"full": {"of": model}})
    return run_study(OneByOneEngine(explainer), inputs.items.values(), SETTINGS, out, log)


def test_a_photo_is_explained_when_it_is_read_and_reused_the_next_time(
    inputs: StudyInputs, lite0: Explainer, tmp_path: Path
) -> None:
    first = next(study(lite0, inputs, tmp_path))
    assert (first.record["file"], first.record["error"], first.reused) == ("a.jpg", None, False)
    assert {path.name.split(".")[0] for path in (tmp_path / PICTURES).iterdir()} == {"a"}
    photos = list(study(lite0, inputs, tmp_path))
    assert [photo.reused for photo in photos] == [True, False, False]
    assert photos[0].record["seconds"] == first.record["seconds"]
    assert photos[2].record["error"].startswith("this file is not a photo")


def test_records_of_other_conditions_are_not_reused(inputs: StudyInputs, lite0: Explainer, tmp_path: Path) -> None:
    next(study(lite0, inputs, tmp_path))
    assert not next(study(lite0, inputs, tmp_path, model=2)).reused


def test_results_that_cannot_be_written_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"figures\.csv cannot be written"):
        write_results(tmp_path / "nowhere", {"settings": {"methods": []}}, [])
