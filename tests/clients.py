"""Clients of the page that explain, cancel, leave or never read: `python -m tests.clients [SECONDS] [CLIENTS]`.

One client explains alone first, then all do. The page is then left alone until its hour, here some seconds, is over.
"""

import json
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from threading import Lock
from typing import Any

import httpx

from tests.bench.machine import resident_memory
from tests.browser.conftest import Served, served

API, LIMIT = "/gradio_api", 600.0
KEPT = 60.0  # seconds that the page keeps files and sessions, instead of an hour: longer than a request may wait
_EFFORT = 24  # forwards of each explanation
BUSY = "busy"
_COUNTS, _TEMPORARY = "sessions.txt", "temporary"


@dataclass
class Load:
    """What clients met, in one stretch of time.

    `waits` has, for each complete answer, the seconds since its upload began, and its place in Gradio's queue when it
    was admitted, of which 1 runs at once.
    """

    seconds: float
    complete: int = 0  # explanations that ended within this time
    outcomes: Counter[str] = field(default_factory=Counter)
    waits: list[tuple[float, int]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @property
    def throughput(self) -> float:
        """Return the complete explanations per second."""
        return self.complete / self.seconds

    @property
    def seconds_per_place(self) -> list[float]:
        """Return the waiting time of each answer over its place in the queue."""
        return [seconds / place for seconds, place in self.waits]


@dataclass(frozen=True)
class Endpoint:
    """The endpoint `/explain` as Gradio's clients call it: the number of its function, and its values but the photo."""

    number: int
    values: tuple[Any, ...]

    @classmethod
    def of(cls, address: str) -> "Endpoint":
        """Read the page's description of its functions, as gradio_client does."""
        functions = httpx.get(f"{address}/config", timeout=LIMIT).json()["dependencies"]
        info = httpx.get(f"{address}{API}/info", timeout=LIMIT).json()["named_endpoints"]["/explain"]
        defaults = {entry["parameter_name"]: entry.get("parameter_default") for entry in info["parameters"]}
        del defaults["photo"]
        (number,) = (function["id"] for function in functions if function["api_name"] == "explain")
        return cls(number, tuple({**defaults, "effort": str(_EFFORT)}.values()))


class Client:
    """One client, with a connection of its own, which calls the page as gradio_client does.

    `running` says whether other clients keep the model busy: a request that is first in the queue then waits for one.
    """

    def __init__(self, address: str, photo: bytes, load: Load, endpoint: Endpoint, *, running: bool):
        self._http = httpx.Client(base_url=address, timeout=LIMIT)
        self._photo, self._load, self._endpoint, self._running = photo, load, endpoint, running
        self._session = self._event = ""
        self.pause = 0.0  # seconds until a client that found the page busy is to try again

    def explain(self) -> str:
        """Wait for the whole answer."""
        start = time.monotonic()
        return self._read(start) if self._ask() else BUSY

    def leave(self) -> str:
        """Close the connection after the first map."""
        if not self._ask():
            return BUSY
        return "left" if self._read(until_first_map=True) is None else "answered before it left"

    def cancel(self) -> str:
        """Cancel the request after the first map, as Gradio's own client does."""
        if not self._ask():
            return BUSY
        if self._read(until_first_map=True) is not None:
            return "answered before it was cancelled"
        body = {"session_hash": self._session, "fn_index": self._endpoint.number, "event_id": self._event}
        self._http.post(f"{API}/cancel", json=body).raise_for_status()
        return "cancelled"

    def never_read(self) -> str:
        """Ask, and never fetch the answer."""
        return "never read" if self._ask() else BUSY

    def _ask(self) -> bool:
        """Ask for an explanation of a new upload, and return False if the page is busy."""
        files = {"files": (f"{secrets.token_hex(4)}.jpg", self._photo)}
        (path,) = self._http.post(f"{API}/upload", files=files).raise_for_status().json()
        self._session = secrets.token_hex(8)
        values = [{"path": path, "meta": {"_type": "gradio.FileData"}}, *self._endpoint.values]
        call = {"data": values, "fn_index": self._endpoint.number, "session_hash": self._session}
        response = self._http.post(f"{API}/queue/join", json=call)
        if response.status_code == 503 and "busy" in response.json()["detail"]:
            self.pause = float(response.headers["retry-after"])
            return False
        self._event = response.raise_for_status().json()["event_id"]
        return True

    def _read(self, start: float = 0.0, *, until_first_map: bool = False) -> str | None:
        """Read the answer, and return what became of it, or None if it was left after the first map."""
        place = 1
        with self._http.stream("GET", f"{API}/queue/data", params={"session_hash": self._session}) as stream:
            for line in stream.raise_for_status().iter_lines():
                message = json.loads(line.removeprefix("data: ") or "{}")
                match message.get("msg"):
                    case "estimation" if place == 1:
                        place = message["rank"] + 1 + self._running
                    case "process_generating" if until_first_map:
                        return None
                    case "process_completed":
                        if not message["success"]:
                            return f"failed: {message['output']}"
                        if start:
                            with self._load.lock:
                                self._load.waits.append((time.monotonic() - start, place))
                        return "explained"
        return "ended without an answer"


def run_load(address: str, photo: bytes, seconds: float, clients: int, ways: tuple[str, ...]) -> Load:
    """Let clients use the page for so many seconds, each in a way drawn from `ways`, again and again.

    A client that found the page busy waits as long as the answer says.
    """
    load, end, endpoint = Load(seconds), time.monotonic() + seconds, Endpoint.of(address)

    def use(number: int) -> None:
        chance, client = random.Random(number), Client(address, photo, load, endpoint, running=clients > 1)
        while time.monotonic() < end:
            act: Callable[[], str] = getattr(client, chance.choice(ways))
            try:
                outcome = act()
            except Exception as error:  # whatever it is, it is what a client should not meet
                outcome = f"{type(error).__name__}: {error}"[:200]
            with load.lock:
                load.outcomes[outcome] += 1
                load.complete += outcome == "explained" and time.monotonic() < end
            if outcome == BUSY:
                time.sleep(chance.uniform(0, 2 * client.pause))

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(use, range(clients)))
    return load


