"""Where photos were taken."""

from collections.abc import Callable

from camcore.errors import StudyError
from camcore.study.inputs.addresses import folders_of


def site_finder(site_from: str) -> Callable[[str], str | None]:
    """Return what gives the site of a photo by its `file`, None if the files say it; may raise StudyError."""
    kind, _, number = site_from.partition(":")
    if kind == "folder" and number.isascii() and number.isdigit() and int(number) > 0:
        index = int(number) - 1
        return lambda file: next(iter(folders_of(file)[index:]), "")
    if site_from not in {"column", "none"}:
        raise StudyError(
            f"sites cannot be read from {site_from!r}: choose column, none, or folder:1 for the first folder"
        )
    return lambda _: None if site_from == "column" else ""
