"""A small page behind the gateway, served as the real one is, and the same page without the gateway."""

import json
import re
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import FileData

from demo import server as launch
from demo.compare.photo_input import PhotoInput
from demo.server import serve
from demo.service.event_settings import PRIVATE
from demo.service.queue import RECEIVED_AT

API = "/gradio_api"
JSON = {"content-type": "application/json"}
SLOW = 10.0  # seconds, also enough on a busy machine
WEBSITE = b"a bird from the web"
ECHO, LOOK, PICK = 0, 1, 2  # numbers of the page's own functions


class Served:
    """A page at an address, with events of its slow endpoint."""

    def __init__(self) -> None:
        self.go_on, self.ended = Event(), Event()
        self.received_at = 0.0
        self.blocks = self._a_page()
        self.address = serve(self.blocks, None, None, mcp=find_spec("mcp") is not None).rstrip("/")
        self.http = httpx.Client(base_url=self.address, trust_env=False, timeout=SLOW)

    def _a_page(self) -> gr.Blocks:
        blocks: gr.Blocks
        with gr.Blocks() as blocks:
            words, button = gr.Textbox(), gr.Button()
            button.click(lambda said: said, words, words, queue=False, **PRIVATE)
            button.click(lambda path: Path(path).read_text(), PhotoInput(), words, **PRIVATE)
            button.click(lambda picked: picked, gr.Radio(["a", "b"]), words, queue=False, **PRIVATE)
            for function in (self.predict, self.explain, self.study):
                gr.api(function, api_name=function.__name__)
        next(fn for fn in blocks.fns.values() if fn.api_name == "study").validator = self._check
        return blocks

    def predict(self, photo: FileData, top: int = 5, request: gr.Request | None = None) -> dict[str, Any]:
        """Say how large a photo is."""
        assert request
        self.received_at = request.request.scope.get(RECEIVED_AT, 0.0)
        return {"bytes": len(Path(photo["path"]).read_bytes()), "top": top}

    def explain(self, steps: int, pause: float = 0.0) -> Iterator[int]:
        """Count, with a pause after each number until `go_on` is set."""
        try:
            for step in range(steps):
                yield step
                self.go_on.wait(pause)
        finally:
            self.ended.set()

    def study(self, photos: FileData, fail: str = "") -> FileData:
        """Return a file, or fail: `fail` is "said" for an error in our own words."""
        if fail == "said":
            raise gr.Error("our own words", print_exception=False)
        if fail:
            raise OSError(photos["path"])
        return FileData(path=photos["path"])

    def _check(self, _photos: Any, fail: str) -> list[dict[str, Any]]:
        return [gr.validate(True, ""), gr.validate(fail != "bad", "this will not do")]

    def upload(self, data: bytes = b"a photo", name: str = "eagle.jpg") -> str:
        """Upload a file, and return its path on the server."""
        (path,) = self.http.post(f"{API}/upload", files={"files": (name, data)}).json()
        return path

    def call(self, name: str, *values: Any) -> httpx.Response:
        """Return the response to a call as curl makes it."""
        return self.http.post(f"{API}/call/{name}", json={"data": values})

    def join(self, number: int, *values: Any) -> httpx.Response:
        """Return the response to a call as the page makes it."""
        body = json.dumps({"data": values, "fn_index": number, "session_hash": "session"})
        return self.http.post(f"{API}/queue/join", content=body, headers=JSON)

    def events(self, name: str, event: str) -> list[tuple[str, Any]]:
        """Return the events of a call."""
        stream = self.http.get(f"{API}/call/{name}/{event}").text
        return [(kind, json.loads(data)) for kind, data in re.findall(r"event: (\w+)\ndata: (.*)\n", stream)]

    def result(self, name: str, *values: Any) -> Any:
        """Return the last output of a call."""
        kind, data = self.events(name, self.call(name, *values).json()["event_id"])[-1]
        assert kind == "complete"
        return data[0]


@pytest.fixture(scope="package", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of uploads."""
    folder = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        yield folder


@pytest.fixture(scope="package")
def page(cache: Path) -> Iterator[Served]:
    """A page behind the gateway."""
    served = Served()
    yield served
    served.blocks.close(verbose=False)


@pytest.fixture(scope="package")
def bare(cache: Path) -> Iterator[Served]:
    """The same page without the gateway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "middleware", lambda _hosts: [])
        served = Served()
    yield served
    served.blocks.close(verbose=False)


@pytest.fixture
def website(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The URL of a photo that Gradio takes for a public one, and the paths that were fetched from its server."""
    fetched: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fetched.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(WEBSITE)))
            self.end_headers()
            self.wfile.write(WEBSITE)

        do_HEAD = do_GET  # noqa: N815 (the name it is called by)

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setattr("safehttpx.is_public_ip", lambda _: True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{time.time_ns()}.jpg", fetched
        server.shutdown()


def file(path: str, **more: Any) -> dict[str, Any]:
    """Return a file as Gradio's clients name it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


def sentence_of(answer: httpx.Response) -> str:
    """Return the sentence of a refusal, whatever its format."""
    if answer.headers["content-type"].startswith("text/plain"):
        return answer.text
    assert answer.headers["content-type"] == "application/json"
    (detail,) = answer.json().values()
    return detail if isinstance(detail, str) else " ".join(entry["message"] for entry in detail if entry["message"])


def files_in(folder: Path) -> set[Path]:
    """Return all files of a folder."""
    return {path for path in folder.rglob("*") if path.is_file()}


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait until a condition is true, and fail after `SLOW` seconds."""
    end = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
