"""Names of classes: ImageNet's, or a file's."""

from pathlib import Path

from export.errors import LabelsError


def imagenet_labels() -> tuple[str, ...]:
    """The 1,000 names of ImageNet's classes, as torchvision spells them."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])


def numbered_labels(classes: int) -> tuple[str, ...]:
    """`class 0`, `class 1`, ...: the names of `classes` classes that nobody named."""
    return tuple(f"class {index}" for index in range(classes))


def read_labels(path: Path, classes: int) -> tuple[str, ...]:
    """Names of `classes` classes, one a line in UTF-8; empty lines at the end do not count.

    Raises:
        LabelsError: if the file cannot be read, has an empty line, or names another number of classes.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip()
    except FileNotFoundError:
        raise LabelsError(f"there is no labels file {path}: name a text file with one class a line") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"{path} cannot be read as UTF-8 text: save it so, one class a line") from error
    labels = tuple(line.strip() for line in text.split("\n")) if text else ()
    if len(labels) != classes:
        raise LabelsError(f"{path} names {len(labels)} classes, but the model has {classes}: give one line a class")
    if not all(labels):
        raise LabelsError(f"{path} has an empty line {labels.index('') + 1}: give one name a line")
    return labels
