"""The log of a study: a file of records that grows photo by photo, from which an interrupted study continues."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from camcore.drawing.output import to_json
from camcore.errors import OutputError
from camcore.study.file_names import PROGRESS
from camcore.study.inputs.load import StudyItem


class StudyLog:
    """The records in an output folder, of which those made under the same conditions are reused.

    `conditions` are what all records depend on: the model, the settings and the rules. The boxes and the true class of
    a photo concern its own record only. Nothing is erased: a later record of a photo replaces an earlier one.
    """

    def __init__(self, out: Path, conditions: Mapping[str, Any]):
        self._out = out
        self._path = out / PROGRESS
        self._conditions = _digest(conditions)
        self._records = {(record["file"], record["stem"]): record for record in _read_records(self._path)}

    @property
    def has_outdated_records(self) -> bool:
        """Return whether a photo was explained under other conditions; it is then explained again."""
        return any(record["conditions"] != self._conditions for record in self._records.values())

    def find(self, item: StudyItem, sha256: str) -> dict[str, Any] | None:
        """Return the record of a photo whose file has this digest, or None if there is none that can be reused.

        Its boxes, its true class and the conditions must be the same, the pictures must exist, and the photo must have
        been explained without an error.
        """
        record = self._records.get((item.photo.file, item.photo.stem))
        required = {"sha256": sha256, "error": None, **self._dependencies(item)}
        if record is None or any(record.get(key, "") != value for key, value in required.items()):
            return None
        pictures = (entry["picture"] for entry in (record["view"], *record["explanations"]))
        return record if all((self._out / picture).is_file() for picture in pictures) else None

    def add(self, item: StudyItem, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write a record, and return it together with digests of what it depends on.

        Raises:
            OutputError: if it cannot be written.
        """
        full_record = {**record, **self._dependencies(item)}
        try:
            with self._path.open("a+b") as file:
                last_byte = self._path.read_bytes()[-1:]
                separator = b"" if last_byte in {b"", b"\n"} else b"\n"  # after a crash, the last line is incomplete
                file.write(separator + to_json(full_record).encode())
        except OSError as error:
            raise OutputError(
                f"{self._path} cannot be written ({error.strerror}): free some space, or choose another --out"
            ) from error
        return full_record

    def _dependencies(self, item: StudyItem) -> dict[str, str]:
        return {"conditions": self._conditions, "inputs": _digest([item.boxes, repr(item.truth)])}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete records of a file in order, including those of earlier formats."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and {"file", "stem", "conditions"} <= record.keys():
            yield record
