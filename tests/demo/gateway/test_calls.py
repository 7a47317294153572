"""What a call may contain, and which files it may name."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import pytest

from demo.gateway import calls, errors, rare_log
from demo.gateway.calls import NOT_FETCHED
from demo.gateway.rare_log import RareLog
from demo.service import messages
from tests.demo.gateway.conftest import API, ECHO, JSON, LOOK, POINT, WEBSITE, Served, file, sentence_of


def test_page_calls_its_own_functions_by_number_only(page: Served) -> None:
    run = partial(page.http.post, f"{API}/run/predict")
    assert run(json={"data": ["x"], "fn_index": ECHO, "session_hash": "session"}).json()["data"] == ["x"]
    assert run(json={"data": ["x"], "fn_index": LOOK, "session_hash": "session"}).status_code == 404
    assert page.join(ECHO, "x").status_code == 404
    assert page.join(99, "x").status_code == 404
    assert page.http.post(f"{API}/run/echo", json={"data": ["x"], "fn_index": ECHO}).status_code == 404


def test_without_gateway_gradio_fetches_any_url(bare: Served, website: tuple[str, list[str]]) -> None:
    address, fetched = website
    assert bare.result("predict", file(address), 5)["bytes"] == len(WEBSITE)
    assert bare.http.get(f"{API}/file={address}").content == WEBSITE
    assert len(fetched) == 2


@pytest.mark.parametrize("hidden", ["path", "url", "path alone", "nested", "in capitals"])
def test_url_in_place_of_a_file_is_not_fetched(
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
        page.http.post(f"{API}/run/predict", json={"data": [photo], "fn_index": ECHO, "session_hash": "session"}),
        page.http.post(f"{API}/queue/join", json={"data": [None], "fn_index": LOOK, "event_data": photo}),
    ):
        assert (answer.status_code, sentence_of(answer)) == (422, NOT_FETCHED)
    assert fetched == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("host", ["http://127.0.0.1:7860", "https://some-where.hf.space", "http://elsewhere.org/root"])
def test_url_of_an_upload_names_that_upload_whatever_the_host(page: Served, host: str) -> None:
    address = f"{host}{API}/file={page.upload(b'12345', 'white tailed #1.jpg').replace(' ', '%20').replace('#', '%23')}"
    for photo in (file(address), file(address, url=address), {"url": address}, file(f"{address}?__sign=x#y")):
        assert page.result("predict", photo, 5)["bytes"] == 5


@pytest.mark.parametrize("way", ["path", "without a mark", "address", "up and out", "no name", "not text"])
def test_file_that_was_not_uploaded_is_not_opened(page: Served, tmp_path: Path, way: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    photo = {
        "path": file(str(secret)),
        "without a mark": {"path": str(secret)},
        "address": file(f"http://127.0.0.1{API}/file={secret}"),
        "up and out": file(f"{page.upload()}/../../../{secret.relative_to(tmp_path.anchor)}"),
        "no name": file("\0" * 5000),
        "not text": {**file(str(secret)), "meta": "gradio.FileData"},
    }[way]
    answer = page.join(LOOK, photo)
    assert (answer.status_code, sentence_of(answer)) == (422, messages.NOT_UPLOADED)


def test_without_gateway_a_file_without_a_mark_is_opened(bare: Served, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    photo = {"path": str(tmp_path / "secret.txt")}
    assert bare.result("predict", photo, 5)["bytes"] == len("a secret")
    assert bare.join(LOOK, photo).status_code == 200
    assert "a secret" in bare.http.get(f"{API}/queue/data?session_hash=session").text


def point(page: Served, event: object = None, values: Sequence[object] = ("a", 1)) -> httpx.Response:
    """Return the response to a selected pixel."""
    call = {"data": values, "fn_index": POINT, "session_hash": "session", "event_data": event}
    return page.http.post(f"{API}/run/predict", content=json.dumps(call), headers=JSON)


def test_malformed_values_of_the_page_are_refused_and_logged_once(
    page: Served, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_LOG", RareLog("rare"))
    event = {"index": [1, 2.5], "value": None}
    assert point(page, event).json()["data"] == ["a 1 1 2.5"]
    events: list[object] = [None, 5, "x", [], {}, {"index": [1, 2]}, True]
    indices: list[object] = [None, 1, "ab", [], [1], [1, 2, 3], [None, 2], [[1], [2]]]
    events += [{"index": index, "value": None} for index in indices]
    values: list[Sequence[object]] = [("c", 1), ([], 1), (["a"], 1), ({}, 1), (1, 1), ("a", -1), ("a", "x"), ("a", [])]
    for answer in [*(point(page, other) for other in events), *(point(page, event, other) for other in values)]:
        assert answer.status_code == 422, answer.request.content
        assert (answer.status_code, sentence_of(answer)) == (422, errors.BAD_CALL)
    queued = page.join(LOOK, [1]), page.join(LOOK, {"meta": 1}), page.join(LOOK, "eagle")
    assert [answer.status_code for answer in queued] == [422] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "a call of the page with malformed values was refused"
    ]
    assert "Traceback" not in capfd.readouterr().err
    assert point(page, event).status_code == 200


def test_choices_are_those_of_the_session(page: Served) -> None:
    session = page.blocks.state_holder["session of another choice"]
    dropdown = page.blocks.fns[POINT].inputs[0]
    other = gr.Dropdown(["c"], value="c", render=False)
    session[dropdown._id] = other
    for name, status in (("session of another choice", 200), ("session", 422)):
        call = {"data": ["c", 1], "fn_index": POINT, "session_hash": name, "event_data": {"index": [1, 2], "value": 0}}
        assert page.http.post(f"{API}/run/predict", json=call).status_code == status


def test_a_rare_log_writes_a_line_a_minute_and_says_how_many_it_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([100.0, 100.0, 130.0, 159.0, 161.0, 161.0])
    monkeypatch.setattr(rare_log, "time", SimpleNamespace(monotonic=lambda: next(now)))  # not the server's clock
    log = RareLog("rare")
    for _ in range(4):
        log.warning("refused")
    assert [record.getMessage() for record in caplog.records] == ["refused", "refused (2 more in the time before)"]


@pytest.mark.parametrize("address", ["run/predict", "queue/join", "call/predict", "call/v2/predict", "cancel", "mcp/"])
@pytest.mark.parametrize("half", [rb"\ud800", rb"\uDFFF", rb"\udc00\ud800", b"\xed\xa0\x80"])
def test_half_a_character_is_refused(
    page: Served, address: str, half: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    entries = (b'"data": ["%s"]', b'"session_hash": "%s"', b'"params": {"arguments": {"photo": "%s"}}', b'"%s": 1')
    for entry in entries:
        body = b'{"jsonrpc": "2.0", "id": 1, "fn_index": 0, %s}' % (entry % half)
        answer = page.http.post(f"{API}/{address}", content=body, headers=JSON)
        assert (answer.status_code, sentence_of(answer)) == (400, errors.NOT_JSON)
    assert capfd.readouterr().err == ""


def test_a_whole_character_of_two_halves_is_kept(page: Served) -> None:
    body = rb'{"data": ["\ud83e\udd85"], "fn_index": 0, "session_hash": "session"}'
    assert page.http.post(f"{API}/run/predict", content=body, headers=JSON).json()["data"] == ["🦅"]


def test_json_must_be_declared_as_json(page: Served) -> None:
    answer = page.http.post(f"{API}/call/predict", content=b'{"data": []}')
    assert (answer.status_code, sentence_of(answer)) == (415, errors.NOT_JSON)


@pytest.mark.parametrize("body", [b'{"x": NaN}', b'{"x": 1e999}', b'{"x": "\\ud800"}', b"\xff", b"[" * 5000], ids=str)
@pytest.mark.parametrize("path", ["call/predict", "queue/join", "cancel", "mcp/"])
def test_what_no_answer_could_repeat_is_not_json(
    page: Served, body: bytes, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = page.http.post(f"{API}/{path}", content=body, headers=JSON)
    assert (answer.status_code, sentence_of(answer)) == (400, errors.NOT_JSON)
    assert capfd.readouterr().err == ""


def test_refusal_of_wrong_values_lists_the_parameters(page: Served) -> None:
    sentence = "These are not the values that /predict takes: give photo, top."
    assert (
        sentence_of(page.call("predict")) == sentence_of(page.http.post(f"{API}/call/v2/predict", json={})) == sentence
    )
