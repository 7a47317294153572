"""Photos at addresses: good and bad answers, redirects, and studies of them with the command."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import pytest

from camcore.cli.main import main
from camcore.errors import PhotoError, StudyError
from camcore.study import remote, remote_errors
from camcore.study.remote import RemoteFiles
from tests.photo_server import PhotoServer, data, endless, in_turn, serving, stalled, status, without_head
from tests.test_archive import rows
from tests.test_boundaries import ROOT

PHOTO = bytes(range(256)) * 40  # nothing decodes it here
SECRETS = ("user", "pa55word", "signature")


@pytest.fixture(scope="module")
def running() -> Iterator[PhotoServer]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: PhotoServer, monkeypatch: pytest.MonkeyPatch) -> PhotoServer:
    """A server with one photo; further attempts come at once."""
    monkeypatch.setattr(remote, "PAUSES", (0.0, 0.0))
    running.answers = {"/1.jpg": data(PHOTO, ETag='"1"')}
    running.requests.clear()
    return running


@pytest.fixture
def memory() -> Iterator[Any]:
    """The file system in memory of fsspec, empty before and after."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


def problem(address: str, *, private_redirects: bool = False) -> str:
    with pytest.raises(PhotoError) as caught:
        RemoteFiles(private_redirects=private_redirects).read(address)
    message = str(caught.value)
    assert "\n" not in message
    assert ": " in message, "a remedy"
    assert not any(secret in message for secret in SECRETS)
    return message


def test_a_photo_is_read_with_one_request_and_its_version(server: PhotoServer) -> None:
    files, address = RemoteFiles(), f"{server.address}/1.jpg"
    assert files.read(address) == (PHOTO, 'ETag "1"')
    assert server.requests == {"GET /1.jpg": 1}
    assert files.version(address) == 'ETag "1"'
    assert server.requests == {"GET /1.jpg": 1, "HEAD /1.jpg": 1}
    server.answers["/1.jpg"] = without_head(data(PHOTO, Last_Modified="Mon, 06 May 2024 07:08:09 GMT"))
    assert files.version(address) == files.read(address).version == "Last-Modified Mon, 06 May 2024 07:08:09 GMT"
    server.answers["/1.jpg"] = lambda handler: data(PHOTO, ETag=handler.headers["Accept-Encoding"])(handler)
    assert files.version(address) == files.read(address).version, "also of a server that compresses"
    assert files.version(f"{server.address}/none.jpg") == ""


@pytest.mark.parametrize(
    ("code", "message", "attempts"),
    [
        (404, "there is no file at this address: correct the address, or remove it", 1),
        (403, "access to this address is refused: log in to its service, or use a signed address", 1),
        (500, "the server answers with an error (500): run the same command again later", 3),
        (418, "the server answers with an error (418): run the same command again later", 1),
    ],
)
def test_an_answer_without_a_photo(server: PhotoServer, code: int, message: str, attempts: int) -> None:
    server.answers["/1.jpg"] = status(code)
    assert problem(server.address.replace("//", "//user:pa55word@") + "/1.jpg?signature=1") == message
    assert server.requests == {"GET /1.jpg?signature=1": attempts}


def test_a_failure_may_pass(server: PhotoServer) -> None:
    cut = data(PHOTO, declared=2 * len(PHOTO))
    server.answers["/1.jpg"] = in_turn(status(503), cut, data(PHOTO))
    assert RemoteFiles().read(f"{server.address}/1.jpg").content == PHOTO
    server.answers["/1.jpg"] = cut
    assert problem(f"{server.address}/1.jpg").startswith("the server's answer ends before the file does")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/1.jpg?signature"
        assert problem(nobody).startswith("no server answers at this address")


