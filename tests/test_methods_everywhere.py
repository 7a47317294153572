"""Methods beside the default three, by every way in: commands, studies, endpoints and the page."""

import csv
import json
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from camcore import Explainer, ForwardPass
from camcore.cli.main import main
from camcore.errors import MethodError
from camcore.images.preprocess import make_view
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MORE_METHODS
from demo.api.parameters import ExplainParameters
from demo.api.responses import explain_photo
from demo.compare import html as compare_html
from demo.compare.explain import explain
from demo.compare.session import ExplainRequest, PageState, Session
from demo.service.models import Models

SAME = "Grad-CAM, HiResCAM and XGrad-CAM give the same map here, because after this layer the model only averages"
REFUSED = "XGrad-CAM is defined only for features that are never negative"


def below_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the activations of every photo lie below zero in places."""
    forward = Explainer.forward

    def forward_below_zero(*arguments: Any, **named: Any) -> ForwardPass:
        forward_pass = forward(*arguments, **named)
        return replace(forward_pass, activations=forward_pass.activations - 0.01)

    monkeypatch.setattr(Explainer, "forward", forward_below_zero)


def read_study(out: Path) -> tuple[set[str], dict[str, Any]]:
    """Return the prefixes of the rows' columns of maps, and the record of the only photo."""
    columns = parquet.read_table(out / "rows").column_names
    (record,) = json.loads((out / "study.json").read_text(encoding="utf-8"))["photos"]
    return {name.removesuffix("_map") for name in columns if name.endswith("_map")}, record


def test_maps_that_coincide_and_those_that_do_not(stand_in: Explainer, animal_photos: list[Path]) -> None:
    """The stand-in averages its last features and adds them up."""
    with Image.open(animal_photos[0]) as image:
        forward_pass = stand_in.forward(image.convert("RGB"))
    maps = {entry.method: entry.heatmap for entry in stand_in.explain(forward_pass, methods=list(METHODS))}
    for method, heatmap in maps.items():
        is_same = method in {"grad-cam", "hirescam", "xgrad-cam"}
        assert (np.abs(heatmap - maps["grad-cam"]).max() <= 1e-5) == is_same, method
    lion, other = (stand_in.explain(forward_pass, idx, MORE_METHODS) for idx in (291, 293))
    changed = {a.method for a, b in zip(lion, other, strict=True) if np.abs(a.heatmap - b.heatmap).max() > 1e-3}
    assert changed == {*MORE_METHODS} - {"eigen-cam"}
    assert set(stand_in.sanity(forward_pass, methods=list(METHODS))) == {
        name for name, method in METHODS.items() if method.gradients
    }


def test_finer_cam_of_a_contrast_compares_with_this_class_only(stand_in: Explainer, animal_photos: list[Path]) -> None:
    with Image.open(animal_photos[0]) as image:
        forward_pass = stand_in.forward(image.convert("RGB"))
    (finer,) = stand_in.explain(forward_pass, 291, ["finer-cam"], contrast_idx=7)
    own, other = (next(stand_in._gradients(forward_pass, {idx: 1})) for idx in (291, 7))
    expected = METHODS["grad-cam"].rule(forward_pass.activations, own - 0.6 * other)  # type: ignore[misc]
    np.testing.assert_allclose(finer.cam, expected, atol=1e-5 * expected.max())


