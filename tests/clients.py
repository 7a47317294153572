"""Clients of the page that explain, cancel, leave or never read: `python -m tests.clients [SECONDS] [CLIENTS]`.

One client explains alone first, then all do. The page is then left alone until its hour, here some seconds, is over.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from threading import Lock

import httpx

from tests.bench.machine import resident_memory
from tests.browser.conftest import Served, served

API, LIMIT = "/gradio_api", 600.0
PAUSE = 0.5  # seconds until a client that found the page busy tries again
KEPT = 20  # seconds that the page keeps files and studies, instead of an hour
_EFFORT = 24  # forwards of each explanation
_BUSY = "busy"


@dataclass
class Load:
    """What clients met, in one stretch of time."""

    seconds: float
    outcomes: Counter[str] = field(default_factory=Counter)
    waits: list[tuple[float, int]] = field(default_factory=list)  # seconds of each answer, and its place in the queue
    waiting: int = 0  # requests that are admitted and not answered yet
    lock: Lock = field(default_factory=Lock)

    @property
    def throughput(self) -> float:
        """Return the complete explanations per second."""
        return self.outcomes["explained"] / self.seconds

    @property
    def seconds_per_place(self) -> list[float]:
        """Return the waiting time of each answer over its place in the queue, from which 1 runs."""
        return [seconds / place for seconds, place in self.waits]


class Client:
    """One client, with a connection of its own."""

    def __init__(self, address: str, photo: bytes, load: Load, explain: int):
        self._http = httpx.Client(base_url=address, timeout=LIMIT)
        self._photo, self._load, self._explain = photo, load, explain

    def explain(self) -> str:
        """Wait for the whole answer."""
        return self._read(until=None)

    def leave(self) -> str:
        """Close the connection after the first map."""
        return self._read(until=1)

    def cancel(self) -> str:
        """Cancel the request after the first map, as Gradio's own client does."""
        return self._read(until=1, cancel=True)

    def never_read(self) -> str:
        """Ask, and never fetch the answer."""
        return "never read" if self._ask() else _BUSY

    def _ask(self) -> str | None:
        """Return the event of an admitted request, or None if the page is busy."""
        (path,) = (
            self._http.post(f"{API}/upload", files={"files": ("photo.jpg", self._photo)}).raise_for_status().json()
        )
        values = {"photo": {"path": path, "meta": {"_type": "gradio.FileData"}}, "effort": str(_EFFORT)}
        response = self._http.post(f"{API}/call/v2/explain", json=values)
        if response.status_code == 503 and "busy" in response.json()["detail"]:
            return None
        return str(response.raise_for_status().json()["event_id"])

    def _read(self, until: int | None, cancel: bool = False) -> str:
        start = time.monotonic()
        event_id = self._ask()
        if event_id is None:
            return _BUSY
        with self._load.lock:
            self._load.waiting += 1
            place = self._load.waiting
        try:
            maps = 0
            with self._http.stream("GET", f"{API}/call/explain/{event_id}") as stream:
                for line in stream.iter_lines():
                    if line == "event: error":
                        return "failed"
                    maps += line == "event: generating"
                    if line == "event: complete":
                        with self._load.lock:
                            self._load.waits.append((time.monotonic() - start, place))
                        return "explained"
                    if until is not None and maps >= until:
                        break
            if cancel:
                body = {"session_hash": event_id, "fn_index": self._explain, "event_id": event_id}
                self._http.post(f"{API}/cancel", json=body).raise_for_status()
            return "cancelled" if cancel else "left"
        finally:
            with self._load.lock:
                self._load.waiting -= 1


def run_load(address: str, photo: bytes, seconds: float, clients: int, ways: tuple[str, ...]) -> Load:
    """Let clients use the page for so many seconds, each in a way drawn from `ways`, again and again."""
    load, end = Load(seconds), time.monotonic() + seconds
    numbers = {entry["api_name"]: entry["id"] for entry in httpx.get(f"{address}/config").json()["dependencies"]}

    def use(number: int) -> None:
        chance, client = random.Random(number), Client(address, photo, load, numbers["explain"])
        while time.monotonic() < end:
            act: Callable[[], str] = getattr(client, chance.choice(ways))
            try:
                outcome = act()
            except Exception as error:  # whatever it is, it is what a client should not meet
                outcome = f"{type(error).__name__}: {error}"[:200]
            with load.lock:
                load.outcomes[outcome] += 1
            if outcome == _BUSY:
                time.sleep(PAUSE)

    start = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(use, range(clients)))
    load.seconds = time.monotonic() - start
    return load


