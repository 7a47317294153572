"""The size limits of requests, and the files that a refused upload leaves behind: none."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from demo.gateway import errors, multipart, routes
from tests.demo.gateway.conftest import API, JSON, SLOW, Served, file, files_in, sentence_of, wait_until

MULTIPART = {"content-type": "multipart/form-data; boundary=x"}


def lower_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower all size limits to 2 MB, of which half is for the envelope."""
    lower = tuple(replace(route, max_bytes=1_000_000) for route in routes._ROUTES)
    monkeypatch.setattr(routes, "_ROUTES", lower)


def multipart_body(*sizes: int) -> Iterator[bytes]:
    for size in sizes:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        yield from (b"y" * 100_000 for _ in range(size // 100_000))
        yield b"\r\n"
    yield b"--x--\r\n"


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("address", ["upload", "call/predict", "call/v2/predict", "queue/join", "cancel", "mcp/"])
def test_too_large_request_is_refused_as_it_comes_in(
    page: Served, cache: Path, monkeypatch: pytest.MonkeyPatch, address: str, declared: bool
) -> None:
    if address.startswith("mcp"):
        pytest.importorskip("mcp")
    lower_limits(monkeypatch)
    before = files_in(cache)
    body = list(multipart_body(900_000, 900_000, 900_000)) if address == "upload" else [b" " * 900_000] * 3
    answer = page.http.post(
        f"{API}/{address}", content=b"".join(body) if declared else iter(body),
        headers=MULTIPART if address == "upload" else JSON,
    )  # fmt: skip
    assert (answer.status_code, sentence_of(answer)) == (413, "The request is larger than 1 MB: send less at once.")
    assert files_in(cache) == before


def test_limits_are_those_of_the_page(page: Served) -> None:
    for length, status in ((501_000_001, b"413"), (1, b"400")):
        with socket.create_connection(("127.0.0.1", int(page.address.rpartition(":")[2])), timeout=SLOW) as connection:
            head = f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\nContent-Type: "
            connection.sendall(f"{head}{MULTIPART['content-type']}\r\n\r\n ".encode())
            assert connection.recv(1000).split()[1] == status


def test_too_large_file_is_refused(page: Served, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(page.blocks, "max_file_size", 1_000_000)
    before = files_in(cache)
    answer = page.http.post(f"{API}/upload", content=multipart_body(2_000_000), headers=MULTIPART)
    assert (answer.status_code, sentence_of(answer)) == (
        413,
        "A file is larger than 50 MB: make it smaller, or remove it.",
    )
    assert files_in(cache) == before


@pytest.mark.parametrize(
    "part",
    [
        b'name="files"\r\n\r\nwords\r\n--x--\r\n',
        b'name="other"; filename="a.jpg"\r\n\r\nphoto\r\n--x--\r\n',
        b'name="files"; filename="a.jpg"\r\n\r\nhalf a pho',
        b'name="files"; filename="' + b"a" * 9000 + b'"\r\n\r\nphoto\r\n--x--\r\n',
    ],
    ids=["words", "another field", "cut short", "long name"],
)
def test_upload_must_be_complete_and_have_nothing_but_files(page: Served, cache: Path, part: bytes) -> None:
    before = files_in(cache)
    body = b"--x\r\nContent-Disposition: form-data; " + part
    answer = page.http.post(f"{API}/upload?upload_id=1", content=body, headers=MULTIPART)
    assert (answer.status_code, sentence_of(answer)) == (400, errors.BAD_UPLOAD)
    assert files_in(cache) == before


@pytest.mark.parametrize(("length", "status"), [(1, 200), (70, 200), (256, 200), (257, 400), (5000, 400)])
def test_a_boundary_that_is_too_long_is_refused(page: Served, length: int, status: int) -> None:
    boundary = "x" * length
    body = b"".join(multipart_body(100)).replace(b"--x", f"--{boundary}".encode())
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    answer = page.http.post(f"{API}/upload", content=body, headers=headers)
    assert answer.status_code == status
    if status == 400:
        assert sentence_of(answer) == errors.BAD_UPLOAD


def test_aborted_upload_leaves_nothing(page: Served, cache: Path) -> None:
    before = files_in(cache)
    with socket.create_connection(("127.0.0.1", int(page.address.rpartition(":")[2])), timeout=SLOW) as connection:
        head = f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999\r\nContent-Type: "
        connection.sendall(
            f"{head}{MULTIPART['content-type']}\r\n\r\n".encode() + b"".join(multipart_body(0))[:-9] + b"y" * 9999
        )
        wait_until(lambda: files_in(cache) > before)
    wait_until(lambda: files_in(cache) == before)


@pytest.mark.parametrize("checks", [0, 2])
def test_upload_does_not_fill_the_disk(page: Served, cache: Path, monkeypatch: pytest.MonkeyPatch, checks: int) -> None:
    free = iter([multipart.MIN_FREE] * checks)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free, multipart.MIN_FREE - 1)))
    before = files_in(cache)
    answer = page.http.post(f"{API}/upload", content=multipart_body(900_000, 900_000), headers=MULTIPART)
    assert (answer.status_code, sentence_of(answer)) == (
        507,
        "The disk is too full for uploads: try again in an hour, when old ones are deleted.",
    )
    assert files_in(cache) == before
    monkeypatch.undo()
    assert page.result("predict", file(page.upload()), 1)["bytes"] == len(b"a photo")
