"""How much may be sent, and what of an upload that is refused stays behind."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from demo.gateway import multipart as uploads
from demo.gateway import routes as places
from demo.service import messages
from tests.demo.gateway.conftest import API, JSON, Served, file, files_in, said, wait_until

MULTIPART = {"content-type": "multipart/form-data; boundary=x"}


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower all limits to 2 MB, of which half may be an envelope."""
    lower = tuple(replace(place, most=1_000_000) for place in places._PLACES)
    monkeypatch.setattr(places, "_PLACES", lower)


def multipart(*sizes: int) -> Iterator[bytes]:
    for size in sizes:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        yield from (b"y" * 100_000 for _ in range(size // 100_000))
        yield b"\r\n"
    yield b"--x--\r\n"


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("address", ["upload", "call/predict", "call/v2/predict", "queue/join", "cancel", "mcp/"])
def test_a_request_that_is_too_long_is_refused_as_it_comes_in(
    page: Served, cache: Path, monkeypatch: pytest.MonkeyPatch, address: str, declared: bool
) -> None:
    if address.startswith("mcp"):
        pytest.importorskip("mcp")
    small(monkeypatch)
    before = files_in(cache)
    body = list(multipart(900_000, 900_000, 900_000)) if address == "upload" else [b" " * 900_000] * 3
    answer = page.http.post(
        f"{API}/{address}", content=b"".join(body) if declared else iter(body),
        headers=MULTIPART if address == "upload" else JSON,
    )  # fmt: skip
    assert (answer.status_code, said(answer)) == (413, messages.body_too_large(1))
    assert files_in(cache) == before


def test_the_limits_are_those_of_the_page(page: Served) -> None:
    for length, status in ((501_000_001, b"413"), (1, b"400")):
        with socket.create_connection(("127.0.0.1", int(page.address.rpartition(":")[2]))) as line:
            head = f"POST {API}/upload HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nContent-Type: "
            line.sendall(f"{head}{MULTIPART['content-type']}\r\n\r\n ".encode())
            assert line.recv(1000).split()[1] == status


def test_one_file_that_is_too_large_is_said_so(page: Served, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(page.blocks, "max_file_size", 1_000_000)
    before = files_in(cache)
    answer = page.http.post(f"{API}/upload", content=multipart(2_000_000), headers=MULTIPART)
    assert (answer.status_code, said(answer)) == (413, messages.file_too_large(50))
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
def test_an_upload_holds_nothing_but_files_and_is_whole(page: Served, cache: Path, part: bytes) -> None:
    before = files_in(cache)
    body = b"--x\r\nContent-Disposition: form-data; " + part
    answer = page.http.post(f"{API}/upload?upload_id=1", content=body, headers=MULTIPART)
    assert (answer.status_code, said(answer)) == (400, messages.BAD_UPLOAD)
    assert files_in(cache) == before


def test_an_upload_that_is_broken_off_leaves_nothing(page: Served, cache: Path) -> None:
    before = files_in(cache)
    with socket.create_connection(("127.0.0.1", int(page.address.rpartition(":")[2]))) as line:
        head = f"POST {API}/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\nContent-Type: "
        line.sendall(f"{head}{MULTIPART['content-type']}\r\n\r\n".encode() + b"".join(multipart(0))[:-9] + b"y" * 9999)
        wait_until(lambda: files_in(cache) > before)
    wait_until(lambda: files_in(cache) == before)


@pytest.mark.parametrize("looks", [0, 2])
def test_an_upload_does_not_fill_the_disk(
    page: Served, cache: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    free = iter([uploads.MIN_FREE] * looks)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free, uploads.MIN_FREE - 1)))
    before = files_in(cache)
    answer = page.http.post(f"{API}/upload", content=multipart(900_000, 900_000), headers=MULTIPART)
    assert (answer.status_code, said(answer)) == (507, messages.NO_ROOM)
    assert files_in(cache) == before
    monkeypatch.undo()
    assert page.result("predict", file(page.upload()), 1)["bytes"] == len(b"a photo")
