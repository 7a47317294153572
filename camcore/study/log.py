"""The log of a study: its records in the order in which they were made, from which an interrupted study continues."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any

from camcore.drawing.output import to_json
from camcore.errors import OutputError
from camcore.study.disk_mapping import DiskMapping
from camcore.study.file_names import PROGRESS
from camcore.study.inputs.load import StudyItem
from camcore.study.photo_files import FileIdentity
from camcore.study.pictures import pictures_of
from camcore.study.settings import Level

Record = dict[str, Any]


class StudyLog:
    """The records in an output folder, of which those made under the same conditions are reused.

    `conditions` are what all records of a level depend on: the model, the settings and the rules. The boxes and the
    true class of a photo concern its own record only. Nothing is erased: a later record of a photo at the same level
    replaces an earlier one. Only the places of the records in the file are kept, on disk too. It may be used from
    several threads.
    """

    def __init__(self, out: Path, conditions: Mapping[Level, Mapping[str, Any]]):
        self._out, self._path = out, out / PROGRESS
        self._conditions = {level: _digest(values) for level, values in conditions.items()}
        self._places: DiskMapping[int] = DiskMapping()  # of the first byte of a record
        self._lock = Lock()
        self._file: IO[bytes] | None = None  # once a record was added
        self.has_outdated_records = False  # whether a photo was explained under other conditions
        for place, record in _read_records(self._path):
            self._places[_key(record, record.get("level", "full"))] = place
            self.has_outdated_records |= record["conditions"] not in self._conditions.values()

    def reusable_file(self, item: StudyItem, level: Level) -> FileIdentity | None:
        """Return the file of a photo's record, which holds if the file is the same, or None if it does not hold.

        Its boxes, its true class and the conditions must be the same, the pictures must exist, and the photo must have
        been explained without an error.
        """
        record = self.read(item, level)
        required = {"error": None, **self._dependencies(item, level)}
        if record is None or any(record.get(key, "") != value for key, value in required.items()):
            return None
        has_pictures = all((self._out / picture).is_file() for picture in pictures_of(record))
        return FileIdentity(record["sha256"], record.get("version", "")) if has_pictures else None

    def record(self, item: StudyItem, level: Level) -> Record:
        """Return the latest record of a photo at a level, with its site; raise KeyError if it was not studied."""
        record = self.read(item, level)
        if record is None:
            raise KeyError(item.photo.file)
        return {**record, "site": item.site}

    def read(self, item: StudyItem, level: Level) -> Record | None:
        """Return the latest record of a photo at a level, whatever it depends on, or None if there is none."""
        key = _key({"file": item.photo.file, "stem": item.photo.stem}, level)
        with self._lock:
            place = self._places.get(key)
            if place is None:
                return None
            with self._path.open("rb") as file:
                file.seek(place)
                record: Record = json.loads(file.readline())
        return record

    def add(self, item: StudyItem, level: Level, record: Mapping[str, Any]) -> Record:
        """Write a record, and return it with digests of what it depends on; raise OutputError if that fails."""
        full_record = {**record, "level": level, **self._dependencies(item, level)}
        line = to_json(full_record).encode()
        with self._lock:
            try:
                file = self._file = self._file or _open_at_end(self._path)
                place = file.seek(0, os.SEEK_END)
                file.write(line)
                file.flush()
            except OSError as error:
                self._file = None
                remedy = "free some space, or choose another --out"
                raise OutputError(f"{self._path} cannot be written ({error.strerror}): {remedy}") from error
            self._places[_key(full_record, level)] = place
        return full_record

    def _dependencies(self, item: StudyItem, level: Level) -> dict[str, str]:
        return {"conditions": self._conditions[level], "inputs": _digest([item.boxes, repr(item.truth)])}


class StudyRecords:
    """The records of a study, one per photo in its order, read from the log whenever they are iterated over.

    A photo of `in_full` has its record of the level "full", and any other one of `level`.
    """

    def __init__(self, log: StudyLog, items: Mapping[str, StudyItem], level: Level, in_full: Collection[str] = ()):
        self._log, self._items, self._level, self._in_full = log, items, level, in_full

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Record]:
        for item in self._items.values():
            yield self.of(item)

    def of(self, item: StudyItem) -> Record:
        """Return the record of one photo; raise KeyError if it was not studied."""
        return self._log.record(item, "full" if item.photo.file in self._in_full else self._level)


def _key(record: Mapping[str, Any], level: Level) -> str:
    return f"{level}\0{record['stem']}\0{record['file']}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _open_at_end(path: Path) -> IO[bytes]:
    """Open a file to add lines; after a crash, its last line is incomplete and is ended first."""
    file = path.open("ab+")
    if end := file.seek(0, os.SEEK_END):
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")
            file.flush()
    return file


def _read_records(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield the complete records of a file in order, each after its place, including those of earlier formats."""
    try:
        with path.open("rb") as file:
            place = 0
            for line in file:
                with suppress(ValueError):  # a line may be incomplete
                    record = json.loads(line)
                    if isinstance(record, dict) and {"file", "stem", "conditions"} <= record.keys():
                        yield place, record
                place += len(line)
    except OSError:
        return
