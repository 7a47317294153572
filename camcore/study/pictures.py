"""The pictures that a study writes: of a photo explained in full, or one small overlay of a screened photo."""

import io
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from camcore.drawing.comparison import draw_comparison, source_line
from camcore.drawing.output import to_png
from camcore.drawing.overlay import draw_overlay
from camcore.images.preprocess import View
from camcore.methods.heatmap import to_heatmap
from camcore.metrics.counterfactuals import Counterfactuals
from camcore.model.manifest import Manifest
from camcore.results import Explanation
from camcore.study.file_names import PICTURES, THUMBNAILS
from camcore.study.inputs.photos import StudyPhoto
from camcore.types import Box

_SIDE = 112  # pixels of the longer side of a thumbnail, about
_QUALITY = 80  # of JPEG, in percent
_FOLDERS = 256  # of thumbnails, so that none has too many files


def picture_name(photo: StudyPhoto, kind: str) -> str:
    """Return the path of a picture in the output folder."""
    return f"{PICTURES}/{photo.stem}.{kind}.png"


def thumbnail_name(photo: StudyPhoto) -> str:
    """Return the path of a thumbnail in the output folder, where 256 folders share them."""
    return f"{THUMBNAILS}/{crc32(photo.stem.encode()) % _FOLDERS:02x}/{photo.stem}.jpg"


def pictures_of(record: Mapping[str, Any]) -> list[str]:
    """Return the paths of the pictures that the record of an explained photo names."""
    entries = (record["view"], *record["explanations"], record.get("counterfactuals"))
    pictures = [entry["picture"] for entry in entries if entry and entry["picture"]]
    return [*pictures, *([record["thumbnail"]] if record.get("thumbnail") else [])]


def draw_pictures(
    record: Mapping[str, Any],
    view: View,
    explanations: Sequence[Explanation],
    manifest: Manifest,
    counterfactuals: Counterfactuals | None,
) -> dict[str, bytes]:
    """Return the pictures that a record names, and the comparison, as PNG files by their path in the output folder."""
    overlays = [draw_overlay(view.image, explanation.heatmap) for explanation in explanations]
    source = source_line(record["file"], manifest, explanations)
    boxes = record["target"]["boxes"] if record["target"] else ()
    verdict = " ".join((record["verdict"]["sentence"], *record.get("method_notes", ())))
    comparison = draw_comparison(view.image, explanations, source, overlays=overlays, boxes=boxes, verdict=verdict)
    pictures: dict[str, Image.Image | NDArray[np.uint8]] = {
        record["view"]["picture"]: view.image,
        f"{PICTURES}/{record['stem']}.compare.png": comparison,
    }
    if counterfactuals is not None:
        strip = np.concatenate([answer.pixels for answer in counterfactuals.answers], axis=1)
        pictures[record["counterfactuals"]["picture"]] = strip
    for entry, overlay in zip(record["explanations"], overlays, strict=True):
        pictures[entry["picture"]] = overlay
    return {name: to_png(picture) for name, picture in pictures.items()}


def draw_thumbnail(view: View, explanation: Explanation, boxes: Sequence[Box]) -> bytes:
    """Return a small overlay of one explanation, with boxes in fractions of the view, as a JPEG file."""
    small = view.image.reduce(max(round(max(view.image.size) / _SIDE), 1))
    size, cam = small.size[::-1], explanation.cam
    heatmap = np.zeros(size, np.float32)
    if cam is not None and explanation.shows_a_place and all(map(int.__le__, cam.shape, size)):
        heatmap, _ = to_heatmap(cam, size)
    picture = Image.fromarray(draw_overlay(small, heatmap))
    for left, top, right, bottom in boxes:
        edges = (left * size[1], top * size[0], right * size[1] - 1, bottom * size[0] - 1)
        ImageDraw.Draw(picture).rectangle(edges, outline=(255, 255, 255))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
