"""The photos of a study, and those of a folder, with one subfolder per species."""

import heapq
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePath, PureWindowsPath

from camcore.drawing.output import output_stem
from camcore.errors import StudyError
from camcore.images.formats import PHOTO_SUFFIXES, REFUSED_SUFFIXES
from camcore.study.disk_mapping import DiskMapping
from camcore.study.file_names import METRICS, PICTURES, PROGRESS, REPORT, STUDY
from camcore.study.inputs.addresses import join, path_in, path_or_address, public_name

_MAX_NAME_BYTES = 120  # of the path as one name, from which the stem is made

_MARKERS = (PROGRESS, STUDY)  # a folder with one of them is the output folder of a study
_RESULTS = (*_MARKERS, REPORT, METRICS, PICTURES)
# Folders of operating systems and storage devices, which hold previews, deleted files and lost fragments.
_SYSTEM_FOLDERS = {"@eadir", "#recycle", "@recycle", "$recycle.bin", "recycler", "system volume information",
                   "__macosx", "lost+found", "lost.dir"}  # fmt: skip
_LOST_FOLDER = re.compile(r"found\.\d{3}", re.IGNORECASE)  # of Windows


@dataclass(frozen=True)
class StudyPhoto:
    """A photo of a study.

    `path` is an address if it is a str. `file` is the path with forward slashes, relative to the folder of the study
    unless a list has it as an absolute path or an address, `species` the name of its subfolder ("" if it is in none),
    and `stem` a unique stem for the names of its pictures.
    """

    path: Path | str
    file: str
    species: str
    stem: str


class PhotoNames:
    """The names of a study's photos: it makes each photo, with a stem that no earlier one has.

    `root` is the folder to which paths are relative, or its address.
    """

    def __init__(self, root: Path | str):
        self._root = root
        self._stems: DiskMapping[int] = DiskMapping()

    def path_of(self, file: PurePath | str) -> str:
        """Return the full path of a photo, or its address."""
        if isinstance(file, str):
            return file
        if isinstance(self._root, str) and not _is_absolute(file):
            return join(self._root, file.as_posix())
        return (Path(self._root) / file).as_posix()

    def photo(self, file: PurePath | str) -> StudyPhoto:
        """Return the photo of a path, relative to the root or absolute, or of an address."""
        path = path_or_address(self.path_of(file))
        if isinstance(file, str):
            return StudyPhoto(path, public_name(file), "", output_stem(_file_name(path_in(file)), self._stems))
        folders = [] if _is_absolute(file) else [part for part in file.parts[:-1] if part != ".."]
        stem = output_stem(_file_name(file), self._stems)
        return StudyPhoto(path, file.as_posix(), folders[0] if folders else "", stem)