@dataclass(frozen=True)
class Held:
    """What a page holds: its memory in GB, its threads and open files, and the files, folders and sessions of visitors.

    The memory and the open files include those of the processes that decode photos.
    """

    memory: float
    threads: int
    open_files: int
    files: int
    sessions: int

    @classmethod
    def of(cls, page: Served, folder: Path) -> "Held":
        """Measure a running page of `short_lived`."""
        processes = descendants(page.pid)
        return cls(
            memory=sum(map(resident_memory, processes)),
            threads=len(list(Path(f"/proc/{page.pid}/task").iterdir())),
            open_files=sum(len(list(Path(f"/proc/{process}/fd").iterdir())) for process in processes),
            files=sum(path.name != ".ses" for path in (folder / _TEMPORARY).rglob("*")),
            sessions=_sessions(page, folder / _COUNTS),
        )


def descendants(pid: int) -> list[int]:
    """Return a process and all that it and its own processes have started."""
    children = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return [pid, *(descendant for child in children for descendant in descendants(int(child)))]


def _sessions(page: Served, counts: Path) -> int:
    counts.unlink(missing_ok=True)
    os.kill(page.pid, signal.SIGUSR1)
    end = time.monotonic() + 30
    while not counts.exists() and time.monotonic() < end:
        time.sleep(0.1)
    return int(counts.read_text())


def unexpected(outcomes: Counter[str]) -> Counter[str]:
    """Return what clients met besides what they wanted and a stated "busy"."""
    return Counter({name: number for name, number in outcomes.items() if name not in _EXPECTED})


@dataclass(frozen=True)
class Result:
    """One soak: one client alone, all that explain, all in every way, and what the page holds before and after."""

    alone: Load
    explaining: Load
    mixed: Load
    before: Held
    after: Held

    @property
    def failures(self) -> Counter[str]:
        """Return what clients met besides what they wanted and a stated "busy"."""
        counts = self.alone.outcomes + self.explaining.outcomes + self.mixed.outcomes
        return unexpected(counts)

    @property
    def throughput_ratio(self) -> float:
        """Return how many explanations per second all clients get, over what one client gets alone."""
        return self.explaining.throughput / self.alone.throughput

    def waiting_ratio(self, load: Load) -> float:
        """Return the 95th percentile of the waiting time per place, over the time that one client waits alone."""
        seconds = load.seconds_per_place
        slowest = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else float("nan")
        return slowest / median(self.alone.seconds_per_place)


