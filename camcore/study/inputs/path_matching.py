"""Matching of the paths that a file lists to the photos of a study, whatever folder the paths are relative to."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from camcore.study.disk_mapping import DiskMapping, TemporaryDatabase, to_bytes, to_text

_TABLES = (
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, key BLOB NOT NULL, entry BLOB NOT NULL)",
    # Entries that fit a photo of a matching best, if several do.
    "CREATE TABLE fitting (matching INTEGER, entry INTEGER, PRIMARY KEY (matching, entry)) WITHOUT ROWID",
    # Photos with one best entry, and how well it fits; or with several, and no entry.
    "CREATE TABLE claims (number INTEGER PRIMARY KEY, matching INTEGER, file BLOB, entry INTEGER, closeness INTEGER, "
    "outcome INTEGER, UNIQUE (matching, file))",
    "CREATE INDEX rivals ON claims (matching, entry, closeness)",
)
_IDENTICAL = 2**32  # closer than any common end
_LOST, _PAIRED, _UNCLEAR = range(3)  # outcomes
_RIVAL = "SELECT 1 FROM claims AS rival WHERE rival.matching = claims.matching AND rival.entry = claims.entry AND "
_EQUAL = "rival.closeness = claims.closeness AND rival.number != claims.number"
_RESOLVE = (
    f"UPDATE claims SET outcome = CASE WHEN entry IS NULL THEN {_UNCLEAR} "
    f"WHEN EXISTS ({_RIVAL} rival.closeness > claims.closeness) THEN {_LOST} "
    f"WHEN EXISTS ({_RIVAL} {_EQUAL}) THEN {_UNCLEAR} ELSE {_PAIRED} END WHERE matching = ?"
)


def fold(text: str) -> str:
    """Return the text as it is compared: in lower case, with accented letters in one encoding (macOS uses another)."""
    return unicodedata.normalize("NFC", text.casefold())


class _Fit(NamedTuple):
    """The entries that fit a photo equally well: the first two, and the condition that all of them meet."""

    entries: list[tuple[int, str]]
    condition: str = ""
    values: tuple[bytes | int, ...] = ()


class PathMatcher:
    """Paths as a file lists them: absolute or relative to any folder, with slashes or backslashes.

    An entry fits a photo if one of the two paths ends with all components of the other, regardless of case. If several
    entries fit, an identical path takes precedence, then the longest common end. The entries are kept on disk.
    """

    def __init__(self, entries: Iterable[str]):
        self._database = TemporaryDatabase(*_TABLES)
        rows = ((_key(_components(entry)), to_bytes(entry)) for entry in entries)
        self._database.add_rows("INSERT INTO entries (key, entry) VALUES (?, ?)", rows)
        self._database.change("CREATE INDEX keys ON entries (key)")  # in order of paths from last to first component
        self._matchings = 0

    def find(self, file: str) -> str | None:
        """Return the entry that fits a photo, or None if no entry fits or several fit equally well."""
        entries = self._fitting(file).entries
        return entries[0][1] if len(entries) == 1 else None

    def match(self, files: Iterable[str]) -> "PathMatches":
        """Match these photos with the entries; the best fit gets an entry that fits several photos."""
        self._matchings += 1
        database, matching = self._database, self._matchings
        claim = "INSERT OR IGNORE INTO claims (matching, file, entry, closeness) VALUES (?, ?, ?, ?)"
        for file in files:
            fit = self._fitting(file)
            if not fit.entries:
                continue
            if len(fit.entries) == 1:
                number, entry = fit.entries[0]
                database.change(claim, (matching, to_bytes(file), number, _closeness(file, entry)))
                continue
            database.change(claim, (matching, to_bytes(file), None, None))
            condition = f"SELECT {matching}, number FROM entries WHERE {fit.condition}"
            database.change(f"INSERT OR IGNORE INTO fitting {condition}", fit.values)
        database.change(_RESOLVE, (matching,))
        return PathMatches(database, matching)

    def pair(self, files: Iterable[str]) -> DiskMapping[str]:
        """Return the entry of each photo that has its own; the best fit gets an entry that fits several photos."""
        return DiskMapping(self.match(files).pairs())

    def _fitting(self, file: str) -> _Fit:
        """Return the entries that fit a photo best: all of them fit equally well."""
        components = _components(file)
        if not components:
            return _Fit([])
        key, same_key = _key(components), "key = ?"
        identical = [row for row in self._first(same_key, (key,), limit=-1) if _components(row[1]) == components]
        if identical:
            numbers = tuple(number for number, _ in identical)
            return _Fit(identical[:2], f"number IN ({', '.join('?' * len(numbers))})", numbers)
        ending, limits = "key >= ? AND key < ?", (key, key[:-1] + b"0")  # "0" follows the "/" at the end of a key
        if as_long := self._first(ending, limits):
            return _Fit(as_long, ending, limits)
        for start in range(1, len(components)):
            tail = _key(components[start:])
            if shorter := self._first(same_key, (tail,)):
                return _Fit(shorter, same_key, (tail,))
        return _Fit([])

    def _first(self, condition: str, values: tuple[bytes, ...], limit: int = 2) -> list[tuple[int, str]]:
        statement = f"SELECT number, entry FROM entries WHERE {condition} LIMIT {limit}"
        return [(number, to_text(entry)) for number, entry in self._database.rows(statement, values)]


class PathMatches:
    """The photos that were matched with the entries of a `PathMatcher`."""

    def __init__(self, database: TemporaryDatabase, matching: int):
        self._database, self._matching = database, matching

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the photos that have an entry of their own, with that entry, in order."""
        joined = "claims CROSS JOIN entries ON entries.number = claims.entry"
        condition = f"+claims.matching = {self._matching} AND outcome = {_PAIRED} AND claims.number > ?"
        for _, file, entry in self._database.pages(
            f"SELECT claims.number, file, entries.entry FROM {joined} WHERE {condition}"
        ):
            yield to_text(file), to_text(entry)

    def ambiguous(self) -> Iterator[str]:
        """Yield the photos that several entries fit equally well, or whose entry fits another photo equally well."""
        condition = f"+matching = {self._matching} AND outcome = {_UNCLEAR} AND number > ?"
        for _, file in self._database.pages(f"SELECT number, file FROM claims WHERE {condition}"):
            yield to_text(file)

    def is_ambiguous(self, file: str) -> bool:
        """Return whether a photo is among the ambiguous ones."""
        statement = f"SELECT 1 FROM claims WHERE matching = ? AND file = ? AND outcome = {_UNCLEAR}"
        return bool(self._database.rows(statement, (self._matching, to_bytes(file))))

    def unmatched(self) -> Iterator[str]:
        """Yield the entries that fit none of the photos, in order."""
        of_entry = f"WHERE matching = {self._matching} AND entry = entries.number"
        matched = f"EXISTS (SELECT 1 FROM fitting {of_entry}) OR EXISTS (SELECT 1 FROM claims {of_entry})"
        statement = f"SELECT number, entry FROM entries WHERE NOT ({matched}) AND number > ?"
        for _, entry in self._database.pages(statement):
            yield to_text(entry)


def _components(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]


def _key(components: Sequence[str]) -> bytes:
    """Return the components from last to first, so that paths with a common end are adjacent when sorted."""
    return to_bytes("".join(f"{fold(part)}/" for part in reversed(components)))


def _closeness(file: str, entry: str) -> int:
    """Return how well an entry fits: by the length of the common end of the paths, and best if they are identical."""
    file_parts, entry_parts = _components(file), _components(entry)
    return _IDENTICAL if file_parts == entry_parts else min(len(file_parts), len(entry_parts))
