"""Links: what the page writes into one, and what it makes of any."""

import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from camcore import Explainer
from camcore.options import ExplainOptions
from demo.compare.explain import explain
from demo.compare.layout import example_photos
from demo.compare.links import example_of, from_query, to_query
from demo.compare.session import ExplainRequest, FinishedExplanation, Session
from demo.service.models import Models
from demo.service.opening import Opening

LION = 291


@pytest.fixture(scope="module")
def models(stand_in_artifacts: Path, stand_in: Explainer) -> Models:
    return Models(stand_in, stand_in_artifacts / "efficientnet_lite0")


@pytest.fixture(scope="module")
def examples() -> list[str]:
    return [str(path) for path in example_photos()]


@pytest.fixture(scope="module")
def finished(models: Models, examples: list[str], tmp_path_factory: pytest.TempPathFactory) -> FinishedExplanation:
    """Of the lion, uploaded under another name, and a class that is not its first."""
    path = tmp_path_factory.mktemp("upload") / "IMG 1.jpg"
    shutil.copy(examples[0], path)
    options = ExplainOptions(340, None, "torchcam", "fast", "squash")
    request = ExplainRequest(str(path), options, more_methods=("layercam", "eigen-cam"))
    session = Session(request)
    assert list(explain(models, session, request))
    assert session.finished
    return session.finished


def params(query: str) -> dict[str, str]:
    assert query.startswith("?")
    return dict(parse_qsl(query[1:], strict_parsing=True))


def test_a_link_leads_back_to_the_same(models: Models, finished: FinishedExplanation, examples: list[str]) -> None:
    query = to_query(models, finished, examples)
    assert query == (
        "?example=lion&class=340&definition=torchcam&effort=fast&fit=squash&methods=layercam%2Ceigen-cam"
        "&model=efficientnet_lite0"
    )
    opened = from_query(params(query), models, examples)
    expected = Opening(examples[0], 340, "torchcam", "squash", "fast", "efficientnet_lite0")
    assert opened == replace(expected, more_methods=("layercam", "eigen-cam"))
    assert from_query({"example": "lion"}, models, examples).more_methods == ()


def test_a_link_names_nothing_of_an_own_photo(models: Models, finished: FinishedExplanation) -> None:
    query = to_query(models, finished, [])
    assert "example" not in query
    assert "IMG" not in query
    assert from_query(params(query), models, []).class_idx == 340


def test_an_example_is_known_by_its_bytes_and_not_by_its_name(examples: list[str], tmp_path: Path) -> None:
    impostor = tmp_path / "lion.jpg"
    shutil.copy(examples[1], impostor)
    assert example_of(str(impostor), examples) == "cheetah1"
    impostor.write_bytes(b"mine")
    assert example_of(str(impostor), examples) is None
    assert example_of(str(tmp_path / "gone.jpg"), examples) is None
    assert example_of(None, examples) is None


def test_nothing_asked_is_nothing_set(models: Models, examples: list[str]) -> None:
    assert from_query({}, models, examples) == Opening()


@pytest.mark.parametrize(
    "wrong",
    [
        {"example": "../../etc/passwd"},
        {"definition": "PAPER"},
        {"effort": "100000"},
        {"fit": "stretch"},
        {"model": "resnet9000"},
        {"model": ""},
        {"model": "resnet9000", "class": "291"},
        {"class": ""},
        {"__theme": "dark", "view": "api"},
    ],
)
def test_a_wrong_value_is_left_out_in_silence(wrong: dict[str, str], models: Models, examples: list[str]) -> None:
    assert from_query(wrong, models, examples) == Opening()


def test_a_class_is_an_index_or_a_name(models: Models, examples: list[str]) -> None:
    assert from_query({"class": "291"}, models, examples).class_idx == LION
    assert from_query({"class": "Lion"}, models, examples).class_idx == LION


@pytest.mark.parametrize("wanted", ["1000", "-1", "liom", "9" * 5000, "<b>"])
def test_of_a_class_that_is_not_here_one_sentence_says_so(wanted: str, models: Models, examples: list[str]) -> None:
    opened = from_query({"class": wanted, "fit": "squash"}, models, examples)
    assert (opened.class_idx, opened.resize_mode) == (None, "squash")
    assert opened.message.endswith(".")
    assert len(opened.message) < 300
