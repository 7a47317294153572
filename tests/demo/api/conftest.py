"""A page with its endpoints, and the ways to call them."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client import Client

from camcore import Explainer
from demo.app import build
from demo.server import serve
from demo.service.models import Models

API = "/gradio_api"
LIMIT = 60.0  # seconds that one HTTP request may take


@pytest.fixture(scope="package")
def models(stand_in: Explainer, stand_in_artifacts: Path) -> Models:
    return Models(stand_in, stand_in_artifacts / "efficientnet_lite0")


@pytest.fixture(scope="package")
def blocks(models: Models) -> gr.Blocks:
    return build(models)


@pytest.fixture(scope="package")
def address(blocks: gr.Blocks) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield serve(blocks, None, None, mcp=True).rstrip("/")
    blocks.close(verbose=False)


@pytest.fixture(scope="package")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return connect(address, download_files=str(tmp_path_factory.mktemp("fetched")))


@pytest.fixture(scope="package")
def eagle(imagenet_photos: list[Path]) -> Path:
    return next(path for path in imagenet_photos if path.stem.endswith("_22"))


def connect(address: str, **options: Any) -> Client:
    """Return a gradio_client for the page."""
    return Client(address, verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": LIMIT}, **options)


def upload(address: str, data: bytes, name: str = "photo.jpg") -> dict[str, Any]:
    """Upload a file, and return what a plain HTTP client sends to name it."""
    (path,) = httpx.post(f"{address}{API}/upload", files={"files": (name, data)}, timeout=LIMIT).json()
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def call(address: str, endpoint: str, *data: Any) -> httpx.Response:
    return httpx.post(f"{address}{API}/call/{endpoint}", json={"data": data}, timeout=LIMIT)


def call_by_name(address: str, endpoint: str, **data: Any) -> httpx.Response:
    return httpx.post(f"{address}{API}/call/v2/{endpoint}", json=data, timeout=LIMIT)


def events(address: str, endpoint: str, event_id: str) -> Iterator[tuple[str, Any]]:
    """Yield the name and the data of each event of a call."""
    with httpx.stream("GET", f"{address}{API}/call/{endpoint}/{event_id}", timeout=LIMIT) as stream:
        name = ""
        for line in stream.iter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)


def explain_defaults() -> list[Any]:
    return [None, None, None, None, "paper", "fast", "crop", None, False, "inferno", 0.8, False, None]
