"""The phases of a study: an archive is screened first, and a sample of it is then explained in full."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from camcore.study.inputs.load import StudyItem
from camcore.study.log import StudyLog, StudyRecords
from camcore.study.photo_study import Engine
from camcore.study.rows import PART, RowParts
from camcore.study.run import StudiedPhoto, run_study
from camcore.study.sampling import EVERYTHING, choose_photos
from camcore.study.settings import Level, StudySettings


@dataclass(frozen=True)
class Phase:
    """A part of a study: photos that are explained at one level. Reading `photos` does the work."""

    level: Level
    total: int
    photos: Iterator[StudiedPhoto]


def levels_of(total: int, sample: int | None) -> tuple[Level, ...]:
    """Return the levels at which a study of so many photos has records, the most detailed first.

    `sample` is the number of photos to explain in full. With None that is every photo of up to 1,000, and else 1,000.
    """
    limit = EVERYTHING if sample is None else sample
    if limit >= total:
        return ("full",)
    return ("full", "screen") if limit else ("screen",)


class StudyRun:
    """A study of all items: first every photo at one level, and of an archive then a sample in full.

    `sample` is as in `levels_of`, and `seed` that of `choose_photos`.
    """

    def __init__(
        self,
        items: Mapping[str, StudyItem],
        settings: StudySettings,
        *,
        out: Path,
        log: StudyLog,
        sample: int | None = None,
        seed: int = 0,
    ):
        self.items, self._settings, self._out, self._log = items, settings, out, log
        self.levels = levels_of(len(items), sample)
        self._number, self._seed = EVERYTHING if sample is None else sample, seed
        self._in_full: dict[str, StudyItem] = {}

    @property
    def records(self) -> StudyRecords:
        """Return the records of the photos that were studied so far, each at the most detailed level."""
        return StudyRecords(self._log, self.items, self.levels[-1], self._in_full)

    def phases(self, engine: Engine) -> Iterator[Phase]:
        """Yield the phases, each of which must be read to its end before the next; rows are written as it goes.

        Raise OutputError if a result cannot be written, and StudyError if the engine fails.
        """
        rows = RowParts(self._out, {name for level in self.levels for name in self._at(level).run_methods})
        yield Phase(self.levels[-1], len(self.items), self._with_rows(engine, rows))
        if len(self.levels) > 1:
            chosen = {file: self.items[file] for file in choose_photos(self.records, self._number, self._seed)}
            yield Phase("full", len(chosen), self._run(engine, chosen, "full"))
            self._in_full = chosen
            self._replace_rows(rows)

    def _run(self, engine: Engine, items: Mapping[str, StudyItem], level: Level) -> Iterator[StudiedPhoto]:
        return run_study(engine, items.values(), self._at(level), self._out, self._log)

    def _at(self, level: Level) -> StudySettings:
        return replace(self._settings, level=level)

    def _with_rows(self, engine: Engine, rows: RowParts) -> Iterator[StudiedPhoto]:
        for photo in self._run(engine, self.items, self.levels[-1]):
            rows.add(photo.record)
            yield photo
        rows.end()

    def _replace_rows(self, rows: RowParts) -> None:
        """Write the parts again that have photos that were explained in full since."""
        items, records = iter(self.items.values()), self.records
        for number in range(-(-len(self.items) // PART)):
            part = list(islice(items, PART))
            if any(item.photo.file in self._in_full for item in part):
                rows.replace(number, map(records.of, part))
