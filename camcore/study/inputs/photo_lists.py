"""Notes on inputs of a study that do not fit together."""

from collections.abc import Collection


def list_photos(before: str, photos: Collection[str], after: str = "") -> list[str]:
    """Return a note with the number of photos and the first five in alphabetical order, or nothing without a photo."""
    if not photos:
        return []
    names = ", ".join(sorted(photos)[:5]) + (f" and {len(photos) - 5} more" if len(photos) > 5 else "")
    return [f"{before} {len(photos)} photo{'' if len(photos) == 1 else 's'}{after}: {names}"]
