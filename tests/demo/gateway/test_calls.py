"""What a call may say, and which files it may name."""

from functools import partial
from pathlib import Path

import pytest

from demo.service import messages
from tests.demo.gateway.conftest import API, ECHO, LOOK, WEBSITE, Served, file, said


def test_the_page_calls_its_functions_by_number_and_no_others(page: Served) -> None:
    run = partial(page.http.post, f"{API}/run/predict")
    assert run(json={"data": ["x"], "fn_index": ECHO, "session_hash": "visit"}).json()["data"] == ["x"]
    assert run(json={"data": ["x"], "fn_index": LOOK, "session_hash": "visit"}).status_code == 404
    assert page.join(ECHO, "x").status_code == 404
    assert page.join(99, "x").status_code == 404
    assert page.http.post(f"{API}/run/echo", json={"data": ["x"], "fn_index": ECHO}).status_code == 404


def test_without_the_door_gradio_fetches_what_it_is_told_to(bare: Served, website: tuple[str, list[str]]) -> None:
    address, fetched = website
    assert bare.result("predict", file(address), 5)["bytes"] == len(WEBSITE)
    assert bare.http.get(f"{API}/file={address}").content == WEBSITE
    assert len(fetched) == 2


@pytest.mark.parametrize("hidden", ["path", "url", "path alone", "nested", "in capitals"])
def test_an_address_given_as_a_file_is_not_fetched(
    page: Served, website: tuple[str, list[str]], hidden: str, capfd: pytest.CaptureFixture[str]
) -> None:
    address, fetched = website
    photo = {
        "path": file(address),
        "url": file(page.upload(), url=address),
        "path alone": {"path": address},
        "nested": {"a": [[{"b": file(address)}]]},
        "in capitals": file(address.replace("http", " HTTP")),
    }[hidden]
    for answer in (
        page.call("predict", photo, 5),
        page.http.post(f"{API}/call/v2/predict", json={"photo": photo}),
        page.join(LOOK, photo),
        page.http.post(f"{API}/run/predict", json={"data": [photo], "fn_index": ECHO, "session_hash": "visit"}),
        page.http.post(f"{API}/queue/join", json={"data": [None], "fn_index": LOOK, "event_data": photo}),
    ):
        assert (answer.status_code, said(answer)) == (422, messages.NOT_FETCHED)
    assert fetched == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("host", ["http://127.0.0.1:7860", "https://some-where.hf.space", "http://elsewhere.org/root"])
def test_the_address_of_an_upload_names_that_upload_whatever_the_host(page: Served, host: str) -> None:
    address = f"{host}{API}/file={page.upload(b'12345', 'white tailed #1.jpg').replace(' ', '%20').replace('#', '%23')}"
    for photo in (file(address), file(address, url=address), {"url": address}, file(f"{address}?__sign=x#y")):
        assert page.result("predict", photo, 5)["bytes"] == 5


@pytest.mark.parametrize("way", ["path", "without a mark", "address", "up and out", "no name", "not text"])
def test_a_file_that_was_not_uploaded_is_not_opened(page: Served, tmp_path: Path, way: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    photo = {
        "path": file(str(secret)),
        "without a mark": {"path": str(secret)},
        "address": file(f"http://127.0.0.1{API}/file={secret}"),
        "up and out": file(f"{page.upload()}/../../../{secret.relative_to(tmp_path.anchor)}"),
        "no name": file("\0\ud800"),
        "not text": {**file(str(secret)), "meta": "gradio.FileData"},
    }[way]
    answer = page.join(LOOK, photo)
    assert (answer.status_code, said(answer)) == (422, messages.NOT_UPLOADED)


def test_without_the_door_a_file_with_no_mark_is_opened(bare: Served, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    photo = {"path": str(tmp_path / "secret.txt")}
    assert bare.result("predict", photo, 5)["bytes"] == len("a secret")
    assert bare.join(LOOK, photo).status_code == 200
    assert "a secret" in bare.http.get(f"{API}/queue/data?session_hash=visit").text


def test_json_must_be_said_to_be_json(page: Served) -> None:
    answer = page.http.post(f"{API}/call/predict", content=b'{"data": []}')
    assert (answer.status_code, said(answer)) == (415, messages.NOT_JSON)


def test_wrong_values_are_told_which_there_are(page: Served) -> None:
    sentence = messages.wrong_values("predict", ["photo", "top"])
    assert said(page.call("predict")) == said(page.http.post(f"{API}/call/v2/predict", json={})) == sentence
