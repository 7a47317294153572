"""Files of photos: where they are read from, and whether one is the same as in an earlier run."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from camcore.model.manifest import sha256
from camcore.study.remote import RemoteFiles


class FileIdentity(NamedTuple):
    """What identifies the content of a file: its SHA-256 ("" if it cannot be read), and its version at an address.

    `version` is what a server states of a file to tell it from others, "" if it states nothing or is not asked.
    """

    sha256: str
    version: str = ""


UNREADABLE = FileIdentity("")


@dataclass(frozen=True)
class PhotoFile:
    """The file of a photo, as a path or as its content, and what identifies it."""

    source: Path | bytes
    identity: FileIdentity


def read_photo_file(path: Path | str, earlier: FileIdentity | None, remote: RemoteFiles) -> PhotoFile | None:
    """Return the file of a photo, or None if it is the `earlier` one.

    A file at an address is read from there, unless its server states that it is unchanged. Raise PhotoError if that
    fails.
    """
    if isinstance(path, Path):
        file = PhotoFile(path, file_identity(path))
    else:
        if earlier and earlier.version and earlier.version == remote.version(path):
            return None
        content, version = remote.read(path)
        file = PhotoFile(content, FileIdentity(hashlib.sha256(content).hexdigest(), version))
    return None if earlier and file.identity.sha256 == earlier.sha256 else file


def file_identity(path: Path) -> FileIdentity:
    """Return what identifies a file on this computer."""
    with suppress(OSError):
        return FileIdentity(sha256(path))
    return UNREADABLE
