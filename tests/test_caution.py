"""Maps of tokens deserve less trust: the page, the commands and the reports say so, with their sanity beside it."""

import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from camcore import Explainer
from camcore.cli import explain as explain_command
from camcore.cli.main import main
from camcore.images.preprocess import make_view
from camcore.methods.method_table import METHODS
from camcore.metrics.caution import NOT_MEASURED, TOKENS, token_caution
from camcore.report.archive import write_archive_report
from camcore.report.html import write_photo_report
from camcore.report.notes import caution
from camcore.trust_record import trust_record
from demo.api.parameters import ExplainParameters
from demo.api.responses import explain_photo
from demo.compare import html as compare_html
from demo.compare.download_files import bundle, download_source
from demo.compare.explain import explain
from demo.compare.session import ExplainRequest, PageState, Session
from demo.service.models import Models
from tests.archive_records import DESCRIPTION, planted_records
from tests.camcore.report.test_html import STUDY, report
from tests.camcore.report.test_summary import photo
from tests.planted_tokens import BLUE, RED, token_explainer

SCALE = "How alike the maps stay with random numbers in its last layer (1: the same, 0: no relation)"
SANITY = {"grad-cam": 0.204, "grad-cam++": -0.96}


def of_tokens(description: dict[str, Any]) -> dict[str, Any]:
    return {**description, "model": {**description["model"], "tokens": True}}


def text_of(path: Path) -> str:
    return unescape(path.read_text(encoding="utf-8"))


def test_statement_and_figures_stand_together() -> None:
    figures = "Grad-CAM 0.20, Grad-CAM++ −0.96, Score-CAM not measured"
    assert token_caution(["grad-cam", "grad-cam++", "score-cam"], SANITY) == f"{TOKENS} {SCALE}: {figures}."
    assert token_caution(["grad-cam"], SANITY, 12) == f"{TOKENS} {SCALE}, mean of 12 photos: Grad-CAM 0.20."
    assert token_caution(["grad-cam"], SANITY, 1) == f"{TOKENS} {SCALE}, mean of 1 photo: Grad-CAM 0.20."


@pytest.mark.parametrize("sanity", [{}, {"grad-cam": None, "grad-cam++": None}])
def test_what_cannot_be_measured_is_not_measured(sanity: dict[Any, None]) -> None:
    assert token_caution(["grad-cam", "score-cam"], sanity, 0) == f"{TOKENS} {SCALE}: {NOT_MEASURED}."


def test_a_report_states_the_mean_over_its_photos(tmp_path: Path) -> None:
    records = [photo("a.jpg", sanity={"grad-cam": 0.1, "grad-cam++": 0.9}), photo("b.jpg", sanity={"grad-cam": 0.3})]
    page = report(tmp_path, records, model=of_tokens(STUDY)["model"])
    figures = "mean of 2 photos: Grad-CAM 0.20, Grad-CAM++ 0.90, Score-CAM not measured."
    assert f"{TOKENS} {SCALE}, {figures}" in page.text
    assert TOKENS not in report(tmp_path, records).text, "this is a convolutional network"


def test_the_report_of_one_photo_states_its_own(tmp_path: Path) -> None:
    record = photo(sanity=SANITY)
    write_photo_report(tmp_path / "report.html", of_tokens(STUDY), record)
    assert f"{SCALE}: Grad-CAM 0.20, Grad-CAM++ −0.96" in text_of(tmp_path / "report.html")


def test_the_index_of_an_archive_that_was_only_screened_says_not_measured(tmp_path: Path) -> None:
    for description, count in ((of_tokens(DESCRIPTION), 1), (DESCRIPTION, 0)):
        write_archive_report(tmp_path / "report.html", description, planted_records(9))
        assert text_of(tmp_path / "report.html").count(f"{TOKENS} {SCALE}: {NOT_MEASURED}.") == count


def test_a_model_of_an_earlier_study_is_convolutional() -> None:
    assert caution({"model": "resnet50"}, [photo(sanity=SANITY)]) == ""


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return token_explainer(tmp_path_factory.mktemp("models"), (64, 96), 2)


