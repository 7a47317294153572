"""Programs that the gateway must not disturb: curl, gradio_client, and MCP clients."""

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

from demo.gateway.calls import NOT_FETCHED
from demo.server import MAX_WAITING
from demo.service.event_settings import ENDPOINTS
from tests.demo.gateway.conftest import API, SLOW, Served, wait_until

LIMIT = 60.0  # seconds that the MCP client may take


def test_curl_uploads_calls_and_listens(page: Served) -> None:
    path = page.upload(b"123")
    before = time.monotonic()
    assert page.result("predict", {"path": path}, 7) == {"bytes": 3, "top": 7}
    assert before <= page.received_at <= time.monotonic()
    event = page.http.post(f"{API}/call/v2/predict", json={"photo": {"path": path}}).json()["event_id"]
    assert page.events("predict", event)[-1] == ("complete", [{"bytes": 3, "top": 5}])


def test_session_of_an_answered_call_is_deleted(page: Served, bare: Served) -> None:
    """Each call has a session of its own, of which Gradio would keep thousands."""

    def sessions_of(served: Served) -> Callable[[], int]:
        photo = {"path": served.upload(), "meta": {"_type": "gradio.FileData"}}
        calls = [served.call("predict", photo, 5).json()["event_id"] for _ in range(3)]
        assert all(served.events("predict", event)[-1][0] == "complete" for event in calls)
        return lambda: sum(event in served.blocks.state_holder for event in calls)

    sessions_without_gateway, sessions_with_gateway = sessions_of(bare), sessions_of(page)
    wait_until(lambda: sessions_with_gateway() == 0)
    assert sessions_without_gateway() == 3


def test_stream_is_not_held_back_and_a_disconnect_is_noticed(page: Served) -> None:
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


def test_gradio_client_understands_refusals(page: Served, client: Client, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=re.escape(NOT_FETCHED)):
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
        refused.result(SLOW)
    for job in jobs:
        job.exception(timeout=SLOW)


def test_mcp_client_uses_the_endpoints_and_gets_no_url_fetched(page: Served, website: tuple[str, list[str]]) -> None:
    mcp = pytest.importorskip("mcp")
    http = pytest.importorskip("mcp.client.streamable_http")
    address, fetched = website
    uploaded_url = f"{page.address}{API}/file={page.upload(b'123456')}"

    async def use_tools() -> tuple[set[str], list[Any]]:
        async with (
            http.streamablehttp_client(f"{page.address}{API}/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            photos = (uploaded_url, "data:image/jpeg;base64,MTIz", address)
            return tools, [await session.call_tool("predict", {"photo": photo}) for photo in photos]

    with ThreadPoolExecutor(1) as other_thread:  # the tests of the page, if they ran before, have a loop on this one
        tools, answers = other_thread.submit(asyncio.run, asyncio.wait_for(use_tools(), LIMIT)).result(LIMIT)
    assert tools == set(ENDPOINTS)
    uploaded, inline, elsewhere = answers
    assert "'bytes': 6" in uploaded.content[0].text
    assert "'bytes': 3" in inline.content[0].text
    assert elsewhere.isError
    assert NOT_FETCHED in elsewhere.content[0].text
    assert fetched == []
