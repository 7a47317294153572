"""How the endpoints describe themselves, and what they return."""

import io
import json
import re
import zipfile
from dataclasses import asdict
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from camcore import METHODS, Explainer, open_photo
from camcore.cli.main import main
from camcore.methods.method_table import DEFAULT_METHODS, MethodName
from camcore.metrics.baselines import column_titles
from demo.service.event_settings import ENDPOINTS
from tests.demo.api.conftest import API, LIMIT, call_by_name, events, upload


def test_only_three_endpoints_are_public(address: str, client: Client) -> None:
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {f"/{name}" for name in ENDPOINTS}
    paths = httpx.get(f"{address}{API}/openapi.json", timeout=LIMIT).json()["paths"]
    assert {path.split("/")[4] for path in paths if "/call/v2/" in path} == set(ENDPOINTS)


def test_openapi_describes_each_parameter(address: str) -> None:
    paths = httpx.get(f"{address}{API}/openapi.json", timeout=LIMIT).json()["paths"]
    described = paths[f"{API}/call/v2/explain"]["post"]
    properties = described["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert properties["definition"]["enum"] == ["paper", "probability", "pytorch-grad-cam", "torchcam"]
    assert {"photo", "wanted_class", "methods", "effort", "box", "opacity"} <= set(properties)
    assert "Grad-CAM" in described["summary"]


def test_outputs_of_explain_are_described(client: Client) -> None:
    record, *pictures = client.view_api(return_format="dict")["named_endpoints"]["/explain"]["returns"]
    assert {"model", "weights", "seconds", "predictions", "explanations"} <= set(record["type"]["properties"])
    assert len(pictures) == 2 + len(DEFAULT_METHODS)


def test_predict_returns_the_predictions_of_the_model(client: Client, stand_in: Explainer, eagle: Path) -> None:
    record = client.predict(handle_file(eagle), top=3, api_name="/predict")
    predictions = stand_in.predict(open_photo(eagle), top=3)
    assert record["predictions"] == [asdict(prediction) for prediction in predictions]
    assert record["model"] == "efficientnet_lite0"
    assert record["file"] is None
    assert record["seconds"] > 0


def test_explain_returns_the_json_and_the_pictures_of_the_command(
    client: Client, stand_in_artifacts: Path, eagle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, comparison, *overlays, maps = client.predict(
        handle_file(eagle), save_maps=True, sanity=True, effort="40", api_name="/explain"
    )
    options = [
        "--artifacts",
        str(stand_in_artifacts),
        "--out",
        str(tmp_path),
        "--effort",
        "40",
        "--save-maps",
        "--sanity",
    ]
    assert main(["explain", str(eagle), *options, "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert expected.keys() == record.keys() - {"verdict", "target", "counterfactuals"}
    for ours, theirs in zip(record["explanations"], expected["explanations"], strict=True):
        timeless = {"seconds", "map"}
        assert {key: ours[key] for key in ours.keys() - timeless} == pytest.approx(
            {key: theirs[key] for key in theirs.keys() - timeless}
        )
    assert record["sanity"] == pytest.approx(expected["sanity"])
    methods = [METHODS[name] for name in DEFAULT_METHODS]
    with np.load(maps) as heatmaps:
        for method in methods:
            written = np.load(tmp_path / f"{eagle.stem}.{method.file_name}.npy")
            np.testing.assert_allclose(heatmaps[method.file_name], written, atol=1e-6)
    for overlay, method in zip(overlays, methods, strict=True):
        drawn = Image.open(tmp_path / f"{eagle.stem}.{method.file_name}.png")
        np.testing.assert_array_equal(np.asarray(Image.open(overlay)), np.asarray(drawn))
    assert Image.open(comparison).width > 4 * 224
    assert record["verdict"]["sentence"].startswith("Predicted bald eagle")


@pytest.mark.slow
def test_explain_streams_while_score_cam_refines_and_ends_complete(client: Client, eagle: Path) -> None:
    job = client.submit(handle_file(eagle), effort="120", api_name="/explain")
    answers = list(job)
    methods = [[each["method"] for each in answer[0]["explanations"]] for answer in answers]
    assert methods[:3] == [["grad-cam"], ["grad-cam", "grad-cam++"], ["grad-cam", "grad-cam++", "score-cam"]]
    forwards = [answer[0]["explanations"][2]["forwards"] for answer in answers[2:]]
    assert forwards == sorted(forwards)
    assert forwards[0] < forwards[-1] == 120 < answers[-1][0]["explanations"][2]["channels_alive"]
    drawn = {answer[4] for answer in answers if answer[4]}
    assert len(drawn) > 1, "the refining map was to be seen"
    assert all(answer[1] is None for answer in answers[:-1])
    assert answers[-1][1].endswith("compare.png")
    assert "verdict" in answers[-1][0]


def test_explain_uses_class_contrast_method_box_and_layer(client: Client, eagle: Path, stand_in: Explainer) -> None:
    record, _, first, *rest = client.predict(
        handle_file(eagle), wanted_class="kite", rather_than=22, methods=["grad-cam"], box=[0.1, 0.1, 0.6, 0.9],
        layer=stand_in.manifest.layer.name, api_name="/explain",
    )  # fmt: skip
    (explanation,) = record["explanations"]
    assert (explanation["class_idx"], explanation["rather_than"]["class_idx"]) == (21, 22)
    assert Image.open(first).size == (224, 224)
    assert rest == [None, None, None]
    assert record["target"]["localisations"]["grad-cam"]["lift"] > 0
    asked = record["counterfactuals"]
    assert (asked["marked_by"], asked["explained"]["name"]) == ("target", "kite")
    parts = [answer["part"] for answer in asked["answers"]]
    assert parts[:2] + parts[2:4] == ["target only"] * 2 + ["background only"] * 2
    assert "zoom" in parts


def test_study_returns_photo_by_photo_and_ends_with_report_and_metrics(
    client: Client, imagenet_photos: list[Path], tmp_path: Path
) -> None:
    archive = tmp_path / "birds.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for index, photo in enumerate(imagenet_photos[:2]):
            file.write(photo, f"place-{index}/{photo.name}")
        file.writestr("place-0/broken.jpg", b"no photo")
    methods: list[MethodName] = ["score-cam", "layercam"]
    answers = list(client.submit(handle_file(archive), methods=methods, api_name="/study"))
    assert [(answer[0]["done"], answer[0]["total"]) for answer in answers] == [(1, 3), (2, 3), (3, 3), (3, 3)]
    assert [len(answer[0]["photos"]) for answer in answers] == [1, 1, 1, 3]
    record, report, figures = answers[-1]
    assert sorted(photo["error"] is None for photo in record["photos"]) == [False, True, True]
    assert record["model"]["model"] == "efficientnet_lite0"
    assert Path(report).read_text(encoding="utf-8").count("<img") >= 8
    lines = Path(figures).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 2 * len(column_titles(methods)) + len(methods)
    assert not re.search(r"/(tmp|home|root)/", json.dumps(record)), "no path of the server"


def test_plain_http_streams(address: str, eagle: Path) -> None:
    photo = upload(address, eagle.read_bytes())
    answer = call_by_name(address, "explain", photo=photo, methods=["grad-cam", "score-cam"])
    assert answer.status_code == 200
    stream = list(events(address, "explain", answer.json()["event_id"]))
    assert stream[-1][0] == "complete"
    assert {"generating", "complete"} <= {name for name, _ in stream} <= {"generating", "complete", "heartbeat"}
    *_, (_, (record, comparison, *_pictures)) = stream
    assert record["predictions"][0]["name"] == "bald eagle"
    fetched = httpx.get(comparison["url"], timeout=LIMIT)
    assert Image.open(io.BytesIO(fetched.content)).format == "PNG"
