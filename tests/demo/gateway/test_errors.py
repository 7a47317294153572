"""What errors say."""

import pytest

from demo.server import MAX_WAITING
from demo.service import messages
from tests.demo.gateway.conftest import API, JSON, SLOW, Served, file, said


@pytest.mark.parametrize(
    ("asked", "status"),
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
def test_an_error_is_one_sentence_that_repeats_nothing_and_leaves_the_terminal_alone(
    page: Served, capfd: pytest.CaptureFixture[str], asked: tuple[str, str, bytes | None], status: int
) -> None:
    method, address, body = asked
    answer = page.http.request(method, f"{API}/{address}", content=body, headers=JSON if body else None)
    assert answer.status_code == status
    assert said(answer) in {
        messages.NOTHING_HERE, messages.WRONG_METHOD, messages.NO_FILE, messages.NOT_JSON, messages.BAD_CALL,
        messages.BAD_REQUEST,
        messages.BAD_UPLOAD, messages.wrong_values("predict", ["photo", "top"]),
    }  # fmt: skip
    assert capfd.readouterr().err == ""


def test_what_a_validator_says_passes(page: Served) -> None:
    photo = page.upload()
    answer = page.call("study", file(photo), "bad")
    assert (answer.status_code, said(answer)) == (422, "this will not do")
    assert photo not in answer.text


def test_our_own_errors_pass_in_a_stream_and_others_name_no_path(page: Served) -> None:
    photo = file(page.upload())
    own = page.events("study", page.call("study", photo, "said").json()["event_id"])
    assert own[-1][0] == "error"
    assert own[-1][1]["error"] == "our own words"
    other = page.events("study", page.call("study", photo, "unseen").json()["event_id"])
    assert other[-1] == ("error", {"error": None})


def test_a_full_line_is_said_to_be_busy_and_for_how_long(page: Served) -> None:
    page.go_on.clear()
    asked = [page.call("explain", 1, SLOW) for _ in range(MAX_WAITING + 2)]
    refused = [each for each in asked if each.status_code == 503]
    page.go_on.set()
    assert refused
    assert said(refused[0]) == messages.busy(10)
    assert refused[0].headers["retry-after"] == "10"
    for each in asked:
        if each.status_code == 200:
            assert page.events("explain", each.json()["event_id"])[-1][0] == "complete"
