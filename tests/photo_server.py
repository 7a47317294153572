"""A web server on this computer that answers as a test wants, well or badly, and notes what it was asked for."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = Callable[[BaseHTTPRequestHandler], None]


class PhotoServer:
    """Answers by the path of a request, without its query; `requests` counts them, such as `GET /1.jpg?a`."""

    def __init__(self, port: int):
        self.address = f"http://127.0.0.1:{port}"
        self.port = port
        self.answers: dict[str, Answer] = {}
        self.requests: Counter[str] = Counter()


@contextmanager
def serving() -> Iterator[PhotoServer]:
    """Serve on 127.0.0.1, with connections that stay open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            server.requests[f"{self.command} {self.path}"] += 1
            server.answers.get(self.path.partition("?")[0], status(404))(self)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        server = PhotoServer(http.server_port)
        thread = Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def data(content: bytes, *, declared: int | None = None, **headers: str) -> Answer:
    """Return an answer with a content, which may end before its `declared` length."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in {"Content-Length": str(declared or len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(content)
        handler.close_connection = declared is not None

    return answer


def status(code: int, **headers: str) -> Answer:
    """Return an answer with a status and no content, such as a redirect to `Location`."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Return what answers differently each time, the last answer for ever."""
    left = list(answers)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer


def without_head(answer: Answer) -> Answer:
    """Return an answer that refuses requests for headers alone."""
    return lambda handler: (answer if handler.command == "GET" else status(405))(handler)


def stalled(content: bytes, seconds: float) -> Answer:
    """Return an answer that pauses after half of its content."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        data(content[: len(content) // 2], declared=len(content))(handler)
        time.sleep(seconds)

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Answer without an end and without a length."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    try:
        while True:
            handler.wfile.write(bytes(100_000))
    except OSError:  # the client has gone
        pass
