"""Programs that the door must not disturb: curl, gradio_client, and a model's tools."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError, ValidationError
from gradio_client.utils import QueueError

from demo.server import MAX_WAITING
from demo.service import messages
from demo.service.event_settings import ENDPOINTS
from tests.demo.gateway.conftest import API, SLOW, Served, wait_until


def test_curl_uploads_calls_and_listens(page: Served) -> None:
    path = page.upload(b"123")
    before = time.monotonic()
    assert page.result("predict", {"path": path}, 7) == {"bytes": 3, "top": 7}
    assert before <= page.received_at <= time.monotonic()
    event = page.http.post(f"{API}/call/v2/predict", json={"photo": {"path": path}}).json()["event_id"]
    assert page.events("predict", event)[-1] == ("complete", [{"bytes": 3, "top": 5}])


def test_nothing_is_kept_of_a_call_that_has_been_answered(page: Served, bare: Served) -> None:
    """Each has a session of its own, of which gradio would keep thousands."""

    def kept_by(served: Served) -> Callable[[], int]:
        photo = {"path": served.upload(), "meta": {"_type": "gradio.FileData"}}
        calls = [served.call("predict", photo, 5).json()["event_id"] for _ in range(3)]
        assert all(served.events("predict", event)[-1][0] == "complete" for event in calls)
        return lambda: sum(event in served.blocks.state_holder for event in calls)

    of_bare, of_page = kept_by(bare), kept_by(page)
    wait_until(lambda: of_page() == 0)
    assert of_bare() == 3


def test_a_stream_is_not_held_back_and_a_client_that_leaves_is_noticed(page: Served) -> None:
    page.go_on.clear()
    page.ended.clear()
    event = page.call("explain", 1000, 0.02).json()["event_id"]
    with page.http.stream("GET", f"{API}/call/explain/{event}") as answer:
        assert "generating" in next(answer.iter_lines())
        assert not page.ended.is_set()
    assert page.ended.wait(SLOW)


@pytest.fixture
def client(page: Served, tmp_path: Path) -> Iterator[Client]:
    """gradio_client, connected."""
    connected = Client(page.address, verbose=False, analytics_enabled=False, download_files=tmp_path)
    yield connected
    connected.close()


def test_gradio_client_uploads_predicts_and_downloads(client: Client, tmp_path: Path) -> None:
    photo = tmp_path / "a golden eagle.jpg"
    photo.write_bytes(b"1234")
    assert client.predict(handle_file(str(photo)), api_name="/predict") == {"bytes": 4, "top": 5}
    assert Path(client.predict(handle_file(str(photo)), api_name="/study")).read_bytes() == b"1234"


def test_gradio_client_streams_and_cancels(page: Served, client: Client) -> None:
    page.go_on.clear()
    assert list(client.submit(3, api_name="/explain")) == [0, 1, 2]
    page.ended.clear()
    job = client.submit(1000, 0.02, api_name="/explain")
    wait_until(job.outputs)
    job.cancel()
    assert page.ended.wait(SLOW)


def test_gradio_client_understands_what_the_door_says(page: Served, client: Client, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=re.escape(messages.NOT_FETCHED)):
        client.predict(handle_file("https://example.org/eagle.jpg"), api_name="/predict")
    photo = tmp_path / "eagle.jpg"
    photo.write_bytes(b"1")
    with pytest.raises(ValidationError, match="this will not do"):
        client.predict(handle_file(str(photo)), "bad", api_name="/study")
    with pytest.raises(AppError, match="our own words"):
        client.predict(handle_file(str(photo)), "said", api_name="/study")
    page.go_on.clear()
    jobs = [client.submit(1, SLOW, api_name="/explain") for _ in range(MAX_WAITING + 2)]
    wait_until(lambda: any(job.done() for job in jobs))
    refused = next(job for job in jobs if job.done())
    page.go_on.set()
    with pytest.raises(QueueError):
        refused.result()
    for job in jobs:
        job.exception(timeout=SLOW)


def test_a_model_uses_the_endpoints_as_tools_and_gets_no_file_fetched(
    page: Served, website: tuple[str, list[str]]
) -> None:
    mcp = pytest.importorskip("mcp")
    http = pytest.importorskip("mcp.client.streamable_http")
    address, fetched = website
    given = f"{page.address}{API}/file={page.upload(b'123456')}"

    async def ask() -> tuple[set[str], list[Any]]:
        async with (
            http.streamablehttp_client(f"{page.address}{API}/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            photos = (given, "data:image/jpeg;base64,MTIz", address)
            return tools, [await session.call_tool("predict", {"photo": photo}) for photo in photos]

    with ThreadPoolExecutor(1) as aside:  # the tests of the page, if they came before, have a loop on this thread
        tools, answers = aside.submit(asyncio.run, ask()).result()
    assert tools == set(ENDPOINTS)
    uploaded, inline, elsewhere = answers
    assert "'bytes': 6" in uploaded.content[0].text
    assert "'bytes': 3" in inline.content[0].text
    assert elsewhere.isError
    assert messages.NOT_FETCHED in elsewhere.content[0].text
    assert fetched == []