@dataclass(frozen=True)
class Held:
    """What a page holds: its memory in GB, its threads and open files, and the files of its visitors."""

    memory: float
    threads: int
    open_files: int
    files: int

    @classmethod
    def of(cls, page: Served, temporary: Path) -> "Held":
        """Measure a running page, whose temporary files lie in a folder."""
        process = Path(f"/proc/{page.pid}")
        files = [path for path in temporary.rglob("*") if path.is_file() and path.name != ".ses"]
        return cls(
            resident_memory(page.pid), len(list((process / "task").iterdir())), len(list((process / "fd").iterdir())),
            len(files),
        )  # fmt: skip


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
        return Counter({name: number for name, number in counts.items() if name not in _EXPECTED})


_EXPECTED = {"explained", "left", "cancelled", "never read", _BUSY}
WAYS = ("explain", "explain", "cancel", "leave", "never_read")


def soak(artifacts: Path, photo: bytes, seconds: float, clients: int, temporary: Path) -> Result:
    """Serve a page with these models and temporary folder, and use it for so many seconds in all."""
    module = ("tests.short_lived_page", str(KEPT))
    with served(artifacts, module=module, environment={"TMPDIR": str(temporary)}) as page:
        run_load(page.address, photo, seconds / 10, clients, WAYS)  # so that what is made once has been made
        _leave_alone(page)
        before = Held.of(page, temporary)
        alone = run_load(page.address, photo, 2 * seconds / 10, 1, ("explain",))
        explaining = run_load(page.address, photo, 2 * seconds / 10, clients, ("explain",))
        mixed = run_load(page.address, photo, 5 * seconds / 10, clients, WAYS)
        _leave_alone(page)
        return Result(alone, explaining, mixed, before, Held.of(page, temporary))


def _leave_alone(page: Served) -> None:
    """Wait until what the page keeps for a while must be gone: Gradio looks through its files every quarter of it."""
    end = time.monotonic() + 4 * KEPT
    while time.monotonic() < end:
        time.sleep(1)
        httpx.get(page.address, timeout=LIMIT)  # the page still answers


def rows(result: Result) -> list[str]:
    """Return the lines of a Markdown table."""
    alone, crowd = median(result.alone.seconds_per_place), result.explaining.seconds_per_place
    slowest = quantiles(crowd, n=20)[-1] if len(crowd) > 1 else float("nan")
    before, after = result.before, result.after
    outcomes = ", ".join(f"{number} {name}" for name, number in result.mixed.outcomes.most_common())
    share = result.explaining.throughput / result.alone.throughput
    return [
        "| figure | measured | target |",
        "| --- | --- | --- |",
        f'| what clients met, in every way | {outcomes} | no failure but a stated "busy" |',
        f"| failures | {dict(result.failures) or 'none'} | none |",
        f"| explanations per second, beside one client's | {share:.2f} | at least 0.90 |",
        f"| time per place in the queue, 95th percentile, beside one client's | {slowest / alone:.2f} | at most 3 |",
        f"| memory, GB | {before.memory:.3f}, then {after.memory:.3f} | at most 5% more |",
        f"| threads | {before.threads}, then {after.threads} | no more |",
        f"| open files | {before.open_files}, then {after.open_files} | no more |",
        f"| files of visitors | {before.files}, then {after.files} | no more |",
    ]


def main(seconds: float = 600, clients: int = 50) -> None:
    """Export a model of random weights, run the soak on it, and print the table."""
    from tests.bench.scene import bundled_photo, prepare_scene

    with tempfile.TemporaryDirectory(prefix="camcore-soak-") as folder:
        for name in ("scene", "temporary"):
            Path(folder, name).mkdir()
        scene = prepare_scene(Path(folder, "scene"), "mobilenet_v2", bundled_photo())
        result = soak(scene.artifact, scene.photo.read_bytes(), seconds, clients, Path(folder, "temporary"))
    print("\n".join(rows(result)))


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3]))