@pytest.fixture(scope="module")
def artifact(explainer: Explainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(tmp_path_factory.getbasetemp().glob("models*/tokens"))


@pytest.fixture
def bird(tmp_path: Path) -> Path:
    picture = Image.new("RGB", (96, 64), BLUE)
    picture.paste(RED, (16, 16, 48, 40))
    picture.save(tmp_path / "bird.png")
    return tmp_path / "bird.png"


def figures_of(explainer: Explainer, path: Path) -> str:
    """Return the sentence that each place must have, from the sanity that is computed for it here."""
    with Image.open(path) as image:
        sanity = explainer.sanity(explainer.forward(image.convert("RGB")))
    assert all(value is not None for value in sanity.values())
    grad_cam, grad_cam_pp = (f"{value:.2f}".replace("-", "−") for value in sanity.values())
    return f"{TOKENS} {SCALE}: Grad-CAM {grad_cam}, Grad-CAM++ {grad_cam_pp}, Score-CAM not measured."


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the command draws below its pictures."""
    texts: list[str] = []
    draw = explain_command.draw_comparison

    def draw_and_keep(*args: Any, **named: Any) -> Image.Image:
        texts.append(named["verdict"])
        return draw(*args, **named)

    monkeypatch.setattr(explain_command, "draw_comparison", draw_and_keep)
    return texts


def test_explain_states_it_on_the_terminal_in_the_record_and_below_the_pictures(
    explainer: Explainer, artifact: Path, bird: Path, below: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--artifacts", str(artifact), "--out", str(bird.parent / "out"), "--json"]
    assert main(["explain", str(bird), *options]) == 0
    captured, expected = capsys.readouterr(), figures_of(explainer, bird)
    record = json.loads(captured.out)
    assert record["caution"] == expected
    assert set(record["sanity"]) == {"grad-cam", "grad-cam++"}
    assert captured.err.count(expected) == 1
    assert "correlates" not in captured.err
    assert below == [expected]


def test_a_study_measures_the_sanity_of_tokens(
    explainer: Explainer, artifact: Path, bird: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    assert main(["study", str(bird.parent), "--artifacts", str(artifact), "--out", str(out)]) == 0
    assert figures_of(explainer, bird) in text_of(out / "report.html")
    study = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert study["model"]["tokens"] is True
    assert "sanity" in study["protocol"]


def states_of(models: Models, path: Path) -> Iterator[tuple[PageState, Session]]:
    request = ExplainRequest(str(path))
    session = Session(request)
    yield from ((state, session) for state in explain(models, session, request))


def test_the_page_and_its_downloads_state_it(explainer: Explainer, artifact: Path, bird: Path, tmp_path: Path) -> None:
    models, expected = Models(explainer, artifact, alone=True), figures_of(explainer, bird)
    *_, (state, session) = states_of(models, bird)
    assert state.caution == expected
    assert expected in unescape(compare_html.caution(state.caution))
    assert session.finished
    with ZipFile(bundle(download_source(models, session.finished, (), "inferno", 0.8), tmp_path)) as archive:
        assert expected in unescape(archive.read("report.html").decode())


def test_the_page_of_a_convolutional_network_does_not(
    stand_in: Explainer, stand_in_artifacts: Path, bird: Path
) -> None:
    models = Models(stand_in, stand_in_artifacts / "efficientnet_lite0")
    assert {state.caution for state, _ in states_of(models, bird)} == {""}


def test_the_endpoint_states_it(explainer: Explainer, bird: Path, tmp_path: Path) -> None:
    with Image.open(bird) as image:
        view = make_view(image.convert("RGB"), explainer.manifest.preprocessing)
    parameters = ExplainParameters.model_construct(photo=None, effort="fast")
    *_, (record, _) = explain_photo(explainer, view, parameters, tmp_path)
    assert record["caution"] == figures_of(explainer, bird)


def test_recipro_cam_of_tokens_keeps_the_class_token(explainer: Explainer, bird: Path) -> None:
    """Without it, no token would be read, and no place would differ from another."""
    with Image.open(bird) as image:
        forward_pass = explainer.forward(image.convert("RGB"))
    (explanation,) = explainer.explain(forward_pass, 0, ["recipro-cam"])
    left, top, right, bottom = 16, 16, 48, 40
    red = np.zeros((8, 12))
    red[top // 8 : bottom // 8, left // 8 : right // 8] = 1
    np.testing.assert_allclose(explanation.cam, red, atol=0.01)  # the probability of "red" from one token
    (contrast,) = explainer.explain(forward_pass, 0, ["recipro-cam"], contrast_idx=1)
    np.testing.assert_allclose(contrast.heatmap, explanation.heatmap, atol=1e-5)  # of two classes, both are the same


def test_every_method_is_in_the_caution(explainer: Explainer, bird: Path) -> None:
    with Image.open(bird) as image:
        forward_pass = explainer.forward(image.convert("RGB"))
    names = [name for name in METHODS if name != "score-cam"]
    record = trust_record(explainer, forward_pass, explainer.explain(forward_pass, 0, names))
    assert record["caution"].startswith(TOKENS)
    measured = {name for name in names if f"{METHODS[name].title} {NOT_MEASURED}" not in record["caution"]}
    assert measured == set(record["sanity"]) == {*names} - {"eigen-cam", "recipro-cam"}
    assert all(METHODS[name].title in record["caution"] for name in names)
