"""The status and the sentence of errors."""

import pytest

from demo.gateway import errors
from demo.server import MAX_WAITING
from tests.demo.gateway.conftest import API, JSON, SLOW, Served, file, sentence_of


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (("GET", "file=/etc/hostname", None), 403),
        (("GET", "file=/no/such/eagle.jpg", None), 403),
        (("GET", "file=%00eagle", None), 403),
        (("GET", "file=" + "eagle" * 100, None), 404),
        (("GET", "../static/eagle.js", None), 404),
        (("GET", "../?page=eagle", None), 404),
        (("GET", "call/predict/eagle", None), 404),
        (("GET", "call/v2/predict", None), 405),
        (("GET", "queue/data?session_hash=eagle", None), 404),
        (("GET", "queue/data", None), 404),
        (("PUT", "upload", b"eagle"), 405),
        (("POST", "upload", b"eagle"), 400),
        (("POST", "cancel", b'{"eagle": 1}'), 422),
        (("POST", "call/predict", b'{"eagle'), 400),
        (("POST", "call/predict", b'"eagle"'), 422),
        (("POST", "call/predict", b"[" * 100_000), 400),
        (("POST", "call/predict", b'{"data": ' + b"[" * 500 + b"]" * 500 + b"}"), 422),
        (("POST", "call/predict", b'{"data": "eagle"}'), 422),
        (("POST", "call/predict", b'{"data": ["eagle"]}'), 422),
        (("POST", "call/predict", b'{"data": ["eagle", 2, 3]}'), 422),
        (("POST", "call/eagle", b'{"data": []}'), 404),
        (("POST", "call/v2/predict", b'{"eagle": 1}'), 422),
        (("POST", "call/v2/predict", b'{"top": 1}'), 422),
        (("POST", "call/v2/eagle", b"{}"), 404),
        (("POST", "queue/join", b'{"data": ["eagle"], "session_hash": "eagle"}'), 404),
        (("POST", "queue/join", b'{"data": ["eagle"], "session_hash": "eagle", "fn_index": 99}'), 404),
        (("POST", "queue/join", b'{"data": ["eagle"], "session_hash": "eagle", "fn_index": true}'), 404),
        (("POST", "queue/join", b'{"data": [], "session_hash": "eagle", "fn_index": 1}'), 422),
        (("POST", "queue/join", b'{"data": [null], "fn_index": 1}'), 400),
        (("POST", "queue/join", b'{"data": [null], "fn_index": 1, "session_hash": ["eagle"]}'), 422),
        (("POST", "run/predict", b'{"data": [], "session_hash": "eagle", "fn_index": 0}'), 422),
    ],
)
def test_error_is_one_sentence_that_repeats_nothing_and_prints_nothing(
    page: Served, capfd: pytest.CaptureFixture[str], request_line: tuple[str, str, bytes | None], status: int
) -> None:
    method, address, body = request_line
    answer = page.http.request(method, f"{API}/{address}", content=body, headers=JSON if body else None)
    assert answer.status_code == status
    assert sentence_of(answer) in {
        errors.NOTHING_HERE, errors.WRONG_METHOD, errors.NO_FILE, errors.NOT_JSON, errors.BAD_CALL, errors.BAD_REQUEST,
        errors.BAD_UPLOAD, "These are not the values that /predict takes: give photo, top.",
    }  # fmt: skip
    assert capfd.readouterr().err == ""


def test_message_of_a_validator_is_sent(page: Served) -> None:
    photo = page.upload()
    answer = page.call("study", file(photo), "bad")
    assert (answer.status_code, sentence_of(answer)) == (422, "this will not do")
    assert photo not in answer.text


def test_gr_error_is_sent_in_a_stream_and_others_name_no_path(page: Served) -> None:
    photo = file(page.upload())
    own = page.events("study", page.call("study", photo, "said").json()["event_id"])
    assert own[-1][0] == "error"
    assert own[-1][1]["error"] == "our own words"
    other = page.events("study", page.call("study", photo, "unseen").json()["event_id"])
    assert other[-1] == ("error", {"error": None})


def test_full_queue_is_reported_as_busy_with_a_time_to_wait(page: Served) -> None:
    page.go_on.clear()
    responses = [page.call("explain", 1, SLOW) for _ in range(MAX_WAITING + 2)]
    refused = [response for response in responses if response.status_code == 503]
    page.go_on.set()
    assert refused
    assert sentence_of(refused[0]) == "The service is busy, and its queue is full: try again in 10 seconds."
    assert refused[0].headers["retry-after"] == "10"
    for response in responses:
        if response.status_code == 200:
            assert page.events("explain", response.json()["event_id"])[-1][0] == "complete"
