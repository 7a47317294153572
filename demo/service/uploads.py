"""Uploaded photos and zips, put into one folder for a study: subfolders of a zip are species."""

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
from camcore.study.inputs.photos import find_photos
from demo.service import messages

MAX_PHOTOS = 200
MAX_FILES = 2000  # photos and all else that lies beside them
MAX_PHOTO = 50_000_000  # bytes
MAX_TOTAL = 500_000_000  # bytes, unpacked
_MAX_PATH = 180  # bytes: pictures are named after it, and file systems take 255 a name
_MAX_FOLDER = 60
_UNUSABLE = (
    BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, struct.error, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
_ENCRYPTED = 0x1 | 0x40
_Parts = tuple[str, ...]


class UploadError(CamError, ValueError):
    """What was uploaded cannot be studied."""


def is_zip(path: Path) -> bool:
    """Whether a file is a zip, by its name."""
    return path.suffix.lower() == ".zip"


def collect(uploads: Sequence[Path], folder: Path) -> list[str]:
    """Put photos, and what zips hold, into `folder`, and return what there is to say about that.

    A photo that cannot be read is put there like any other, for the study to say so in its row.

    Raises:
        UploadError: if there is no photo, too much of anything, or a zip that cannot be used.
    """
    shelf = _Shelf(folder)
    notes: list[str] = []
    for upload in uploads:
        for parts, data in _zipped(upload, notes) if is_zip(upload) else _loose(upload):
            shelf.put(parts, data)
    try:
        photos, _ = find_photos(folder, leave_out=folder.parent)
    except StudyError as error:
        raise UploadError(messages.NO_PHOTO) from error
    if len(photos) > MAX_PHOTOS:
        raise UploadError(messages.too_many_photos(len(photos), MAX_PHOTOS))
    return notes


def read_upload(path: Path) -> bytes:
    """The bytes of an uploaded file.

    Raises:
        UploadError: if it is too large, or has been cleared away since.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PHOTO + 1)
    except OSError as error:
        raise UploadError(messages.gone(path.name)) from error
    if len(data) > MAX_PHOTO:
        raise UploadError(messages.too_large(path.name, _megabytes(MAX_PHOTO)))
    return data


class _Shelf:
    """A folder that files are put into, under names that are safe and none of which is taken."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self._folder = folder
        self._taken: set[str] = set()
        self._bytes = 0

    def put(self, parts: _Parts, data: bytes) -> None:
        self._bytes += len(data)
        if len(data) > MAX_PHOTO:
            raise UploadError(messages.too_large(parts[-1], _megabytes(MAX_PHOTO)))
        if self._bytes > MAX_TOTAL:
            raise UploadError(messages.too_much(_megabytes(MAX_TOTAL)))
        if len(self._taken) == MAX_FILES:
            raise UploadError(messages.too_many_files(MAX_FILES))
        path = self._free(self._folder.joinpath(*_clean_path(parts)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise UploadError(messages.cannot_unpack(parts[-1])) from error

    def _free(self, path: Path) -> Path:
        free, number = path, 1
        while str(free).casefold() in self._taken:
            number += 1
            free = path.with_stem(f"{path.stem}-{number}")
        self._taken.add(str(free).casefold())
        return free


def _loose(path: Path) -> Iterator[tuple[_Parts, bytes]]:
    yield (path.name,), read_upload(path)


def _zipped(path: Path, notes: list[str]) -> Iterator[tuple[_Parts, bytes]]:
    """The files of a zip, without a folder that wraps all the others."""
    if not path.is_file():
        raise UploadError(messages.gone(path.name))
    try:
        with ZipFile(path) as archive:
            members = _members(archive.infolist(), path.name, notes)
            wrapped = int(_is_wrapped([parts for parts, _ in members]))
            for parts, info in members:
                with archive.open(info) as stream:
                    data = stream.read(MAX_PHOTO + 1)
                yield parts[wrapped:], data
    except UploadError:
        raise
    except _UNUSABLE as error:
        raise UploadError(messages.damaged_zip(path.name)) from error


def _members(infos: Sequence[ZipInfo], name: str, notes: list[str]) -> list[tuple[_Parts, ZipInfo]]:
    """What to take of a zip; `notes` get a line if links or zips are passed over."""
    found, passed_over = [], 0
    for info in infos:
        parts = tuple(part for part in info.filename.replace("\\", "/").split("/") if part != ".") or ("",)
        if info.is_dir() or parts[-1] == "":
            continue
        if ".." in parts or parts[0] == "" or re.match("[A-Za-z]:", parts[0]):
            raise UploadError(messages.zip_leads_out(name))
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        if info.flag_bits & _ENCRYPTED:
            raise UploadError(messages.locked_zip(name))
        if info.file_size > MAX_PHOTO:
            raise UploadError(messages.too_large(parts[-1], _megabytes(MAX_PHOTO)))
        if stat.S_ISLNK(info.external_attr >> 16) or is_zip(Path(parts[-1])):
            passed_over += 1
        else:
            found.append((parts, info))
    if passed_over:
        notes.append(messages.passed_over(name, passed_over))
    if len(found) > MAX_FILES:
        raise UploadError(messages.too_many_files(MAX_FILES))
    return found


def _is_wrapped(files: Sequence[_Parts]) -> bool:
    """Whether all files lie in one folder that has folders of its own, so that it is no species."""
    return len({parts[0] for parts in files}) == 1 and any(len(parts) > 2 for parts in files)


def _clean_path(parts: _Parts) -> _Parts:
    """A path of which every part is a plain name; one that is too long keeps its first folder and its name."""
    folders = tuple(_clean(part, _MAX_FOLDER) for part in parts[:-1] if part)
    name = _clean(parts[-1], _MAX_PATH - _MAX_FOLDER)
    if len("-".join((*folders, name)).encode()) > _MAX_PATH:
        folders = folders[:1]
    return (*folders, name)


def _clean(part: str, most: int) -> str:
    """A name without control characters and what file systems refuse, of at most that many bytes."""
    plain = "".join("_" if unicodedata.category(each)[0] == "C" or each in '<>:"/\\|?*' else each for each in part)
    plain = plain.strip(" ").lstrip(".") or "_"
    stem, suffix = Path(plain).stem, Path(plain).suffix[:10]
    while len((stem + suffix).encode()) > most:
        stem = stem[:-1]
    return stem + suffix


def _megabytes(size: int) -> int:
    return size // 1_000_000