def test_an_answer_that_is_too_slow_or_too_large(server: PhotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers |= {"/1.jpg": stalled(PHOTO, 5), "/2.jpg": endless, "/3.jpg": data(PHOTO)}
    monkeypatch.setattr(remote, "MAX_PAUSE", 0.1)
    assert problem(f"{server.address}/1.jpg").startswith("the server does not answer, or too slowly")
    monkeypatch.setattr(remote, "MAX_BYTES", 5_000_000)
    assert problem(f"{server.address}/2.jpg") == "the file has more than 5 MB: make it smaller"
    monkeypatch.setattr(remote, "MAX_BYTES", len(PHOTO))
    assert RemoteFiles().read(f"{server.address}/3.jpg").content == PHOTO
    monkeypatch.setattr(remote, "MAX_BYTES", len(PHOTO) - 1)
    assert "has more than" in problem(f"{server.address}/3.jpg")
    monkeypatch.setattr(remote, "MAX_BYTES", 10**12)
    monkeypatch.setattr(remote, "MAX_SECONDS", 0.1)
    assert problem(f"{server.address}/2.jpg").startswith("the server does not answer, or too slowly")
    assert max(server.requests.values()) == 2, "no further attempt"


def test_a_web_page_is_no_photo(server: PhotoServer) -> None:
    server.answers["/1.jpg"] = data(b"\n<!DOCTYPE html>", Content_Type="text/html; charset=utf-8")
    assert problem(f"{server.address}/1.jpg").startswith("the server sends a web page, not a photo: use")
    server.answers["/1.jpg"] = data(PHOTO, Content_Type="text/html")
    assert RemoteFiles().read(f"{server.address}/1.jpg").content == PHOTO


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:7f00:1]", "0.0.0.0", "@"])
@pytest.mark.parametrize("header", ["Location", "URI"])
def test_a_redirect_to_this_computer_is_refused(server: PhotoServer, host: str, header: str) -> None:
    """Also over a connection that is open already, and by the header URI, which aiohttp follows too."""
    target = "/1.jpg?signature" if host == "@" else f"http://user:pa55word@{host}:{server.port}/1.jpg?signature"
    server.answers["/old.jpg"] = status(302, **{header: target})
    for name in ("127.0.0.1", "localhost"):
        assert RemoteFiles().read(f"http://{name}:{server.port}/1.jpg").content == PHOTO, "directly"
    server.requests.clear()
    message = problem(f"{server.address}/old.jpg")
    assert re.fullmatch(
        r"the server redirects to [0-9a-f.:]*(localhost)?, on this computer or its network, which is refused: check "
        "the address, or allow it with --private-redirects",
        message,
    )
    assert RemoteFiles().version(f"{server.address}/old.jpg") == ""
    assert {request.partition("?")[0] for request in server.requests} == {"GET /old.jpg", "HEAD /old.jpg"}


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "192.168.1.1", "[fd00:ec2::254]", "[fe80::1]"])
def test_a_redirect_into_a_network_of_its_own_is_refused_without_a_connection(server: PhotoServer, host: str) -> None:
    server.answers["/old.jpg"] = status(307, Location=f"http://{host}/latest/meta-data/")
    assert f"redirects to {host.strip('[]')}, on this computer or its network" in problem(f"{server.address}/old.jpg")


