"""Several requests at once, and requests that end early."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import QueueError

from camcore import Explainer
from demo.api import endpoints
from demo.api.endpoints import Endpoints
from demo.server import MAX_WAITING
from demo.service.models import Models
from demo.service.queue import RECEIVED_AT
from tests.demo.api.conftest import API, LIMIT, call_by_name, connect, events, explain_defaults, upload

pytestmark = pytest.mark.slow


@dataclass
class Endless:
    """Replaces `explain_photo`: a chunk every hundredth of a second, until it is `over`."""

    chunks: int = 0
    ended: int = 0
    over: bool = False

    def __call__(self, *_arguments: Any) -> Iterator[Any]:
        try:
            while not self.over:
                self.chunks += 1
                time.sleep(0.01)
                yield {"explanations": self.chunks}, NoPictures()
        finally:
            self.ended += 1


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch, models: Models) -> Iterator[Endless]:
    steps = Endless()
    monkeypatch.setattr(endpoints, "explain_photo", steps)
    yield steps
    steps.over = True
    wait_for(lambda: len(models.queue) == 0)


class NoPictures:
    def files(self) -> tuple[None, ...]:
        return (None,) * 5


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not happen"
        time.sleep(0.01)


@pytest.fixture(params=["dropped", "cancelled"])
def chunks_when_left(address: str, client: Client, eagle: Path, endless: Endless, request: Any) -> int:
    """Start an explanation, leave it, and return how many chunks it had then."""
    if request.param == "dropped":
        event_id = call_by_name(address, "explain", photo=upload(address, eagle.read_bytes())).json()["event_id"]
        stream = events(address, "explain", event_id)
        next(stream)
        next(stream)
        stream.close()
    else:
        job = client.submit(handle_file(eagle), api_name="/explain")
        wait_for(lambda: len(job.outputs()) > 1)
        assert job.cancel()
    return endless.chunks


def test_client_that_leaves_frees_the_model_at_the_next_chunk(
    chunks_when_left: int, client: Client, models: Models, eagle: Path, endless: Endless
) -> None:
    wait_for(lambda: endless.ended)
    assert endless.chunks - chunks_when_left < 100, "the chunks until the disconnect is noticed"
    wait_for(lambda: len(models.queue) == 0)
    assert client.predict(handle_file(eagle), api_name="/predict")["predictions"]


def test_ten_clients_at_once_all_get_their_explanation(address: str, imagenet_photos: list[Path]) -> None:
    def explain(photo: Path) -> dict[str, Any]:
        record, *_ = connect(address).predict(
            handle_file(photo), methods=["grad-cam", "score-cam"], effort="16", api_name="/explain"
        )
        return {"label": int(photo.stem.split("_")[-1]), **record}

    with ThreadPoolExecutor(10) as pool:
        records = list(pool.map(explain, imagenet_photos[:10], timeout=4 * LIMIT))
    assert sum(record["predictions"][0]["class_idx"] == record["label"] for record in records) >= 8
    assert all(record["explanations"][1]["forwards"] == 16 for record in records)


def test_full_queue_is_reported_as_busy_and_the_page_still_responds(
    address: str, client: Client, eagle: Path, endless: Endless
) -> None:
    photo = upload(address, eagle.read_bytes())
    answers = [call_by_name(address, "explain", photo=photo) for _ in range(MAX_WAITING + 10)]
    accepted = [answer.json()["event_id"] for answer in answers if answer.status_code == 200]
    busy = [answer for answer in answers if answer.status_code == 503]
    assert len(accepted) + len(busy) == len(answers)
    assert MAX_WAITING <= len(accepted) <= MAX_WAITING + 2, "those that wait, and the one that runs"
    assert "busy" in busy[0].json()["detail"]
    assert int(busy[0].headers["retry-after"]) > 0
    with pytest.raises(QueueError):
        client.predict(handle_file(eagle), api_name="/predict")
    assert httpx.get(address, timeout=LIMIT).status_code == 200
    assert endless.ended == 0
    (explain,) = (index for index, endpoint in client.endpoints.items() if endpoint.api_name == "/explain")
    for event_id in reversed(accepted):
        body = {"session_hash": event_id, "fn_index": explain, "event_id": event_id}
        assert httpx.post(f"{address}{API}/cancel", json=body, timeout=LIMIT).status_code == 200
    assert endless.ended == 1, "the one that ran: the others have left the queue"


def test_request_that_takes_too_long_is_stopped_with_a_sentence(
    stand_in: Explainer, stand_in_artifacts: Path, eagle: Path, address: str
) -> None:
    with gr.Blocks() as blocks:
        Endpoints(Models(stand_in, stand_in_artifacts / "efficientnet_lite0", timeout=30)).add(blocks)
    explain: Any = next(function.fn for function in blocks.fns.values() if function.api_name == "explain")
    http_request = SimpleNamespace(scope={RECEIVED_AT: time.monotonic() - 31})
    request = SimpleNamespace(request=http_request, headers={})
    steps = explain(upload(address, eagle.read_bytes()), *explain_defaults(), request)
    with pytest.raises(gr.Error, match="longer than 30 seconds"):
        next(steps)
