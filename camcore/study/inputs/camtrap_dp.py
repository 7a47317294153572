"""Camtrap DP, the standard for data of camera traps: the files media.csv, observations.csv and deployments.csv."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from camcore.errors import BoxesError, StudyError
from camcore.images.formats import PHOTO_SUFFIXES
from camcore.study.disk_mapping import DiskLists
from camcore.study.inputs.detection_formats import DetectionFile, Entry, RawDetection
from camcore.study.inputs.moments import to_local_time
from camcore.study.inputs.tables import read_table

_TABLES = _MEDIA, _OBSERVATIONS, _DEPLOYMENTS = "media.csv", "observations.csv", "deployments.csv"
_BOX = ("bboxx", "bboxy", "bboxwidth", "bboxheight")
_OBSERVED = ("observationtype", "scientificname", *_BOX)
_MEDIA_COLUMNS = ("mediaid", "filepath")
_EMPTY = "blank"

_Row = Mapping[str, str]


def is_camtrap_dp(path: Path) -> bool:
    """Return whether a path names a data package: its folder, its description, or one of its tables."""
    if path.is_dir():
        return (path / _OBSERVATIONS).is_file()
    return path.name in {"datapackage.json", _MEDIA, _OBSERVATIONS} and (path.parent / _MEDIA).is_file()


def names_file(text: str, path: Path) -> bool:
    """Return whether a text names a file, or a table of the data package to which it belongs."""
    folder = path if path.is_dir() else path.parent
    return any(str(name) in text for name in (path, *(folder / name for name in _TABLES)))


def tables_of(path: Path) -> list[Path]:
    """Return the tables of a data package that are there."""
    folder = path if path.is_dir() else path.parent
    return [folder / name for name in _TABLES if (folder / name).is_file()]


def read_camtrap_dp(path: Path) -> DetectionFile:
    """Return the photos of a data package with the boxes, the species and the site of each.

    The observations of a photo count, not those of an event. Raise BoxesError if a table is missing or damaged, that of
    the media as its entries are read.
    """
    folder, of_events = path if path.is_dir() else path.parent, 0
    observations: DiskLists[_Row] = DiskLists()  # by photo
    with _as_boxes_error():
        for _, row in read_table(folder / _OBSERVATIONS, ["mediaid", "observationtype"]):
            if row["mediaid"]:
                observations.add(row["mediaid"], {key: row[key] for key in _OBSERVED if row.get(key)})
            else:
                of_events += 1
        next(read_table(folder / _MEDIA, _MEDIA_COLUMNS), None)
        sites = _sites(folder / _DEPLOYMENTS)
    notes = [f"has {of_events} observations of events, not of single photos, which are left out"] if of_events else []
    return DetectionFile(_entries(folder / _MEDIA, observations, sites), None, notes=notes)


def read_media(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Yield line number, path, site and date of each photo of a data package; raise StudyError if it is damaged."""
    folder = path if path.is_dir() else path.parent
    sites = _sites(folder / _DEPLOYMENTS)
    for line, photo in read_table(folder / _MEDIA, _MEDIA_COLUMNS):
        deployment = photo.get("deploymentid", "")
        yield line, _file(photo), sites.get(deployment) or deployment, to_local_time(photo.get("timestamp"))


def has_tables(path: Path) -> bool:
    """Return whether a path names a data package that has both media and observations."""
    folder = path if path.is_dir() else path.parent
    return is_camtrap_dp(path) and all((folder / name).is_file() for name in (_MEDIA, _OBSERVATIONS))


@contextmanager
def _as_boxes_error() -> Iterator[None]:
    try:
        yield
    except StudyError as error:
        raise BoxesError(str(error)) from error


def _sites(path: Path) -> dict[str, str]:
    """Return the location of each deployment that has one."""
    if not path.is_file():
        return {}
    rows = (row for _, row in read_table(path, ["deploymentid"]))
    return {row["deploymentid"]: row.get("locationname") or row.get("locationid") or "" for row in rows}


def _entries(media: Path, observations: DiskLists[_Row], sites: Mapping[str, str]) -> Iterator[Entry]:
    with _as_boxes_error():
        for _, photo in read_table(media, _MEDIA_COLUMNS):
            rows, deployment = observations.of(photo["mediaid"]), photo.get("deploymentid", "")
            kinds = {row.get("observationtype", "") for row in rows}
            detections = [
                RawDetection(row.get("observationtype", ""), 1.0, _box(row)) for row in rows if row.get("bboxx")
            ]
            failure = None
            if not detections and kinds != {_EMPTY}:
                failure = "a label without a box" if rows else "neither a label nor a box"
            animals = (row for row in rows if row.get("observationtype") == "animal")
            names = list(filter(None, dict.fromkeys(row.get("scientificname", "") for row in animals)))
            site, taken_at = sites.get(deployment) or deployment, to_local_time(photo.get("timestamp"))
            yield Entry(_file(photo), detections, failure, site, names, taken_at)


def _file(photo: _Row) -> str:
    """Return the path of a photo; where that is an address without a file name, the name itself."""
    path, name = photo["filepath"], photo.get("filename", "")
    return path if not name or Path(path).suffix.lower() in PHOTO_SUFFIXES else name


def _box(row: _Row) -> list[float | str]:
    """Return x, y, width and height; what is no number stays as it is."""
    values: list[float | str] = []
    for column in _BOX:
        text = row.get(column, "")
        try:
            values.append(float(text))
        except ValueError:
            values.append(text)
    return values
