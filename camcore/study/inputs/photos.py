"""The photos of a folder, with one subfolder per species."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camcore.drawing.output import output_stems
from camcore.errors import StudyError
from camcore.images.formats import PHOTO_SUFFIXES, REFUSED_SUFFIXES
from camcore.study.file_names import METRICS, PICTURES, PROGRESS, REPORT, STUDY

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

    `file` is its path relative to the folder of the study, with forward slashes, `species` the name of its subfolder
    ("" if it is in none), and `stem` a unique stem for the names of its pictures.
    """

    path: Path
    file: str
    species: str
    stem: str


@dataclass
class _FolderContent:
    """The photos and the subfolders of a folder, and what was ignored in it."""

    photos: list[Path] = field(default_factory=list)
    subfolders: list[str] = field(default_factory=list)
    system_folders: set[str] = field(default_factory=set)  # their names
    other_suffixes: Counter[str] = field(default_factory=Counter)  # of files that are no photos
    unreadable_names: int = 0  # that are not text


def find_photos(folder: Path, leave_out: Path) -> tuple[list[StudyPhoto], list[str]]:
    """Return the photos of a folder in alphabetical order, at any depth, and notes on what was ignored.

    Hidden files, folders of operating systems, the content of `leave_out`, and the results of earlier studies are
    ignored. A link to a folder is followed once. Raise StudyError if `folder` is not a folder, cannot be read, or
    contains no photo.
    """
    if not folder.is_dir():
        reason = "is a file" if folder.exists() else "does not exist"
        raise StudyError(f"{folder} {reason}: give a folder of photos, with one subfolder per species")
    content = _FolderContent()
    try:
        _search(folder, folder, content, {leave_out.resolve()} - {folder.resolve()})
    except OSError as error:
        remedy = "change its permissions, or choose another folder"
        raise StudyError(f"{error.filename} cannot be read ({error.strerror}): {remedy}") from error
    if not content.photos:
        raise StudyError(f"{folder} contains no photos: add photos, in one subfolder per species")
    files = sorted((path.relative_to(folder) for path in content.photos), key=lambda file: file.as_posix().casefold())
    stems = output_stems([_file_name(file) for file in files])
    photos = [
        StudyPhoto(folder / file, file.as_posix(), file.parts[0] if len(file.parts) > 1 else "", stem)
        for file, stem in zip(files, stems, strict=True)
    ]
    return photos, list(_notes(content, photos))


def _search(folder: Path, root: Path, content: _FolderContent, excluded: set[Path]) -> None:
    """Add the content of a folder, which is excluded from then on; `excluded` folders are not entered."""
    is_output = any((folder / name).exists() for name in _MARKERS)
    if folder.resolve() in excluded or (is_output and folder != root):
        return
    excluded.add(folder.resolve())
    if folder.parent == root:
        content.subfolders.append(folder.name)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (is_output and path.name in _RESULTS):
            continue
        if any("\ud800" <= character <= "\udfff" for character in path.name):  # bytes that are not UTF-8
            content.unreadable_names += 1
        elif path.is_dir() and is_system_folder(path.name):
            content.system_folders.add(path.name)
        elif path.is_dir():
            _search(path, root, content, excluded)
        elif path.suffix.lower() in PHOTO_SUFFIXES | REFUSED_SUFFIXES:
            content.photos.append(path)
        else:
            content.other_suffixes[path.suffix.lower() or "none"] += 1


def is_system_folder(name: str) -> bool:
    """Return whether a folder of this name belongs to an operating system or a storage device, not to a person."""
    return (
        name.startswith(".") or name.lower() in _SYSTEM_FOLDERS or re.fullmatch(r"(?i)found\.\d{3}", name) is not None
    )


def _file_name(file: Path) -> str:
    """Return a relative path as one file name, without the start of one that is too long."""
    name = "-".join((*file.parts[:-1], file.stem)).encode()
    return name[-_MAX_NAME_BYTES:].decode(errors="ignore") + file.suffix


def _notes(content: _FolderContent, photos: Sequence[StudyPhoto]) -> Iterator[str]:
    for name in sorted(set(content.subfolders) - {photo.species for photo in photos}):
        yield f"the subfolder {name} contains no photos"
    if content.system_folders:
        yield f"ignored folders of the operating system: {', '.join(sorted(content.system_folders))}"
    if content.other_suffixes:
        suffixes = ", ".join(f"{suffix} ({count:,})" for suffix, count in content.other_suffixes.most_common(5))
        total = content.other_suffixes.total()
        yield f"ignored files without the suffix of a photo: {total:,}, of the suffixes {suffixes}"
    if content.unreadable_names:
        yield f"ignored files and folders with a name that is not valid UTF-8: {content.unreadable_names}; rename them"
