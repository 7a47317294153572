"""The photos in a folder at an address."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Protocol

from camcore.errors import StudyError
from camcore.study.inputs.addresses import public_name
from camcore.study.inputs.photos import is_photo_suffix, is_system_folder, suffix_notes
from camcore.study.remote_errors import explain_error


class FolderListing(Protocol):
    """A file system of fsspec, which is not imported here."""

    def ls(self, path: str) -> list[dict[str, Any]]:
        """Return the `name` and the `type` of what is in a folder."""


class RemoteFolder:
    """The photos in a folder at an address, at any depth; hidden files and folders of operating systems are ignored."""

    def __init__(self, files: FolderListing, folder: str):
        self._files, self._folder = files, folder
        self._suffixes: Counter[str] = Counter()  # of files that are no photos

    def paths(self) -> Iterator[PurePosixPath]:
        """Yield the paths of the photos in the folder, in order; raise StudyError if it has none, or cannot be read."""
        is_empty, name = True, public_name(self._folder)
        try:
            for path in self._walk(self._folder.rstrip("/"), PurePosixPath()):
                is_empty = False
                yield path
        except FileNotFoundError:
            raise StudyError(f"there is no folder {name}: correct the address") from None
        except Exception as error:  # each driver raises classes of its own
            raise StudyError(f"{name}: {explain_error(error, self._folder)}") from error
        if is_empty:
            raise StudyError(f"{name} contains no photos: give the address of a folder, or a list of addresses")

    def notes(self) -> Iterator[str]:
        """Yield notes on what was ignored, after all paths were read."""
        yield from suffix_notes(self._suffixes)

    def _walk(self, folder: str, inside: PurePosixPath) -> Iterator[PurePosixPath]:
        own_path = folder.partition("://")[2]  # which a store may list, or which is a file
        entries = [(str(entry["name"]).rstrip("/"), entry["type"] == "directory") for entry in self._files.ls(folder)]
        names = [(path.rpartition("/")[2], is_folder) for path, is_folder in entries if path.lstrip("/") != own_path]
        for name, is_folder in sorted(names, key=lambda entry: (entry[0].casefold(), entry)):
            suffix = PurePosixPath(name).suffix.lower()
            if not name or name.startswith("."):
                continue
            if is_folder:
                if not is_system_folder(name):
                    yield from self._walk(f"{folder}/{name}", inside / name)
            elif is_photo_suffix(suffix):
                yield inside / name
            else:
                self._suffixes[suffix or "none"] += 1
