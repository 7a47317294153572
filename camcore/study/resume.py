"""What a study has done so far: a file of records that grows photo by photo, so that a study resumes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from camcore.errors import OutputError
from camcore.study.record import StudyItem

PROGRESS = "progress.jsonl"


class StudyLog:
    """The records of an output folder; those made under the same conditions are taken over.

    `conditions` are what all records depend on: model, settings, rules. What is known of one photo, its boxes and its
    true name, counts for its own record alone. Nothing is ever erased: a later record of a photo replaces an earlier.
    """

    def __init__(self, out: Path, conditions: Mapping[str, Any]):
        self._path = out / PROGRESS
        self._out = out
        self._conditions = _digest(conditions)
        self._records = {(each["file"], each["stem"]): each for each in _records(self._path)}

    @property
    def has_outdated_records(self) -> bool:
        """Whether photos were explained here with another model or other settings; they are explained again."""
        return any(record["conditions"] != self._conditions for record in self._records.values())

    def find(self, subject: StudyItem, sha256: str) -> dict[str, Any] | None:
        """The record of a photo that has not changed since, as what is known of it; failures are tried again."""
        record = self._records.get((subject.photo.file, subject.photo.stem))
        wanted = {"sha256": sha256, "error": None, "conditions": self._conditions, "known": _known(subject)}
        if record is None or any(record[key] != value for key, value in wanted.items()):
            return None
        pictures = (record["view"], *record["explanations"])
        return record if all((self._out / each["picture"]).is_file() for each in pictures) else None

    def add(self, subject: StudyItem, record: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a record, and return it with what it depends on. Raises OutputError if it cannot be written."""
        kept = {**record, "conditions": self._conditions, "known": _known(subject)}
        line = json.dumps(kept, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            with self._path.open("a+b") as file:
                file.write((b"" if _ends_a_line(self._path) else b"\n") + line.encode())
        except OSError as error:
            raise OutputError(
                f"{self._path} cannot be written ({error.strerror}): make room there, or choose another --out"
            ) from error
        return kept


def _known(subject: StudyItem) -> str:
    return _digest([subject.boxes, repr(subject.truth)])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _ends_a_line(path: Path) -> bool:
    """Whether the file is empty or ends with a whole line: a lost machine leaves half of one."""
    return not (data := path.read_bytes()[-1:]) or data == b"\n"


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """The whole records of a file, in order."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and {"file", "stem", "sha256", "error", "conditions", "known"} <= record.keys():
            yield record
