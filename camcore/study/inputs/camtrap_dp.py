"""Camtrap DP, the standard for data of camera traps: the files media.csv, observations.csv and deployments.csv."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from camcore.errors import BoxesError, StudyError
from camcore.images.formats import PHOTO_SUFFIXES
from camcore.study.inputs.detection_formats import DetectionFile, Entry, RawDetection
from camcore.study.inputs.tables import read_table

_MEDIA, _OBSERVATIONS, _DEPLOYMENTS = "media.csv", "observations.csv", "deployments.csv"
_BOX = ("bboxx", "bboxy", "bboxwidth", "bboxheight")
_EMPTY = "blank"

_Row = Mapping[str, str]


def is_camtrap_dp(path: Path) -> bool:
    """Return whether a path names a data package: its folder, its description, or one of its tables."""
    if path.is_dir():
        return (path / _OBSERVATIONS).is_file()
    return path.name in {"datapackage.json", _MEDIA, _OBSERVATIONS} and (path.parent / _MEDIA).is_file()


def tables_of(path: Path) -> list[Path]:
    """Return the tables of a data package that are there."""
    folder = path if path.is_dir() else path.parent
    return [folder / name for name in (_MEDIA, _OBSERVATIONS, _DEPLOYMENTS) if (folder / name).is_file()]


def read_camtrap_dp(path: Path) -> DetectionFile:
    """Return the photos of a data package with the boxes, the species and the site of each.

    The observations of a photo count, not those of an event. Raise BoxesError if a table is missing or damaged.
    """
    folder = path if path.is_dir() else path.parent
    try:
        media = [row for _, row in read_table(folder / _MEDIA, ["mediaid", "filepath"])]
        observations: dict[str, list[_Row]] = defaultdict(list)
        for _, row in read_table(folder / _OBSERVATIONS, ["mediaid", "observationtype"]):
            observations[row["mediaid"]].append(row)
        sites = _sites(folder / _DEPLOYMENTS)
    except StudyError as error:
        raise BoxesError(str(error)) from error
    of_events = len(observations.pop("", ()))
    notes = [f"has {of_events} observations of events, not of single photos, which are left out"] if of_events else []
    return DetectionFile(_entries(media, observations, sites), None, notes=notes)


def _sites(path: Path) -> dict[str, str]:
    """Return the location of each deployment that has one."""
    if not path.is_file():
        return {}
    rows = (row for _, row in read_table(path, ["deploymentid"]))
    return {row["deploymentid"]: row.get("locationname") or row.get("locationid") or "" for row in rows}


def _entries(
    media: Sequence[_Row], observations: Mapping[str, Sequence[_Row]], sites: Mapping[str, str]
) -> Iterator[Entry]:
    for photo in media:
        rows, deployment = observations.get(photo["mediaid"], ()), photo.get("deploymentid", "")
        kinds = {row["observationtype"] for row in rows}
        detections = [RawDetection(row["observationtype"], 1.0, _box(row)) for row in rows if row.get("bboxx")]
        failure = None
        if not detections and kinds != {_EMPTY}:
            failure = "a label without a box" if rows else "neither a label nor a box"
        names = dict.fromkeys(row.get("scientificname", "") for row in rows if row["observationtype"] == "animal")
        yield Entry(_file(photo), detections, failure, sites.get(deployment) or deployment, list(filter(None, names)))


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
