"""The addresses that respond at all."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from demo.gateway import errors
from tests.demo.gateway.conftest import API, JSON, Served, sentence_of


def templates(routes: list[Any]) -> Iterator[str]:
    for route in routes:
        included = getattr(route, "original_router", None)
        yield from templates(included.routes) if included else [route.path]


@pytest.mark.parametrize(
    "address", ["/", "/config", "/theme.css", "/manifest.json", f"{API}/info", f"{API}/openapi.json", f"{API}/app_id"]
)
def test_addresses_of_page_clients_and_health_checks_respond(page: Served, address: str) -> None:
    assert page.http.get(address).status_code == 200
    assert page.http.head("/").status_code == 200


def test_no_other_address_of_gradio_responds(page: Served) -> None:
    open_to_all = {
        "/", "/config", "/config/", "/theme.css", "/manifest.json", "/robots.txt", "/favicon.ico",
        "/assets/x", "/static/x", f"{API}/info", f"{API}/info/", f"{API}/openapi.json", f"{API}/app_id",
        f"{API}/startup-events", f"{API}/heartbeat/x", f"{API}/upload_progress", f"{API}/file=x", f"{API}/upload",
        f"{API}/queue/join", f"{API}/queue/data", f"{API}/cancel", f"{API}/reset", f"{API}/mcp",
    }  # fmt: skip
    served = {re.sub(r"\{[^}]+\}", "x", path) for path in templates(page.blocks.app.routes)}
    assert served >= open_to_all - {f"{API}/mcp"}, "or this test no longer finds gradio's routes"
    closed = served - open_to_all
    assert {f"{API}/vibe-code", "/openapi.json", "/login", "/monitoring", f"{API}/call/x", f"{API}/run/x"} < closed
    for address in closed:
        for method in ("GET", "POST", "HEAD"):
            answer = page.http.request(method, address)
            assert answer.status_code == 404, (method, address)
            assert method == "HEAD" or sentence_of(answer) == errors.NOTHING_HERE


def test_without_gateway_other_addresses_respond(bare: Served) -> None:
    assert bare.http.get("/openapi.json").status_code == 200
    assert bare.http.get("/monitoring/summary").status_code == 403
    assert bare.http.post(f"{API}/call/lambda", json={"data": ["x"]}).status_code == 200


def test_mcp_is_behind_the_gateway_too(page: Served) -> None:
    pytest.importorskip("mcp")
    assert page.http.get(f"{API}/mcp/").status_code == 200
    wrong = page.http.get(f"{API}/mcp/eagle")
    assert (wrong.status_code, sentence_of(wrong)) == (404, errors.NOTHING_HERE)
    assert sentence_of(page.http.post(f"{API}/mcp/", content=b"{", headers=JSON)) == errors.NOT_JSON


def test_refusal_of_a_wrong_method_lists_the_allowed_ones(page: Served) -> None:
    assert page.http.get(f"{API}/upload").headers["allow"] == "POST"
    assert page.http.delete(f"{API}/call/v2/predict").headers["allow"] == "POST"
    assert page.http.post("/").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    ["file={}", "file=%68ttps://x/{}", "file=HTTPS://{}", "file=%20{}", "file=ftp://x", "file/{}", "proxy={}",
     "file=%2568ttp://x"],
)  # fmt: skip
def test_no_other_url_is_fetched(page: Served, website: tuple[str, list[str]], path: str) -> None:
    address, fetched = website
    for method in ("GET", "HEAD"):
        answer = page.http.request(method, f"{API}/{path.format(address)}")
        assert answer.status_code == (403 if "%25" in path else 404)
        assert (
            answer.content.decode() == ""
            if method == "HEAD"
            else sentence_of(answer) in {errors.NOTHING_HERE, errors.NO_FILE}
        )
    assert fetched == []


def test_range_of_a_file_is_sent_and_a_malformed_range_refused(page: Served) -> None:
    url = f"{API}/file={page.upload(b'0123456789')}"
    assert page.http.get(url, headers={"range": "bytes=2-4"}).content == b"234"
    for byte_range in ("bytes=1-2-3", "bytes=x-", "bytes=²-"):
        assert page.http.get(url, headers={"range": byte_range.encode()}).status_code == 416
