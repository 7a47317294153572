"""The app in its Space, seen from outside: whether it answers, what it answers, and how much memory it takes."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from gradio_client import Client, handle_file

from tests.space.environment import MODEL, RehearsalError, space_host
from tests.space.memory import Memory, weigh

CORES = 2  # of the basic CPU
PATIENCE = 600.0  # seconds for anything at all to happen
END = 30.0  # seconds from SIGTERM to the end, after which a container is killed
_LAST_LINES = 20
_RELOAD_PORT = 7887
_METHODS = ["grad-cam", "grad-cam++", "score-cam"]
_nearby = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Start:
    """How the app is started: by which Python, in which folder, and which variables it sees."""

    python: Path
    app: Path
    app_file: str
    variables: Mapping[str, str]


class Server:
    """A running app: `address`, and what it has printed."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, say: Callable[[str], None]):
        self.address = f"http://127.0.0.1:{port}/"
        self.printed: list[str] = []
        self._answers = False
        self._process = process
        self._started = time.perf_counter()
        self._reader = Thread(target=self._listen, args=(say,), daemon=True)
        self._reader.start()

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.perf_counter() - self._started

    def _listen(self, say: Callable[[str], None]) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.printed.append(line.rstrip())
            if not self._answers:  # what it prints later matters only if something fails
                say(f"{self.seconds:5.1f} s  {line.rstrip()}")

    def wait(self) -> None:
        """Wait until the page answers.

        Raises:
            RehearsalError: if the server ends instead, or nothing comes.
        """
        while self.seconds < PATIENCE:
            if self._process.poll() is not None:
                self._reader.join(END)
                last = self.printed[-1] if self.printed else "it printed nothing"
                raise RehearsalError(f"app.py ended with exit code {self._process.returncode}: {last}")
            with suppress(URLError, ConnectionError, TimeoutError):
                self.get("config")
                self._answers = True
                return
            time.sleep(0.1)
        raise RehearsalError(f"app.py did not answer within {PATIENCE:.0f} s")

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[Mapping[str, str], str]:
        """Headers and body of a page, asked for without a proxy."""
        with _nearby.open(Request(self.address + path, headers=dict(headers or {})), timeout=PATIENCE) as answer:
            return answer.headers, answer.read().decode()

    def connect(self) -> Client:
        """A client of its endpoints."""
        return Client(
            self.address, verbose=False, analytics_enabled=False, httpx_kwargs={"trust_env": False, "timeout": PATIENCE}
        )

    def memory(self) -> Memory:
        """Memory of the server's process and of those it has started."""
        return weigh(self._process.pid)

    def stop(self) -> float:
        """Stop it as a Space is stopped, and return the seconds that took.

        Raises:
            RehearsalError: if it does not end by itself, or ends as if something had gone wrong.
        """
        begun = time.perf_counter()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(END)
        except subprocess.TimeoutExpired:
            raise RehearsalError(f"the server did not end within {END:.0f} s of SIGTERM") from None
        if code:
            raise RehearsalError(f"after SIGTERM the server ended with exit code {code} rather than 0")
        return time.perf_counter() - begun


@contextmanager
def running(start: Start, say: Callable[[str], None]) -> Iterator[Server]:
    """The app, running on two cores and seeing these variables only."""
    with (
        _held(_RELOAD_PORT),
        subprocess.Popen(
            [str(start.python), start.app_file],
            cwd=start.app,
            env=start.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        os.sched_setaffinity(process.pid, sorted(os.sched_getaffinity(0))[:CORES])
        server = Server(process, int(start.variables["GRADIO_SERVER_PORT"]), say)
        try:
            yield server
        except RehearsalError:
            say("\n".join(["the server's last lines:", *server.printed[-_LAST_LINES:]]))
            raise
        finally:
            with suppress(ProcessLookupError):  # its children too, if it has left any
                os.killpg(process.pid, signal.SIGKILL)


def check_proxied(server: Server) -> None:
    """See that the page works under the Space's name, and may be shown inside the hub's page.

    Raises:
        RehearsalError: if its own links lead elsewhere, or a browser would refuse to frame it.
    """
    forwarded = {"Host": space_host(), "X-Forwarded-Host": space_host(), "X-Forwarded-Proto": "https"}
    root = json.loads(server.get("config", forwarded)[1])["root"]
    if root != f"https://{space_host()}":
        raise RehearsalError(f"under the Space's name the page's links lead to {root}, not to https://{space_host()}")
    headers, _ = server.get("", forwarded)
    policy = headers.get("Content-Security-Policy", "")
    if "X-Frame-Options" in headers or ("frame-ancestors" in policy and "huggingface.co" not in policy):
        raise RehearsalError("the page forbids being framed, so that the hub cannot show it: allow huggingface.co")


def explain(client: Client, photo: Path) -> dict[str, Any]:
    """Explain a photo as a program would, and return the record.

    Raises:
        RehearsalError: if there is none by each method, with its picture, of the model that was cached.
    """
    try:
        record, *pictures = client.submit(handle_file(str(photo)), api_name="/explain").result(PATIENCE)
    except Exception as error:  # gradio_client raises what the server says, and what the network does
        raise RehearsalError(f"{photo.name} was not explained: {error}") from error
    if record["model"] != MODEL:
        raise RehearsalError(f"{photo.name} was explained with {record['model']}, not with {MODEL}, which was cached")
    found = [explanation["method"] for explanation in record.get("explanations", ())]
    if sorted(found) != _METHODS:
        raise RehearsalError(f"{photo.name} was explained by {', '.join(found) or 'no method'}: {record.get('error')}")
    if not all(picture and Path(picture).stat().st_size for picture in pictures[:-1]):  # the last are maps as numbers
        raise RehearsalError(f"{photo.name} was explained without the pictures of it")
    return dict(record)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _held(port: int) -> Iterator[None]:
    """Keep gradio's hot reload out: on a Space it writes what it is sent into the app's folder, and on this machine it
    would listen to the whole network. It then says that the address is in use.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # then somebody else keeps it out
            holder.bind(("127.0.0.1", port))
            holder.listen()
        yield