_EXPECTED = {
    "explained", "left", "answered before it left", "cancelled", "answered before it was cancelled", "never read", BUSY,
}  # fmt: skip
WAYS = ("explain", "explain", "cancel", "leave", "never_read")


@contextmanager
def short_lived(artifacts: Path, folder: Path, kept: float) -> Iterator[tuple[Served, str]]:
    """Serve a page that keeps what visitors leave for so many seconds, and yield it with its address.

    `folder` is empty before, and has the page's temporary files.
    """
    (folder / _TEMPORARY).mkdir()
    module = ("tests.short_lived_page", str(kept), str(folder / _COUNTS))
    with served(artifacts, module=module, environment={"TMPDIR": str(folder / _TEMPORARY)}) as page:
        yield page, page.address.rstrip("/")


def soak(artifacts: Path, photo: bytes, seconds: float, clients: int, folder: Path) -> Result:
    """Serve a page with these models and temporary files in an empty folder, and use it for so many seconds in all."""
    with short_lived(artifacts, folder, KEPT) as (page, address):
        run_load(address, photo, seconds / 10, clients, WAYS)  # so that what is made once has been made
        leave_alone(address, KEPT)
        before = Held.of(page, folder)
        alone = run_load(address, photo, 2 * seconds / 10, 1, ("explain",))
        explaining = run_load(address, photo, 2 * seconds / 10, clients, ("explain",))
        mixed = run_load(address, photo, 5 * seconds / 10, clients, WAYS)
        leave_alone(address, KEPT)
        return Result(alone, explaining, mixed, before, Held.of(page, folder))


def leave_alone(address: str, kept: float) -> None:
    """Wait until what the page keeps for so many seconds must be gone: it looks for that six times in these."""
    end = time.monotonic() + 1.5 * kept + 1
    while time.monotonic() < end:
        time.sleep(1)
        httpx.get(address, timeout=LIMIT)  # the page still answers


def rows(result: Result) -> list[str]:
    """Return the lines of a Markdown table."""
    before, after = result.before, result.after
    outcomes = ", ".join(f"{number} {name}" for name, number in result.mixed.outcomes.most_common())
    return [
        "| figure | measured | target |",
        "| --- | --- | --- |",
        f'| what clients met, in every way | {outcomes} | no failure but a stated "busy" |',
        f"| failures | {dict(result.failures) or 'none'} | none |",
        f"| one client alone, seconds per explanation | {median(result.alone.seconds_per_place):.2f} | |",
        f"| explanations per second, beside one client's | {result.throughput_ratio:.2f} | at least 0.90 |",
        f"| 95th percentile per place, all explain | {result.waiting_ratio(result.explaining):.2f} | at most 3 |",
        f"| … in every way | {result.waiting_ratio(result.mixed):.2f} | at most 3 |",
        f"| largest place in the queue | {max(place for _, place in result.explaining.waits)} | 21 |",
        f"| memory, GB | {before.memory:.3f}, then {after.memory:.3f} | at most 5% more |",
        f"| threads | {before.threads}, then {after.threads} | no more |",
        f"| open files | {before.open_files}, then {after.open_files} | no more |",
        f"| files and folders of visitors | {before.files}, then {after.files} | no more |",
        f"| sessions | {before.sessions}, then {after.sessions} | no more |",
    ]


def main(seconds: float = 600, clients: int = 50) -> None:
    """Export a model of random weights, run the soak on it, and print the table."""
    from tests.bench.scene import bundled_photo, prepare_scene

    with tempfile.TemporaryDirectory(prefix="camcore-soak-") as folder:
        for name in ("scene", "page"):
            Path(folder, name).mkdir()
        scene = prepare_scene(Path(folder, "scene"), "mobilenet_v2", bundled_photo())
        result = soak(scene.artifact, scene.photo.read_bytes(), seconds, clients, Path(folder, "page"))
    print("\n".join(rows(result)))


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3]))
