"""Class names, from ImageNet or from a file."""

from pathlib import Path

from export.errors import LabelsError


def imagenet_labels() -> tuple[str, ...]:
    """Return the 1,000 class names of ImageNet in torchvision's spelling."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])


def numbered_labels(classes: int) -> tuple[str, ...]:
    """Return `class 0`, `class 1`, ... as the names of `classes` unnamed classes."""
    return tuple(f"class {index}" for index in range(classes))


def read_labels(path: Path, classes: int) -> tuple[str, ...]:
    """Read the names of `classes` classes from a UTF-8 text file with one name per line; it may end in empty lines.

    Raise LabelsError if the file cannot be read, contains another empty line, or names another number of classes.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip()
    except FileNotFoundError:
        raise LabelsError(f"there is no labels file {path}: name a text file with one class per line") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"{path} cannot be read as UTF-8 text: save it as UTF-8, with one class per line") from error
    labels = tuple(line.strip() for line in text.split("\n")) if text else ()
    if len(labels) != classes:
        raise LabelsError(f"{path} names {len(labels)} classes, but the model has {classes}: write one class per line")
    if not all(labels):
        raise LabelsError(f"{path} has an empty line {labels.index('') + 1}: write one class per line")
    return labels
