"""The log of a study, without a model."""

import json
from pathlib import Path
from typing import Any

import pytest

from camcore.errors import OutputError
from camcore.study.file_names import PROGRESS
from camcore.study.inputs.load import StudyItem
from camcore.study.inputs.photos import StudyPhoto
from camcore.study.inputs.species import GroundTruth
from camcore.study.log import StudyLog
from camcore.study.photo_files import FileIdentity
from camcore.study.settings import Level
from camcore.types import Box

CONDITIONS: dict[Level, dict[str, int]] = {"screen": {"model": 1}, "full": {"model": 1}}
ITEM = StudyItem(StudyPhoto(Path("a.jpg"), "a.jpg", "", "a"), None, GroundTruth())
RECORD: dict[str, Any] = {
    "file": "a.jpg", "stem": "a", "sha256": "1", "error": None, "view": {"picture": "view.png"}, "explanations": [],
}  # fmt: skip


def test_a_record_is_reused_for_the_same_file_and_inputs_only(tmp_path: Path) -> None:
    (tmp_path / "view.png").touch()
    record = StudyLog(tmp_path, CONDITIONS).add(ITEM, "full", RECORD)
    log = StudyLog(tmp_path, CONDITIONS)
    assert log.reusable_file(ITEM, "full") == FileIdentity("1")
    assert log.record(ITEM, "full") == {**record, "site": ""}
    assert record.items() >= RECORD.items()
    assert log.reusable_file(StudyItem(ITEM.photo, [Box(0, 0, 1, 1)], ITEM.truth), "full") is None
    assert log.reusable_file(StudyItem(ITEM.photo, None, GroundTruth(is_known=True)), "full") is None
    assert not log.has_outdated_records
    (tmp_path / "view.png").unlink()
    assert log.reusable_file(ITEM, "full") is None


def test_records_of_other_conditions_or_an_earlier_format_are_outdated(tmp_path: Path) -> None:
    (tmp_path / "view.png").touch()
    StudyLog(tmp_path, CONDITIONS).add(ITEM, "full", RECORD)
    log = StudyLog(tmp_path, {"full": {"model": 2}})
    assert log.has_outdated_records
    assert log.reusable_file(ITEM, "full") is None
    (tmp_path / PROGRESS).write_text(json.dumps({**RECORD, "conditions": "earlier", "known": "earlier"}) + "\n")
    log = StudyLog(tmp_path, CONDITIONS)
    assert log.has_outdated_records
    assert log.reusable_file(ITEM, "full") is None


def test_a_log_that_cannot_be_written_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"progress\.jsonl cannot be written"):
        StudyLog(tmp_path / "nowhere", CONDITIONS).add(ITEM, "full", RECORD)
