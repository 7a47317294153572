"""The box of one detection, checked."""

from reprlib import repr as shortened
from typing import Any

from camcore.study.inputs.detection_formats import EXPECTED_FORMAT, RawDetection, is_number
from camcore.types import Box, PixelBox

ROUNDING = 0.01  # how far a detector's box may exceed the photo
_PIXELS = 2.0  # fractions are below it


class UnusableBoxError(Exception):
    """A box that cannot be used: what is wrong with it, and the sentence that refuses it."""

    def __init__(self, what: str, sentence: str):
        super().__init__(sentence)
        self.what = what


def to_box(file: str, detection: RawDetection) -> Box | None:
    """Return the box of a detection, None if it has no area; raise UnusableBoxError if it cannot be used."""
    values = detection.box
    if not isinstance(values, list | tuple) or len(values) != 4 or not all(map(is_number, values)):
        what = "a box that is not four finite numbers"
        raise UnusableBoxError(what, f"has {what}, {shortened(values)}, for the photo {file}: {EXPECTED_FORMAT}")
    if not is_number(detection.score):
        sentence = f'is damaged, a detection of {file} has no "conf": run the detector again'
        raise UnusableBoxError('a detection without a "conf"', sentence)
    left, top, width, height = map(float, values)
    edges = (left, top, width, height) if detection.layout == "corners" else (left, top, left + width, top + height)
    if detection.layout != "fractions":
        box = PixelBox(*edges)
        return box.in_fractions(detection.size) if _is_size(detection.size) else box  # type: ignore[arg-type]
    if any(abs(value) >= _PIXELS for value in values):
        what = "a box in pixels"
        needed = f"where fractions of the photo are needed: {EXPECTED_FORMAT}"
        raise UnusableBoxError(what, f"has {what}, {shortened(values)}, for the photo {file}, {needed}")
    if min(edges) < -ROUNDING or max(edges) > 1 + ROUNDING:
        what = "a box that leaves the photo"
        raise UnusableBoxError(what, f"has {what}, {shortened(values)}, for the photo {file}: run the detector again")
    return Box(*edges).clipped()


def _is_size(size: Any) -> bool:
    return size is not None and all(is_number(side) and side > 0 for side in size)
