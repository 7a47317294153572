"""The photos of a folder: one subfolder a species."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camcore.drawing.output import output_stems
from camcore.errors import StudyError
from camcore.images.photo import PHOTO_SUFFIXES

_OWN_FILES = ("progress.jsonl", "study.json")  # a folder that holds one is where a study wrote
_WRITTEN = (*_OWN_FILES, "report.html", "figures.csv", "explanations")
# Those refused are told so one by one, by what is in them.
_REFUSED = {".heic", ".heif", ".avif", ".jp2", ".svg", ".eps", ".pdf", ".psd", ".cr2", ".cr3", ".nef", ".arw", ".dng"}
_LONGEST = 120  # bytes of a stem: a file system allows 255 for a name, and the stem gets more


@dataclass(frozen=True)
class StudyPhoto:
    """A photo of a study: its path, that path in the folder with forward slashes, its subfolder ("" if in none)."""

    path: Path
    file: str
    species: str
    stem: str


@dataclass
class _Found:
    """What a folder holds: photos, other files, subfolders that were empty, and names that no text can hold."""

    photos: list[Path] = field(default_factory=list)
    others: int = 0
    unreadable: int = 0
    folders: list[str] = field(default_factory=list)


def find_photos(folder: Path, leave_out: Path) -> tuple[list[StudyPhoto], list[str]]:
    """The photos of a folder in alphabetical order, whatever their depth, and what there is to say about the folder.

    Hidden files, what lies in `leave_out`, and what earlier studies wrote are passed over. A link to a folder is
    followed once.

    Raises:
        StudyError: if it is no folder, cannot be read, or holds no photo.
    """
    if not folder.is_dir():
        reason = "is a file" if folder.exists() else "is not there"
        raise StudyError(f"{folder} {reason}: name a folder of photos, one subfolder a species")
    found = _Found()
    try:
        _search(folder, folder, found, {leave_out.resolve()} - {folder.resolve()})
    except OSError as error:
        raise StudyError(
            f"{error.filename} cannot be read ({error.strerror}): allow it, or name another folder"
        ) from error
    if not found.photos:
        raise StudyError(f"{folder} holds no photo: put photos there, one subfolder a species")
    files = sorted((path.relative_to(folder) for path in found.photos), key=lambda file: file.as_posix().casefold())
    stems = output_stems([_stem(file) for file in files])
    photos = [
        StudyPhoto(folder / file, file.as_posix(), file.parts[0] if len(file.parts) > 1 else "", stem)
        for file, stem in zip(files, stems, strict=True)
    ]
    return photos, list(_notes(found, photos))


def _search(folder: Path, root: Path, found: _Found, seen: set[Path]) -> None:
    """Add what a folder holds; `seen` are folders that are not to be entered (again)."""
    studied = any((folder / name).exists() for name in _OWN_FILES)
    if folder.resolve() in seen or (studied and folder != root):
        return
    seen.add(folder.resolve())
    if folder.parent == root:
        found.folders.append(folder.name)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (studied and path.name in _WRITTEN):
            continue
        if not _is_text(path.name):
            found.unreadable += 1
        elif path.is_dir():
            _search(path, root, found, seen)
        elif path.suffix.lower() in PHOTO_SUFFIXES | _REFUSED:
            found.photos.append(path)
        else:
            found.others += 1


def _is_text(name: str) -> bool:
    """Whether a name can be written down: Linux allows any bytes."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _stem(file: Path) -> str:
    """A photo's path as one name, with its suffix; of a long one, the end."""
    name = "-".join((*file.parts[:-1], file.stem)).encode()
    return name[-_LONGEST:].decode(errors="ignore") + file.suffix


def _notes(found: _Found, photos: Sequence[StudyPhoto]) -> Iterator[str]:
    with_photos = {photo.species for photo in photos}
    for name in sorted(set(found.folders) - with_photos):
        yield f"the subfolder {name} holds no photo"
    if found.others:
        yield f"{found.others} {'file is' if found.others == 1 else 'files are'} no photo by name, and left out"
    if found.unreadable:
        many = "name is" if found.unreadable == 1 else "names are"
        yield f"{found.unreadable} {many} no text (not UTF-8), and left out: give another"
