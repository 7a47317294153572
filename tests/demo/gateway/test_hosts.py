"""Requests from other web sites are refused."""

import pytest
from starlette.datastructures import Headers

from demo.gateway.errors import RefusedRequest
from demo.gateway.hosts import AllowedHosts
from tests.demo.gateway.conftest import API, Served

LOCAL = AllowedHosts.of_server(None, [])
SPACE = AllowedHosts.of_server("0.0.0.0", ["birds.hf.space"])
OPEN = AllowedHosts.of_server("0.0.0.0", [])


@pytest.mark.parametrize(
    ("hosts", "host", "origin"),
    [
        (LOCAL, "127.0.0.1:7860", None),
        (LOCAL, "localhost:7860", "http://localhost:7860"),
        (LOCAL, "[::1]:7860", "http://[::1]:7860"),
        (SPACE, "birds.hf.space", "https://birds.hf.space"),
        (SPACE, "127.0.0.1:7860", None),
        (OPEN, "192.168.1.5:7860", "http://192.168.1.5:7860"),
        (OPEN, "camera.local:7860", None),
    ],
)
def test_own_pages_and_programs_are_accepted(hosts: AllowedHosts, host: str, origin: str | None) -> None:
    hosts.check(Headers({"host": host} | ({"origin": origin} if origin else {})))


@pytest.mark.parametrize(
    ("hosts", "host", "origin"),
    [
        (LOCAL, "127.0.0.1:7860", "https://evil.example"),
        (LOCAL, "127.0.0.1:7860", "null"),
        (LOCAL, "127.0.0.1:7860", "http://[::1"),
        (LOCAL, "127.0.0.1:7860", ""),
        (LOCAL, "127.0.0.1:7860", "http://127.0.0.1:3000"),
        (LOCAL, "127.0.0.1:7860", "http://127.0.0.1.evil.example:7860"),
        (LOCAL, "evil.example:7860", None),
        (LOCAL, "evil.example:7860", "http://evil.example:7860"),
        (LOCAL, "[::1", None),
        (LOCAL, "", None),
        (SPACE, "birds.hf.space", "https://evil.example"),
        (SPACE, "birds.hf.space", "null"),
        (SPACE, "evil.example", None),
        (OPEN, "192.168.1.5:7860", "https://evil.example"),
        (OPEN, "192.168.1.5:7860", "null"),
    ],
)
def test_other_sites_and_names_are_refused(hosts: AllowedHosts, host: str, origin: str | None) -> None:
    with pytest.raises(RefusedRequest) as refusal:
        hosts.check(Headers({"host": host} | ({"origin": origin} if origin is not None else {})))
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"host": "evil.example:7860"}]
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", f"{API}/upload"), ("POST", f"{API}/call/predict")])
def test_page_answers_requests_of_other_sites_with_403(
    page: Served, headers: dict[str, str], method: str, path: str
) -> None:
    response = page.http.request(method, path, headers=headers)
    assert response.status_code == 403
    assert "address that the terminal shows" in response.text
