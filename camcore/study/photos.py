"""The photos of a folder: one subfolder a species."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camcore.errors import StudyError
from camcore.output import output_stems

# Those refused are told so one by one, by what is in them.
_ACCEPTED = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".mpo", ".gif"}
_REFUSED = {".heic", ".heif", ".avif", ".jp2", ".svg", ".eps", ".pdf", ".psd", ".cr2", ".cr3", ".nef", ".arw", ".dng"}


@dataclass(frozen=True)
class Photo:
    """A photo of a study: its path, that path in the folder with forward slashes, its subfolder ("" if in none)."""

    path: Path
    file: str
    species: str
    stem: str


def find_photos(folder: Path, leave_out: Path) -> tuple[list[Photo], list[str]]:
    """The photos of a folder in alphabetical order, whatever their depth, and what there is to say about the folder.

    Hidden files, and what lies in `leave_out`, are passed over.

    Raises:
        StudyError: if it is no folder, cannot be read, or holds no photo.
    """
    if not folder.is_dir():
        reason = "is a file" if folder.exists() else "is not there"
        raise StudyError(f"{folder} {reason}: name a folder of photos, one subfolder a species")
    try:
        found = sorted(
            _files(folder, leave_out.resolve()), key=lambda path: path.relative_to(folder).as_posix().casefold()
        )
    except OSError as error:
        raise StudyError(
            f"{error.filename} cannot be read ({error.strerror}): allow it, or name another folder"
        ) from error
    paths = [path for path in found if path.suffix.lower() in _ACCEPTED | _REFUSED]
    if not paths:
        raise StudyError(f"{folder} holds no photo: put photos there, one subfolder a species")
    files = [path.relative_to(folder) for path in paths]
    stems = output_stems(["-".join((*file.parts[:-1], file.name)) for file in files])
    photos = [
        Photo(path, file.as_posix(), file.parts[0] if len(file.parts) > 1 else "", stem)
        for path, file, stem in zip(paths, files, stems, strict=True)
    ]
    return photos, _notes(folder, leave_out.resolve(), photos, len(found) - len(paths))


def _files(folder: Path, leave_out: Path) -> list[Path]:
    found = []
    for path in folder.iterdir():
        if path.name.startswith(".") or path.resolve() == leave_out:
            continue
        if path.is_dir():
            found += _files(path, leave_out)
        elif path.is_file():
            found.append(path)
    return found


def _notes(folder: Path, leave_out: Path, photos: Sequence[Photo], others: int) -> list[str]:
    with_photos = {photo.species for photo in photos}
    empty = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir()
        and not path.name.startswith(".")
        and path.name not in with_photos
        and path.resolve() != leave_out
    )
    notes = [f"the subfolder {name} holds no photo" for name in empty]
    if others:
        notes.append(f"{others} {'file is' if others == 1 else 'files are'} no photo by name, and left out")
    return notes
