"""Where the photos of a study come from: a folder, a list, a table, or a data set with boxes and species of its own."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from camcore.errors import BoxesError, StudyError
from camcore.study.disk_mapping import DiskMapping
from camcore.study.inputs.addresses import is_address, is_complete, path_or_address, public_name, scheme_of
from camcore.study.inputs.camtrap_dp import has_tables, read_media
from camcore.study.inputs.detection_formats import coco_moment, is_coco
from camcore.study.inputs.json_files import JsonFile
from camcore.study.inputs.moments import moment_of
from camcore.study.inputs.photo_lists import PhotoTally
from camcore.study.inputs.photos import PhotoFolder, PhotoNames, StudyPhoto, is_photo_suffix, suffix_notes
from camcore.study.inputs.tables import read_columns, read_table
from camcore.study.inputs.truth_formats import (
    file_column_of,
    file_of,
    is_wildlife_insights,
    names_species,
    site_of,
)
from camcore.study.remote import RemoteFiles

SourceKind = Literal["folder", "list", "table", "camtrap-dp", "coco"]
_KINDS: dict[str, SourceKind] = {".txt": "list", ".csv": "table", ".tsv": "table", ".parquet": "table", ".json": "coco"}
_MAX_PATH = 4096  # characters


class ListedPhoto(NamedTuple):
    """A photo as a source lists it: the line or so, its path, and its site and date ("" if not known)."""

    place: str
    file: str
    site: str = ""
    taken_at: str = ""


class SourcePhoto(NamedTuple):
    """A photo of a source, with its site and date ("" if not known)."""

    path: str
    species: str
    stem: str
    site: str
    taken_at: str

    def to_photo(self, file: str) -> StudyPhoto:
        """Return the photo, whose `file` is this one."""
        return StudyPhoto(path_or_address(self.path), file, self.species, self.stem)


@dataclass(frozen=True)
class Source:
    """The photos of a study by their `file`, in order, notes, and the files that describe the photos, if any."""

    photos: DiskMapping[SourcePhoto]
    notes: list[str]
    boxes: Path | None = None
    truth: Path | None = None


def kind_of(path: Path) -> SourceKind:
    """Return what a source is, by its path."""
    if has_tables(path):
        return "camtrap-dp"
    return "folder" if path.is_dir() else _KINDS.get(path.suffix.lower(), "folder")


def read_source(
    path: Path | str,
    kind: SourceKind | None,
    root: Path | str | None,
    leave_out: Path,
    *,
    truth_column: str | None = None,
    remote: RemoteFiles | None = None,
) -> Source:
    """Return the photos of a source; raise StudyError if it has none, or lists one that cannot be read.

    `root` is the folder to which its paths are relative, by default its own. A folder is searched except for
    `leave_out`; of a table, `truth_column` has the species. A str is an address: without `remote`, all are refused.
    """
    if isinstance(path, str):
        return _of_address(path, remote)
    if isinstance(root, str):
        _check_address(root, "--root", remote)
    kind = kind or kind_of(path)
    if kind == "folder":
        folder, names = PhotoFolder(path, leave_out), PhotoNames(path)
        photos = DiskMapping(map(_of_photo, map(names.photo, folder.files())))
        return Source(photos, list(folder.notes()))
    if not path.exists():
        raise StudyError(f"there is no file {path}: give a folder of photos, or a file that lists them")
    names = PhotoNames(root or (path if path.is_dir() else path.parent))
    if kind == "list":
        return Source(*_collect(path, _of_list(path), names, remote))
    if kind == "table":
        columns = read_columns(path)
        has_truth = truth_column is not None or names_species(columns)
        return Source(*_collect(path, _of_table(path, columns), names, remote), truth=path if has_truth else None)
    if kind == "coco":
        listed = _of_coco(path)
    else:
        listed = (ListedPhoto(f"line {line}", *rest) for line, *rest in read_media(path))
    return Source(*_collect(path, listed, names, remote, has_other_media=True), boxes=path, truth=path)


def _of_address(address: str, remote: RemoteFiles | None) -> Source:
    """Return the photos in the folder at an address."""
    remote = _check_address(address, "SOURCE", remote)
    if PurePath(public_name(address)).suffix.lower() in _KINDS:
        remedy = "download it, and give its path; the photos that it lists may stay where they are, with --root"
        raise StudyError(f"{public_name(address)} is a file: {remedy}")
    folder, names = remote.photos(address), PhotoNames(address)
    photos = DiskMapping(map(_of_photo, map(names.photo, folder.paths())))
    return Source(photos, list(folder.notes()))


def _of_photo(photo: StudyPhoto, site: str = "", taken_at: str = "") -> tuple[str, SourcePhoto]:
    return photo.file, SourcePhoto(str(photo.path), photo.species, photo.stem, site, taken_at)


def _collect(
    path: Path,
    listed: Iterable[ListedPhoto],
    names: PhotoNames,
    remote: RemoteFiles | None,
    *,
    has_other_media: bool = False,
) -> tuple[DiskMapping[SourcePhoto], list[str]]:
    """Return the photos that a file lists, and notes; sound and video are left out if it `has_other_media`."""
    photos: DiskMapping[SourcePhoto] = DiskMapping()
    paths: DiskMapping[None] = DiskMapping()
    repeated, suffixes = PhotoTally(), Counter[str]()
    for photo in listed:
        file = _checked(path, photo, remote)
        name = public_name(file) if isinstance(file, str) else file.as_posix()
        suffix = PurePath(name).suffix.lower()
        if has_other_media and suffix and not is_photo_suffix(suffix):
            suffixes[suffix] += 1
            continue
        location = names.path_of(file)
        if location in paths:
            repeated.add(name)
            continue
        paths[location] = None
        key, value = _of_photo(names.photo(file), photo.site, photo.taken_at)
        if not photos.add(key, value):
            problem = f"{path}, {photo.place}: {key} is also an earlier photo, apart from what reports leave out"
            raise StudyError(f"{problem} (user, password and query): list one, or download both and list their paths")
    if not photos:
        raise StudyError(f"{path} lists no photos: add them, or give a folder of photos")
    notes = repeated.notes(f"{path.name} lists more than once, which counts as one photo each,")
    return photos, [*notes, *suffix_notes(suffixes)]


def _check_address(address: str, place: str, remote: RemoteFiles | None) -> RemoteFiles:
    """Return what reads an address; raise StudyError if nothing does."""
    if remote is None:
        remedy = "download the photos, and list their paths on this computer"
        name = public_name(address)[:200]
        raise StudyError(f"{place}: {name!r} is an address, from which no photo is read: {remedy}")
    try:
        remote.check(address)
    except StudyError as error:
        raise StudyError(f"{place}: {error}") from error
    if not is_complete(address):  # nor is it clear which part of it is a password
        raise StudyError(
            f"{place}: this {scheme_of(address)}:// address is damaged or has no host: correct or remove it"
        )
    return remote


def _checked(path: Path, photo: ListedPhoto, remote: RemoteFiles | None) -> PurePath | str:
    """Return the path or the address of a listed photo; raise StudyError if it can be neither."""
    text, place = photo.file.replace("\\", "/"), f"{path}, {photo.place}"
    if is_address(text):
        _check_address(text, place, remote)
        return str(path_or_address(text))
    if len(text) > _MAX_PATH or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text) or not PurePath(text).name:
        raise StudyError(f"{place}: {text[:80]!r} is not the path of a photo: correct or remove it")
    return PurePath(text)


def _of_list(path: Path) -> Iterator[ListedPhoto]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, 1):
                if text.strip():
                    yield ListedPhoto(f"line {line}", text.strip())
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}): give the path of a list of photos") from error
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not UTF-8 text: save the list in UTF-8, with one path per line") from None


def _of_table(path: Path, columns: list[str]) -> Iterator[ListedPhoto]:
    column, is_export = file_column_of(path, columns), is_wildlife_insights(columns)
    for line, row in read_table(path):
        if row[column]:
            site = row.get("deployment_id", "") if is_export else site_of(row)
            yield ListedPhoto(f"line {line}", file_of(row, column), site, moment_of(row))


def _of_coco(path: Path) -> Iterator[ListedPhoto]:
    try:
        content = JsonFile(path)
    except BoxesError as error:
        raise StudyError(f"{path} is not valid JSON: give the complete JSON file of COCO Camera Traps") from error
    if not is_coco(content):
        formats = "a JSON file of COCO Camera Traps, which has images and annotations"
        raise StudyError(f"{path} lists no photos to study: give {formats}, or a folder of photos")
    for number, image in enumerate(content.objects("images"), 1):
        file, site = image.get("file_name"), image.get("location")
        if isinstance(file, str) and file:
            yield ListedPhoto(f"image {number}", file, "" if site is None else str(site), coco_moment(image))
