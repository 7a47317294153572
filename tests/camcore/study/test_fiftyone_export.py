"""The export for FiftyOne: samples as its importer reads them, and heatmaps that cover the whole photo."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camcore.errors import StudyError
from camcore.methods.method_table import DEFAULT_METHODS
from camcore.study.fiftyone_export import export_fiftyone
from camcore.study.rows import RowParts
from tests.camcore.study.test_rows import FAILED, RECORD


def test_samples_have_classes_boxes_and_heatmaps(tmp_path: Path) -> None:
    study, out = tmp_path / "study", tmp_path / "fiftyone"
    parts = RowParts(study, DEFAULT_METHODS)
    parts.add(RECORD)
    parts.add({**FAILED, "file": "https://traps.org/b.jpg"})
    parts.end()
    assert export_fiftyone(study, tmp_path / "photos", out) == 2
    first, second = json.loads((out / "samples.json").read_text(encoding="utf-8"))["samples"]
    assert json.loads((out / "metadata.json").read_text()) == {"media_type": "image"}
    assert first["filepath"] == str(tmp_path / "photos" / "a" / "1.jpg")
    assert first["prediction"] == {"_cls": "Classification", "label": "kite", "confidence": 0.75}
    assert first["truth"] == {"_cls": "Classification", "label": "kite"}
    assert first["boxes"]["detections"] == [
        {"_cls": "Detection", "label": "animal", "bounding_box": [0.5, 0.0, 0.25, 0.5]}
    ]
    assert first["grad_cam"]["_cls"] == "Heatmap"
    with Image.open(out / first["grad_cam"]["map_path"]) as opened:
        heat = np.asarray(opened)
    assert heat.shape == (112, 224), "the shape of the photo"
    assert heat[:, :56].max() == heat[:, 168:].max() == 0, "outside the view"
    assert heat[56:, 56:112].max() == 255
    assert second["filepath"] == "https://traps.org/b.jpg"
    assert second["error"] == "this file is not a photo"
    assert "prediction" not in second


def test_a_folder_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="has no folder rows with rows: name the output folder of a study"):
        export_fiftyone(tmp_path, tmp_path, tmp_path / "out")