def test_a_redirect_is_checked_by_where_the_connection_leads(
    server: PhotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner of a name may let it stand for a public address while it is checked."""
    server.answers["/old.jpg"] = status(302, Location=f"http://localhost:{server.port}/1.jpg")
    assert RemoteFiles().read(f"http://localhost:{server.port}/1.jpg").content == PHOTO, "and the connection stays"
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: public)
    server.requests.clear()
    assert "redirects to localhost, on this computer or its network" in problem(f"{server.address}/old.jpg")
    assert server.requests == {"GET /old.jpg": 1}


def test_redirects_that_are_allowed(server: PhotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/old.jpg"] = status(302, Location="/1.jpg")
    server.answers["/head.jpg"] = in_turn(status(302, Location="/1.jpg"), data(PHOTO, ETag='"2"'))
    assert RemoteFiles().version(f"{server.address}/head.jpg") == 'ETag "2"', "by a request after the redirected one"
    server.answers["/circle.jpg"] = status(302, Location="/circle.jpg")
    files = RemoteFiles(private_redirects=True)
    assert files.read(f"{server.address}/old.jpg") == (PHOTO, 'ETag "1"')
    assert files.version(f"{server.address}/old.jpg") == 'ETag "1"'
    assert problem(f"{server.address}/circle.jpg", private_redirects=True).startswith(
        "the server redirects in a circle"
    )
    monkeypatch.setattr(remote, "_is_public", lambda _: True)
    assert RemoteFiles().read(f"{server.address}/old.jpg").content == PHOTO


@pytest.mark.parametrize("private_redirects", [False, True])
@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/signature", "http://[signature/"])
def test_a_redirect_out_of_the_web_is_refused(server: PhotoServer, target: str, private_redirects: bool) -> None:
    server.answers["/old.jpg"] = status(302, Location=target)
    message = problem(f"{server.address}/old.jpg", private_redirects=private_redirects)
    assert message.startswith("the server redirects to what is no address of the web")
    assert server.requests == {"GET /old.jpg": 1}


def test_names_of_files_arrive_as_they_are(server: PhotoServer, tmp_path: Path) -> None:
    from camcore.study.inputs.addresses import join

    for name, path in {"a b#1?.jpg": "/a%20b%231%3F.jpg", "100%/é+.jpg": "/100%25/%C3%A9%2B.jpg"}.items():
        server.answers[path] = data(name.encode())
        assert RemoteFiles().read(join(f"{server.address}/?signature=a%2Bb%26", name)).content == name.encode()
        assert server.requests[f"GET {path}?signature=a%2Bb%26"] == 1


def test_words_of_a_driver_are_passed_on_without_secrets(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES", ())
    monkeypatch.setattr(memory, "cat_file", lambda address, **_: int(address))
    monkeypatch.setattr(remote_errors, "public_name", lambda address: address.replace("?signature", ""))
    assert problem("memory://a?signature") == "the file cannot be read (ValueError): run the same command again later"
    assert problem("memory://a").startswith("the file cannot be read (ValueError): ")
    monkeypatch.setattr(memory, "cat_file", lambda _address, **_: int("b"))
    assert "(ValueError: invalid literal for int() with base 10: 'b')" in problem("memory://a")


@pytest.mark.parametrize(
    ("address", "missing", "message"),
    [
        ("s3://b/1.jpg", "s3fs", "photos at s3:// addresses need a package: pip install fsspec s3fs"),
        ("gs://b/1.jpg", "gcsfs", "photos at gs:// addresses need a package: pip install fsspec gcsfs"),
        ("https://h/1.jpg", "aiohttp", "photos at https:// addresses need a package: pip install fsspec aiohttp"),
        ("memory://h/1.jpg", "fsspec", "photos at memory:// addresses need a package: pip install fsspec"),
        (
            "ftp://h/1.jpg",
            "",
            "photos cannot be read from ftp:// addresses: use s3://, gs://, az://, https://, http://",
        ),
    ],
)
def test_what_cannot_be_read_here_is_refused(
    address: str, missing: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "find_spec", lambda name: None if name == missing else find_spec("fsspec"))
    for read in (RemoteFiles().check, RemoteFiles().read, RemoteFiles().version, RemoteFiles().photos):
        with pytest.raises(StudyError, match=re.escape(message)):
            read(address)


@pytest.fixture
def photos(imagenet_photos: list[Path]) -> list[bytes]:
    return [path.read_bytes() for path in imagenet_photos[:3]]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_PAUSE", 0.2)


def study(out: Path, artifacts: Path, source: Path | str, *more: str) -> int:
    return main(["study", str(source), *more, "--artifacts", str(artifacts), "--out", str(out)])


def everything_in(out: Path) -> str:
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in out.rglob("*") if path.is_file())


@pytest.mark.usefixtures("without_faithfulness", "impatient")
def test_every_photo_of_a_bad_server_has_its_row(
    server: PhotoServer, photos: list[bytes], quick_artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = {
        "/good.jpg": data(photos[0]),
        "/busy.jpg": in_turn(status(500), data(photos[1])),
        "/cut.jpg": data(photos[0][:5000], declared=len(photos[0])),
        "/slow.jpg": stalled(photos[0], 5),
        "/page.jpg": data(b"<html>", Content_Type="text/html"),
        "/text.jpg": data(b"words"),
        "/inside.jpg": status(302, Location=f"http://localhost:{server.port}/good.jpg"),
        "/closed.jpg": status(403),
    }
    reasons = {
        "busy": "", "closed": "access to this address is refused", "cut": "ends before the file does", "good": "",
        "inside": "--private-redirects", "none": "there is no file at this address", "page": "a web page, not a photo",
        "slow": "too slowly", "text": "this file is not a photo",
    }  # fmt: skip
    host = server.address.removeprefix("http://")
    lines = [f"HTTP://user:pa55word@{host}/{name}.jpg?signature={name}" for name in reasons]
    (tmp_path / "list.txt").write_text("\n".join([*lines, lines[0]]))
    assert study(tmp_path / "out", quick_artifacts, tmp_path / "list.txt") == 1
    found_errors = {row["file"]: row["error"] or "" for row in rows(tmp_path / "out")}
    assert found_errors.keys() == {f"{server.address}/{name}.jpg" for name in reasons}
    for name, reason in reasons.items():
        error = found_errors[f"{server.address}/{name}.jpg"]
        assert reason in error
        assert bool(error) == bool(reason)
    messages = capsys.readouterr().err
    assert "Traceback" not in messages
    assert f"lists more than once, which counts as one photo each, 1 photo: {server.address}/busy.jpg" in messages
    assert not any(secret in messages + everything_in(tmp_path / "out") for secret in ("user:", *SECRETS[1:]))


@pytest.mark.usefixtures("without_faithfulness")
def test_results_equal_those_of_photos_on_disk_and_unchanged_photos_stay_on_their_server(
    server: PhotoServer, photos: list[bytes], quick_artifacts: Path, tmp_path: Path
) -> None:
    (tmp_path / "badger").mkdir()
    names = ["badger/a b.jpg", "badger/b.jpg", "c.jpg"]
    for name, content in zip(names, photos, strict=True):
        (tmp_path / name).write_bytes(content)
        server.answers["/root/" + name.replace(" ", "%20")] = data(content, ETag=f'"{name}"')
    (tmp_path / "boxes.json").write_text(
        '{"detection_categories": {"1": "animal"}, "images": [{"file": "badger/a b.jpg", "detections": '
        '[{"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4]}]}]}'
    )
    (tmp_path / "table.csv").write_text("file,site\n" + "".join(f"{name},north\n" for name in names))
    options = ("--boxes", str(tmp_path / "boxes.json"))
    assert study(tmp_path / "disk", quick_artifacts, tmp_path / "table.csv", *options) == 0
    root = f"{server.address.replace('//', '//user:pa55word@')}/root?signature"
    for _ in range(2):
        assert study(tmp_path / "web", quick_artifacts, tmp_path / "table.csv", *options, f"--root={root}") == 0
        assert rows(tmp_path / "web") == rows(tmp_path / "disk")
    assert not any(secret in everything_in(tmp_path / "web") for secret in ("user:", *SECRETS[1:]))
    assert f"--root={server.address}/root" in everything_in(tmp_path / "web")
    paths = ["/root/badger/a%20b.jpg?signature", "/root/badger/b.jpg?signature", "/root/c.jpg?signature"]
    assert server.requests == {f"{method} {path}": 1 for method in ("GET", "HEAD") for path in paths}

    server.requests.clear()
    server.answers["/root/c.jpg"] = data(photos[0], ETag='"new"')
    assert study(tmp_path / "web", quick_artifacts, tmp_path / "table.csv", *options, f"--root={root}") == 0
    assert server.requests == {**{f"HEAD {path}": 1 for path in paths}, f"GET {paths[2]}": 1}
    assert rows(tmp_path / "web")[2]["sha256"] == rows(tmp_path / "disk")[0]["sha256"]


@pytest.mark.usefixtures("without_faithfulness")
def test_a_folder_in_memory_is_studied_as_one_on_disk(
    memory: Any, photos: list[bytes], quick_artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in zip(["badger/B.jpg", "badger/deep/a.jpg", "z.JPG"], photos, strict=True):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(content)
        memory.pipe_file(f"/photos/{name}", content)
    for name in ("notes.txt", ".hidden.jpg", ".git/1.jpg", "@eaDir/1.jpg", "badger/clip.mp4"):
        memory.pipe_file(f"/photos/{name}", b"")
    assert study(tmp_path / "disk", quick_artifacts, tmp_path / "photos") == 0
    capsys.readouterr()
    assert study(tmp_path / "out", quick_artifacts, "MEMORY://photos/") == 0
    assert (
        "ignored files without the suffix of a photo: 2, of the suffixes .mp4 (1), .txt (1)" in capsys.readouterr().err
    )
    assert rows(tmp_path / "out") == rows(tmp_path / "disk")
    assert [row["file"] for row in rows(tmp_path / "out")] == ["badger/B.jpg", "badger/deep/a.jpg", "z.JPG"]
    (tmp_path / "list.txt").write_text("memory://photos/badger/B.jpg\nz.JPG\n")
    assert study(tmp_path / "list", quick_artifacts, tmp_path / "list.txt", "--root", "memory://photos") == 0
    listed, walked = rows(tmp_path / "list"), rows(tmp_path / "out")
    assert listed[1] == walked[2]
    assert {**listed[0], "file": "badger/B.jpg", "species": "badger"} == walked[0]


@pytest.mark.slow
def test_a_study_ends_without_complaints_about_connections(
    server: PhotoServer, photos: list[bytes], quick_artifacts: Path, tmp_path: Path
) -> None:
    server.answers["/1.jpg"] = data(photos[0])
    (tmp_path / "list.txt").write_text(f"{server.address}/1.jpg\n{server.address}/none.jpg\n")
    options = ["--artifacts", str(quick_artifacts), "--out", str(tmp_path / "out"), "--sample", "0"]
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-W", "always::ResourceWarning", "-m", "camcore", "study",
         str(tmp_path / "list.txt"), *options],
        capture_output=True, text=True, check=False, timeout=100, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "there is no file at this address" in done.stderr
    assert not re.search(
        r"traceback \(most|unclosed (client|conn|transport)|never retrieved", done.stderr, re.IGNORECASE
    ), done.stderr
