"""Names of classes: the index that a name or number stands for, and names that are unique."""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from camcore.errors import ClassError
from camcore.model.class_groups import find_group

_MIN_SIMILARITY = 0.75  # of spelling: "kyte" and "kite" have it, "falcon" and "fountain" do not


def find_class(labels: Sequence[str], name_or_idx: str | int) -> int:
    """Return the index of a class given as an index or a name.

    An exact name is preferred to one that differs in case. Raise ClassError if the index is out of range, if no class
    has the name (the message suggests others), or if several have it (the message gives their indices).
    """
    text = str(name_or_idx).strip()
    try:
        index = int(text)
    except ValueError:
        return _find_name(labels, text)
    if not 0 <= index < len(labels):
        raise ClassError(f"class {index} is out of range: this model has classes 0 to {len(labels) - 1}")
    return index


def find_class_pair(
    labels: Sequence[str], class_name: str | int | None, contrast_name: str | int | None
) -> tuple[int | None, int | None]:
    """Return the indices of a class and of the class that it is set against; None stays None.

    Raise ClassError as `find_class` does, or if both are the same class.
    """
    class_idx = None if class_name is None else find_class(labels, class_name)
    contrast_idx = None if contrast_name is None else find_class(labels, contrast_name)
    check_contrast(labels, class_idx, contrast_idx)
    return class_idx, contrast_idx


def check_contrast(labels: Sequence[str], class_idx: int | None, contrast_idx: int | None) -> None:
    """Raise ClassError if a class is set against itself."""
    if class_idx is not None and class_idx == contrast_idx:
        raise ClassError(f"{labels[class_idx]} cannot be set against itself: choose two classes")


def distinct_names(labels: Sequence[str]) -> list[str]:
    """Return the labels, with the index added to those that several classes share: "crane (134)"."""
    count = Counter(labels)
    return [f"{label} ({index})" if count[label] > 1 else label for index, label in enumerate(labels)]


def _find_name(labels: Sequence[str], name: str) -> int:
    for names, key in ((labels, str), (labels, str.casefold), (distinct_names(labels), str.casefold)):
        matches = [index for index, label in enumerate(names) if key(label) == key(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            indices = " or ".join(map(str, matches))
            raise ClassError(f"several classes are named {name!r}: give an index instead, {indices}")
    raise ClassError(f"no class is named {name!r}: {_suggestion(labels, name.casefold())}")


def _suggestion(labels: Sequence[str], name: str) -> str:
    """Return a remedy for a name that no class has: classes of the same group, else those with a similar name."""
    if group := find_group(labels, name):
        title, classes = group
        return f"of {title}, the model knows {', '.join(classes)}"
    by_folded = {label.casefold(): label for label in labels}
    close = get_close_matches(name, by_folded, n=3, cutoff=_MIN_SIMILARITY)
    word = name.rsplit(maxsplit=1)[-1] if name else ""
    sharing = [folded for folded in by_folded if word in folded.split()]
    nearest = [by_folded[folded] for folded in dict.fromkeys(close + sharing[:3])][:4]
    if nearest:
        return f"the nearest are {', '.join(nearest)}"
    return "the model knows none with a similar name; give another name, or an index"