class PhotoFolder:
    """A folder of photos, at any depth.

    Hidden files, folders of operating systems, the content of `leave_out`, and the results of earlier studies are
    ignored. A link to a folder is followed once.
    """

    def __init__(self, folder: Path, leave_out: Path):
        self._folder = folder
        self._excluded = {leave_out.resolve()} - {folder.resolve()}
        self._subfolders: dict[str, bool] = {}  # and whether they have photos
        self._system_folders: set[str] = set()  # their names
        self.other_suffixes: Counter[str] = Counter()  # of files that are no photos
        self._unreadable_names = 0  # that are not text

    def files(self) -> Iterator[PurePath]:
        """Yield the photos' paths in the folder, in alphabetical order of these paths.

        Raise StudyError if the folder is none, cannot be read, or contains no photo.
        """
        folder = self._folder
        if not folder.is_dir():
            needed = "a folder of photos, with one subfolder per species"
            if folder.exists():
                needed += ", a list (.txt), a table (.csv, .tsv or .parquet) or the JSON file of COCO Camera Traps"
            raise StudyError(f"{folder} {'is a file' if folder.exists() else 'does not exist'}: give {needed}")
        is_empty = True
        try:
            for file in self._walk(PurePath()):
                is_empty = False
                if len(file.parts) > 1:
                    self._subfolders[file.parts[0]] = True
                yield file
        except OSError as error:
            remedy = "change its permissions, or choose another folder"
            raise StudyError(f"{error.filename} cannot be read ({error.strerror}): {remedy}") from error
        if is_empty:
            raise StudyError(f"{folder} contains no photos: add photos, in one subfolder per species")

    def _walk(self, inside: PurePath) -> Iterator[PurePath]:
        """Yield the photos in a folder, which is excluded from then on; excluded folders are not entered."""
        folder = self._folder / inside
        is_output = any((folder / name).exists() for name in _MARKERS)
        if folder.resolve() in self._excluded or (is_output and inside.parts):
            return
        self._excluded.add(folder.resolve())
        if len(inside.parts) == 1:
            self._subfolders.setdefault(inside.name, False)
        names = [(key, name) for name in os.listdir(folder) if (key := self._sort_key(folder, name, is_output))]  # noqa: PTH208
        for key, group in groupby(sorted(names), key=itemgetter(0)):
            if not key.endswith("/"):
                yield from (inside / name for _, name in group)
                continue
            walks = [self._walk(inside / name) for _, name in group]
            # Folders of names that differ in case only are read as one.
            yield from walks[0] if len(walks) == 1 else heapq.merge(*walks, key=_folded)

    def _sort_key(self, folder: Path, name: str, is_output: bool) -> str:
        """Return what a photo or a folder is sorted by, a folder with a "/" at its end; "" if it is ignored."""
        if name.startswith(".") or (is_output and name in _RESULTS):
            return ""
        if any("\ud800" <= character <= "\udfff" for character in name):  # bytes that are not UTF-8
            self._unreadable_names += 1
            return ""
        suffix = PurePath(name).suffix.lower()
        if (folder / name).is_dir():
            if is_system_folder(name):
                self._system_folders.add(name)
                return ""
            return f"{name.casefold()}/"
        if is_photo_suffix(suffix):
            return name.casefold()
        self.other_suffixes[suffix or "none"] += 1
        return ""

    def notes(self) -> Iterator[str]:
        """Yield notes on what was ignored, after all files were read."""
        for name in sorted(name for name, has_photos in self._subfolders.items() if not has_photos):
            yield f"the subfolder {name} contains no photos"
        if self._system_folders:
            yield f"ignored folders of the operating system: {', '.join(sorted(self._system_folders))}"
        yield from suffix_notes(self.other_suffixes)
        if self._unreadable_names:
            count = self._unreadable_names
            yield f"ignored files and folders with a name that is not valid UTF-8: {count}; rename them"


def is_photo_suffix(suffix: str) -> bool:
    """Return whether files of a suffix, in lower case, are studied."""
    return suffix in PHOTO_SUFFIXES or suffix in REFUSED_SUFFIXES


def suffix_notes(suffixes: Counter[str]) -> Iterator[str]:
    """Yield a note on files that are no photos, by the numbers of their suffixes."""
    if suffixes:
        listed = ", ".join(f"{suffix} ({count:,})" for suffix, count in suffixes.most_common(5))
        yield f"ignored files without the suffix of a photo: {suffixes.total():,}, of the suffixes {listed}"


def is_system_folder(name: str) -> bool:
    """Return whether a folder of this name belongs to an operating system or a storage device, not to a person."""
    return (
        name.startswith(".") or name.lower() in _SYSTEM_FOLDERS or re.fullmatch(r"(?i)found\.\d{3}", name) is not None
    )


def _is_absolute(file: PurePath) -> bool:
    return file.is_absolute() or bool(PureWindowsPath(file).drive)


def _file_name(file: PurePath) -> str:
    """Return a path as one file name, without the start of one that is too long."""
    folders = (part for part in file.parts[:-1] if part not in {file.anchor, ".."})
    name = "-".join((*folders, file.stem)).encode()
    return name[-_MAX_NAME_BYTES:].decode(errors="ignore") + file.suffix


def _folded(file: PurePath) -> str:
    return file.as_posix().casefold()
