"""What a study has done so far: a file of records that grows photo by photo, so that a study resumes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camcore.errors import OutputError

PROGRESS = "progress.jsonl"


class Progress:
    """The records of an output folder that were made under the same conditions: model, settings, boxes, truth.

    `begun_anew` says that there were records, made under others.
    """

    def __init__(self, out: Path, conditions: Mapping[str, Any]):
        self._path = out / PROGRESS
        self._out = out
        self._records: dict[tuple[str, str], dict[str, Any]] = {}
        first, *lines = _lines(self._path) or [{}]
        wanted = json.loads(json.dumps(conditions))
        self.begun_anew = bool(lines) and first != wanted
        if first == wanted:
            self._records = {(each["file"], each["stem"]): each for each in lines}
        kept = list(self._records.values())
        self._write("w", "".join(_line(each) for each in (wanted, *kept)))

    def find(self, file: str, stem: str, sha256: str) -> dict[str, Any] | None:
        """The record of a photo that has not changed since and whose pictures are there; failures are tried again."""
        record = self._records.get((file, stem))
        if record is None or record["sha256"] != sha256 or record["error"] is not None:
            return None
        pictures = (record["view"], *record["explanations"])
        return record if all((self._out / each["picture"]).is_file() for each in pictures) else None

    def add(self, record: Mapping[str, Any]) -> None:
        """Keep a record. Raises OutputError if it cannot be written."""
        self._write("a", _line(record))

    def _write(self, mode: str, text: str) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise OutputError(
                f"{self._path} cannot be written ({error.strerror}): make room there, or choose another --out"
            ) from error


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def _lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file; of one that was cut short, those that are whole."""
    found = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            found.append(json.loads(line))
    except (OSError, ValueError):
        pass
    return found