def test_xgrad_cam_of_signed_activations_is_one_sentence(
    stand_in: Explainer, animal_photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    below_zero(monkeypatch)
    with Image.open(animal_photos[0]) as image:
        forward_pass = stand_in.forward(image.convert("RGB"))
    with pytest.raises(MethodError, match=f"{REFUSED}, and those of the layer features .*: choose another method"):
        stand_in.explain(forward_pass, methods=["grad-cam", "xgrad-cam"])
    assert len(stand_in.explain(forward_pass, methods=["hirescam", "eigen-cam", "recipro-cam"])) == 3


def test_explain_draws_them_and_says_which_are_the_same(
    stand_in_artifacts: Path, animal_photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("xgrad-cam", "eigen-cam", "grad-cam", "hirescam")
    options = [part for name in names for part in ("--method", name)]
    command = ["explain", str(animal_photos[0]), "--artifacts", str(stand_in_artifacts), "--out", str(tmp_path)]
    assert main([*command, *options, "--json"]) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert [entry["method"] for entry in record["explanations"]] == list(names)
    same, classless = record["method_notes"]
    assert same.startswith("XGrad-CAM, Grad-CAM and HiResCAM give the same map here")
    assert classless.startswith("Eigen-CAM knows no class")
    assert captured.err.count(f"{same} {classless}") == 1
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {f"lion.{name}.png" for name in (*names, "compare")}


def test_a_study_has_columns_for_its_methods_and_leaves_out_one_that_is_not_defined(
    stand_in_artifacts: Path,
    animal_photos: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_faithfulness: None,
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "lion.jpg").write_bytes(animal_photos[0].read_bytes())
    command = ["study", str(tmp_path / "photos"), "--artifacts", str(stand_in_artifacts), "--out"]
    assert main([*command, str(tmp_path / "a"), "--methods", "xgrad-cam,grad-cam,hirescam"]) == 0
    titles, record = read_study(tmp_path / "a")
    assert titles == {"grad_cam", "hirescam", "xgrad_cam"}
    assert record["method_notes"][0].startswith(SAME)
    assert SAME in unescape((tmp_path / "a" / "report.html").read_text(encoding="utf-8"))
    below_zero(monkeypatch)
    assert main([*command, str(tmp_path / "b"), "--methods", "xgrad-cam,grad-cam"]) == 0
    titles, record = read_study(tmp_path / "b")
    assert titles == {"grad_cam", "xgrad_cam"}
    assert [note.startswith(REFUSED) for note in record["method_notes"]] == [True]
    assert [entry["method"] for entry in record["explanations"]] == ["grad-cam"]
    assert main([*command, str(tmp_path / "c"), "--methods", "xgrad-cam"]) == 1, "nothing is left to explain it by"
    assert read_study(tmp_path / "c")[1]["error"].startswith(REFUSED)
    with (tmp_path / "c" / "figures.csv").open(encoding="utf-8") as file:
        assert [row["method"] for row in csv.DictReader(file)] == ["xgrad-cam"]


def test_the_page_adds_their_panels_and_says_why_one_is_empty(
    stand_in: Explainer, stand_in_artifacts: Path, animal_photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models(stand_in, stand_in_artifacts / "efficientnet_lite0")

    def last_state(*more_methods: Any) -> PageState:
        request = ExplainRequest(str(animal_photos[0]), more_methods=more_methods)
        *_, last = explain(models, Session(request), request)
        return last

    state = last_state("hirescam", "xgrad-cam")
    assert list(state.explanations) == [*DEFAULT_METHODS[:2], "hirescam", "xgrad-cam", "score-cam"]
    assert compare_html.more_figures(state).count('class="heat"') == 2
    assert state.caution.startswith(SAME)
    plain = last_state()
    assert (compare_html.more_figures(plain), plain.caution) == ("", "")
    below_zero(monkeypatch)
    figures = compare_html.more_figures(last_state("hirescam", "xgrad-cam"))
    assert figures.count('class="heat"') == 1
    assert REFUSED in figures


def test_an_endpoint_gives_overlays_of_more_methods_in_its_record(
    stand_in: Explainer, animal_photos: list[Path], tmp_path: Path
) -> None:
    photo = {"path": str(animal_photos[0]), "meta": {"_type": "gradio.FileData"}}
    parameters = ExplainParameters.model_construct(photo=photo, methods=["layercam", "grad-cam"])
    with Image.open(animal_photos[0]) as image:
        view = make_view(image.convert("RGB"), stand_in.manifest.preprocessing)
    *_, (record, pictures) = explain_photo(stand_in, view, parameters, tmp_path)
    layercam, grad_cam = record["explanations"]
    assert "overlay" not in grad_cam
    overlay = layercam["overlay"]  # type: ignore[typeddict-item]
    assert Image.open(overlay["path"]).size == (224, 224)
    assert [file is not None for file in pictures.files()] == [True, True, False, False, False]
