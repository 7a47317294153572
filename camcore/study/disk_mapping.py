"""Dictionaries on disk, for what grows with the number of photos: a study may have millions."""

import os
import pickle
import sqlite3
import tempfile
import weakref
from collections.abc import ItemsView, Iterable, Iterator, MutableMapping, ValuesView
from pathlib import Path
from typing import Any, Generic, TypeVar

from camcore.errors import OutputError

Value = TypeVar("Value")
_BATCH = 256  # rows that are read at once
_CACHE = 512  # KiB of a database that stay in memory


class TemporaryDatabase:
    """A private SQLite database in a temporary file, which is deleted when it is closed or the process ends.

    One transaction stays open, without a journal: nothing of it is needed after a crash. Small ones stay in memory.
    Raises OutputError if the disk for temporary files is full.
    """

    def __init__(self, *statements: str):
        connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection = connection
        self.close = weakref.finalize(self, connection.close)
        pragmas = ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE}", "temp_store=FILE")
        for statement in (*(f"PRAGMA {pragma}" for pragma in pragmas), "BEGIN", *statements):
            self.change(statement)

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[Any]:
        """Return the rows of a statement, of which there must be few."""
        try:
            return self._connection.execute(statement, tuple(values)).fetchall()
        except sqlite3.OperationalError as error:
            raise _full(error) from error

    def pages(self, statement: str, *values: Any) -> Iterator[Any]:
        """Yield the rows of a statement, however many; others may run meanwhile.

        The first column is a number by which the rows are ordered. The statement ends with the condition that this
        column exceeds a parameter, the last one.
        """
        number = -1
        page_statement = f"{statement} ORDER BY 1 LIMIT {_BATCH}"
        while page := self.rows(page_statement, (*values, number)):
            yield from page
            number = page[-1][0]

    def change(self, statement: str, values: Iterable[Any] = ()) -> int:
        """Run a statement, and return the number of rows that it changed."""
        try:
            return self._connection.execute(statement, tuple(values)).rowcount
        except sqlite3.OperationalError as error:
            raise _full(error) from error

    def add_rows(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement for many rows."""
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise _full(error) from error


def _full(error: Exception) -> OutputError:
    problem = f"temporary files cannot be written into {_temporary_folder()} ({error})"
    return OutputError(f"{problem}: free some space, or set TMPDIR to a folder on a disk with more space")


def _temporary_folder() -> Path:
    """Return the folder that SQLite uses: see https://www.sqlite.org/tempfiles.html#temporary_file_storage_locations."""
    if os.name == "nt":
        return Path(tempfile.gettempdir())
    names = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp")
    usable = (Path(name) for name in names if name and os.access(name, os.W_OK | os.X_OK))
    return next((folder for folder in usable if folder.is_dir()), Path.cwd())


def to_bytes(text: str) -> bytes:
    """Return the UTF-8 of a text, which may be no valid one, so that bytes are in the order of the texts."""
    return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    """Return the text of which `to_bytes` returned these bytes."""
    return data.decode("utf-8", "surrogatepass")


class DiskMapping(MutableMapping[str, Value]):
    """A dictionary in a temporary file, in the order of insertion, whose memory does not grow with its length.

    Its values are pickled: to change one, assign it again. Keys may be added and removed while it is iterated over.
    Raises OutputError if the disk for temporary files is full.
    """

    def __init__(self, items: Iterable[tuple[str, Value]] = ()):
        self._database = TemporaryDatabase(
            "CREATE TABLE entries (number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL)"
        )
        self._length = 0
        for key, value in items:
            self[key] = value

    def __getitem__(self, key: str) -> Value:
        rows = self._database.rows("SELECT value FROM entries WHERE key = ?", (to_bytes(key),))
        if not rows:
            raise KeyError(key)
        value: Value = pickle.loads(rows[0][0])
        return value

    def __setitem__(self, key: str, value: Value) -> None:
        if not self.add(key, value):
            data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
            self._database.change("UPDATE entries SET value = ? WHERE key = ?", (data, to_bytes(key)))

    def add(self, key: str, value: Value) -> bool:
        """Add a value, and return True; return False, and change nothing, if the key has one."""
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        insert = "INSERT OR IGNORE INTO entries (key, value) VALUES (?, ?)"
        is_new = self._database.change(insert, (to_bytes(key), data)) == 1
        self._length += is_new
        return is_new

    def __delitem__(self, key: str) -> None:
        if not self._database.change("DELETE FROM entries WHERE key = ?", (to_bytes(key),)):
            raise KeyError(key)
        self._length -= 1

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and bool(
            self._database.rows("SELECT 1 FROM entries WHERE key = ?", (to_bytes(key),))
        )

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        for _, key in self._database.pages("SELECT number, key FROM entries WHERE number > ?"):
            yield to_text(key)

    def items(self) -> ItemsView[str, Value]:
        """Return the keys with their values, in order."""
        return _DiskItems(self)

    def values(self) -> ValuesView[Value]:
        """Return the values, in order."""
        return _DiskValues(self)

    def pairs(self) -> Iterator[tuple[str, Value]]:
        """Yield the keys with their values, in order."""
        for _, key, value in self._database.pages("SELECT number, key, value FROM entries WHERE number > ?"):
            yield to_text(key), pickle.loads(value)

    def close(self) -> None:
        """Delete the file."""
        self._database.close()


class _DiskItems(ItemsView[str, Value]):
    def __init__(self, mapping: DiskMapping[Value]):
        super().__init__(mapping)
        self._pairs = mapping.pairs

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return self._pairs()


class _DiskValues(ValuesView[Value]):
    def __init__(self, mapping: DiskMapping[Value]):
        super().__init__(mapping)
        self._pairs = mapping.pairs

    def __iter__(self) -> Iterator[Value]:
        return (value for _, value in self._pairs())


class DiskLists(Generic[Value]):
    """Lists of values by key in a temporary file, which are extended one value at a time."""

    def __init__(self) -> None:
        self._database = TemporaryDatabase(
            "CREATE TABLE entries (number INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL)",
            "CREATE INDEX keys ON entries (key, number)",
        )

    def add(self, key: str, value: Value) -> None:
        """Add a value to the end of the list of a key."""
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._database.change("INSERT INTO entries (key, value) VALUES (?, ?)", (to_bytes(key), data))

    def of(self, key: str) -> list[Value]:
        """Return the values of a key, in the order in which they were added."""
        rows = self._database.rows("SELECT value FROM entries WHERE key = ? ORDER BY number", (to_bytes(key),))
        return [pickle.loads(value) for (value,) in rows]
