"""Notes on inputs of a study that do not fit together."""

from bisect import insort
from collections.abc import Iterable

_LISTED = 5  # photos that a note names


class PhotoTally:
    """The number of photos, and the first five in alphabetical order."""

    def __init__(self, photos: Iterable[str] = ()):
        self.count = 0
        self._first: list[str] = []
        for photo in photos:
            self.add(photo)

    def add(self, photo: str) -> None:
        """Count a photo."""
        self.count += 1
        if len(self._first) < _LISTED or photo < self._first[-1]:
            insort(self._first, photo)
            del self._first[_LISTED:]

    def notes(self, before: str, after: str = "") -> list[str]:
        """Return a note with the number of photos and the first five, or nothing without a photo."""
        if not self.count:
            return []
        names = ", ".join(self._first) + (f" and {self.count - _LISTED} more" if self.count > _LISTED else "")
        return [f"{before} {self.count} photo{'' if self.count == 1 else 's'}{after}: {names}"]


def list_photos(before: str, photos: Iterable[str], after: str = "") -> list[str]:
    """Return a note with the number of photos and the first five in alphabetical order, or nothing without a photo."""
    return PhotoTally(photos).notes(before, after)
