"""The run of a study: an engine explains the photos, and their pictures and records are written here, in order."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camcore.drawing.output import save_files
from camcore.study.inputs.load import StudyItem
from camcore.study.log import StudyLog
from camcore.study.photo_study import Engine, StudyTask
from camcore.study.settings import StudySettings


@dataclass(frozen=True)
class StudiedPhoto:
    """The record of a photo, and whether it is reused from an earlier run; its `error` is None or a message."""

    record: dict[str, Any]
    reused: bool


def run_study(
    engine: Engine, items: Collection[StudyItem], settings: StudySettings, out: Path, log: StudyLog
) -> Iterator[StudiedPhoto]:
    """Yield the photos of a study in order, each as soon as it is explained or its record is found in `log`.

    The record of a photo that cannot be read has its `error`. Pictures are written into `out`, and then the record is
    added to `log`. Raise OutputError if a result cannot be written. Closing the generator stops the work.
    """
    level = settings.level
    tasks = (StudyTask(item, log.reusable_file(item, level)) for item in items)
    results = engine.results(tasks, settings)
    for item, result in zip(items, results, strict=True):
        if result.record is None:
            yield StudiedPhoto(log.record(item, level), reused=True)
        else:
            save_files(out, result.pictures)
            yield StudiedPhoto(log.add(item, level, result.record), reused=False)
