"""Export of a study's rows in the format of FiftyOne, a program to look through many photos."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from camcore.csv_cells import from_cell
from camcore.drawing.output import make_folder, save_parts, save_picture, save_text, to_json
from camcore.errors import StudyError
from camcore.methods.heatmap import to_heatmap
from camcore.methods.method_table import METHODS
from camcore.study.file_names import ROWS
from camcore.study.inputs.addresses import is_address
from camcore.study.row_columns import column_prefix
from camcore.types import Array

_SIDE = 224  # pixels of the longer side of a heatmap
_DETAILS = ("site", "taken_at", "finding", "heat", "verdict", "severity", "level", "error")


def export_fiftyone(study: Path, photos: Path, out: Path) -> int:
    """Write the photos of a study as a FiftyOne dataset into `out`, and return their number.

    `study` is the output folder of a study, and `photos` the folder that its paths are relative to. Load the dataset
    with `fiftyone.Dataset.from_dir(out, fiftyone.types.LegacyFiftyOneDataset)`. Each photo has its `prediction` and
    `truth` (Classification), its boxes (Detections), and, if the study was made with `--save-maps`, one Heatmap per
    method, which covers the whole photo. A photo at an address keeps it, without its query. Raise StudyError if `study`
    has no rows, and OutputError if a file cannot be written.
    """
    make_folder(out)
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        yield b'{"samples": ['
        for count, row in enumerate(_read_rows(study), 1):
            yield (b",\n" if count > 1 else b"\n") + to_json(_sample(row, photos, out, count)).encode()
        yield b"]}\n"

    save_parts(out / "samples.json", lines())
    save_text(out / "metadata.json", to_json({"media_type": "image"}))
    return count


def _read_rows(study: Path) -> Iterator[Mapping[str, Any]]:
    paths = sorted((study / ROWS).glob("part-*"))
    if not paths:
        raise StudyError(f"{study} has no folder {ROWS} with rows: name the output folder of a study")
    for path in paths:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    yield {name: from_cell(value) or None for name, value in row.items()}
        else:
            from pyarrow import parquet

            yield from parquet.read_table(path).to_pylist()


def _sample(row: Mapping[str, Any], photos: Path, out: Path, number: int) -> dict[str, Any]:
    file = row["file"]
    path = file if is_address(file) else str((photos / file).resolve())
    sample: dict[str, Any] = {"filepath": path, "tags": []}
    sample |= {name: row[name] for name in _DETAILS if row[name] is not None}
    if row["class_name"] is not None:
        sample["prediction"] = _classification(row["class_name"], float(row["probability"]))
    if row["true_class_name"] is not None:
        sample["truth"] = _classification(row["true_class_name"])
    if row["boxes"] is not None:
        boxes = [{"_cls": "Detection", "label": "animal", "bounding_box": _corner(b)} for b in json.loads(row["boxes"])]
        sample["boxes"] = {"_cls": "Detections", "detections": boxes}
    for method in METHODS:
        prefix = column_prefix(method)
        cam = row.get(f"{prefix}_map")
        if cam is not None:
            grid = np.array(cam, np.float32).reshape(int(row["map_height"]), int(row["map_width"]))
            name = f"fields/{prefix}/{number:07}.png"
            make_folder((out / name).parent)
            save_picture(out / name, _draw(grid, json.loads(row["view"]), (row["photo_width"], row["photo_height"])))
            sample[prefix] = {"_cls": "Heatmap", "map_path": name}
    return sample


def _classification(label: str, confidence: float | None = None) -> dict[str, Any]:
    return {"_cls": "Classification", "label": label, **({} if confidence is None else {"confidence": confidence})}


def _corner(box: list[float]) -> list[float]:
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]


def _draw(cam: Array, view: list[float], photo_size: tuple[int, int]) -> Image.Image:
    """Return a map as grey values, 0 to 255, where it lies in its photo."""
    scale = _SIDE / max(photo_size)
    width, height = (max(round(side * scale), 1) for side in photo_size)
    left, top, right, bottom = (
        round(edge * side) for edge, side in zip(view, (width, height, width, height), strict=True)
    )
    heatmap, _ = to_heatmap(cam, (_SIDE, _SIDE))
    heat = Image.fromarray(np.rint(255 * heatmap).astype(np.uint8))
    picture = Image.new("L", (width, height))
    picture.paste(heat.resize((max(right - left, 1), max(bottom - top, 1)), Image.Resampling.BILINEAR), (left, top))
    return picture
