"""Uploaded photos and zips, copied into one folder for a study; the subfolders of a zip are species."""

import lzma
import re
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from camcore.errors import CamError, StudyError
from camcore.images.formats import ACCEPTED_FORMATS
from camcore.study.inputs.photos import PhotoFolder, is_system_folder

MAX_PHOTOS = 200
MAX_FILES = 2000  # photos, and other files beside them
MAX_PHOTO = 50_000_000  # bytes
MAX_TOTAL = 500_000_000  # bytes, unpacked
_MAX_PATH = 180  # bytes: pictures are named after the path, and file systems take 255 bytes for a name
_MAX_FOLDER = 60  # bytes
_ENCRYPTED = 0x1 | 0x40
_UNREADABLE = (BadZipFile, RuntimeError, EOFError, OSError, ValueError, struct.error, zlib.error, lzma.LZMAError)
_DELETED = "is no longer on the server: choose it again."
_Parts = tuple[str, ...]


class UploadError(CamError, ValueError):
    """Uploaded files cannot be studied."""


def is_zip(path: Path) -> bool:
    """Return whether a file is a zip, judged by its name."""
    return path.suffix.lower() == ".zip"


def collect(uploads: Sequence[Path], folder: Path) -> list[str]:
    """Copy photos, and the files of zips, into a new `folder`, and return notes on what was left out.

    A photo that cannot be read is copied too: the study reports it in its row. Raises UploadError if there is no photo,
    too much of anything, or a zip that cannot be used.
    """
    folder.mkdir(parents=True)
    notes: list[str] = []
    paths: set[str] = set()  # without case, as some file systems compare them
    total = 0
    for upload in uploads:
        files = _zipped_files(upload, notes) if is_zip(upload) else [((upload.name,), read_upload(upload))]
        for parts, data in files:
            total += len(data)
            _check_size(parts[-1], len(data))
            if total > MAX_TOTAL:
                limit = f"{MAX_TOTAL // 1_000_000} MB"
                raise UploadError(f"All files are larger than {limit} together, unpacked: remove some.")
            _check_count(len(paths) + 1)
            path = _unused(folder.joinpath(*_clean_path(parts)), paths)
            paths.add(str(path).casefold())
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            except OSError as error:
                raise UploadError(f"“{parts[-1]}” cannot be unpacked: rename it, or use fewer photos.") from error
    try:
        count = sum(1 for _ in PhotoFolder(folder, leave_out=folder.parent).files())
    except StudyError as error:
        raise UploadError(f"None of these files is a photo: use {ACCEPTED_FORMATS}, or a zip of them.") from error
    if count > MAX_PHOTOS:
        raise UploadError(f"{count:,} photos are too many: choose at most {MAX_PHOTOS:,} at a time.")
    return notes


def _unused(path: Path, paths: set[str]) -> Path:
    """Return the path, with a number after its stem if another file has it already."""
    unused, number = path, 1
    while str(unused).casefold() in paths:
        number += 1
        unused = path.with_stem(f"{path.stem}-{number}")
    return unused


def read_upload(path: Path) -> bytes:
    """Return the bytes of an uploaded file; raise UploadError if it is too large, or has been deleted since."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PHOTO + 1)
    except OSError as error:
        raise UploadError(f"“{path.name}” {_DELETED}") from error
    _check_size(path.name, len(data))
    return data


def _zipped_files(path: Path, notes: list[str]) -> Iterator[tuple[_Parts, bytes]]:
    """Yield the path parts and the bytes of each file of a zip, without a folder that contains all the others."""
    if not path.is_file():
        raise UploadError(f"“{path.name}” {_DELETED}")
    try:
        with ZipFile(path) as archive:
            members = _members(archive.infolist(), path.name, notes)
            has_one_folder = len({parts[0] for parts, _ in members}) == 1
            # A folder that has folders of its own is not a species.
            skipped = int(has_one_folder and any(len(parts) > 2 for parts, _ in members))
            for parts, info in members:
                with archive.open(info) as stream:
                    data = stream.read(MAX_PHOTO + 1)
                yield parts[skipped:], data
    except UploadError:
        raise
    except _UNREADABLE as error:
        raise UploadError(f"“{path.name}” is damaged, or not a plain zip: pack it again.") from error


def _members(infos: Sequence[ZipInfo], zip_name: str, notes: list[str]) -> list[tuple[_Parts, ZipInfo]]:
    """Return the files to use of a zip, and add a note if it has links or zips, which are not followed."""
    members, left_out = [], 0
    for info in infos:
        parts = tuple(part for part in info.filename.replace("\\", "/").split("/") if part != ".") or ("",)
        if info.is_dir() or parts[-1] == "":
            continue
        if ".." in parts or parts[0] == "" or re.match("[A-Za-z]:", parts[0]):
            raise UploadError(f"“{zip_name}” has a path that leads out of it: pack it again from inside its folder.")
        if parts[-1].startswith(".") or any(map(is_system_folder, parts[:-1])):
            continue
        if info.flag_bits & _ENCRYPTED:
            raise UploadError(f"“{zip_name}” is protected by a password: pack it again without one.")
        _check_size(parts[-1], info.file_size)
        if stat.S_ISLNK(info.external_attr >> 16) or is_zip(Path(parts[-1])):
            left_out += 1
        else:
            members.append((parts, info))
    if left_out:
        what = "link or zip, which is" if left_out == 1 else "links or zips, which are"
        notes.append(f"“{zip_name}” has {left_out:,} {what} left out.")
    _check_count(len(members))
    return members


def _clean_path(parts: _Parts) -> _Parts:
    """Return path parts that every file system takes; of a long path, only the first folder and the name are kept."""
    folders = tuple(_clean(part, _MAX_FOLDER) for part in parts[:-1] if part)
    name = _clean(parts[-1], _MAX_PATH - _MAX_FOLDER)
    if len("-".join((*folders, name)).encode()) > _MAX_PATH:
        folders = folders[:1]
    return (*folders, name)


def _clean(part: str, max_bytes: int) -> str:
    """Return a name without control characters and others that file systems refuse, of at most `max_bytes`."""
    plain = "".join("_" if unicodedata.category(char)[0] == "C" or char in '<>:"/\\|?*' else char for char in part)
    plain = plain.strip(" ").lstrip(".") or "_"
    stem, suffix = Path(plain).stem, Path(plain).suffix[:10]
    while len((stem + suffix).encode()) > max_bytes:
        stem = stem[:-1]
    return stem + suffix


def _check_size(name: str, size: int) -> None:
    if size > MAX_PHOTO:
        raise UploadError(f"“{name}” is larger than {MAX_PHOTO // 1_000_000} MB: make it smaller, or remove it.")


def _check_count(count: int) -> None:
    if count > MAX_FILES:
        raise UploadError(f"There are more than {MAX_FILES:,} files: remove those that are not photos.")
