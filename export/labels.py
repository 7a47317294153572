"""Class names, from ImageNet or from a file."""

from collections.abc import Sequence
from pathlib import Path

from export.errors import LabelsError
from export.label_files import FORMATS, read_label_file


def imagenet_labels() -> tuple[str, ...]:
    """Return the 1,000 class names of ImageNet in torchvision's spelling."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])


def numbered_labels(classes: int) -> tuple[str, ...]:
    """Return `class 0`, `class 1`, ... as the names of `classes` unnamed classes."""
    return tuple(f"class {index}" for index in range(classes))


def labels_for(labels: Sequence[str] | Path | None, outputs: int) -> tuple[str, ...]:
    """Return the names of the classes of a model with `outputs` scores, given themselves or as a file; else numbers.

    A model with one score has two classes. If only the second is named, the first is called "not" that. Raise
    LabelsError if the file cannot be read, or if there is not one name per class.
    """
    classes = max(outputs, 2)
    if labels is None:
        return numbered_labels(classes)
    names = read_label_file(labels) if isinstance(labels, Path) else tuple(labels)
    source = str(labels) if isinstance(labels, Path) else "the list of labels"
    if outputs == 1 and len(names) == 1:
        names = (f"not {names[0]}", names[0])
    if len(names) != classes:
        expected = "2 (absent and present), from one score" if outputs == 1 else f"{classes}"
        raise LabelsError(f"{source} names {len(names)} classes, but the model has {expected}: write {FORMATS}")
    if not all(names):
        raise LabelsError(f"{source} has an empty line {names.index('') + 1}: write {FORMATS}")
    return names
