"""`python -m tests.bench endpoints`: what a program waits for, and what the page open beside it feels of that."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from gradio_client import Client, handle_file
from playwright.sync_api import Page, expect, sync_playwright

from tests.bench.machine import describe_machine, describe_versions, resident_memory
from tests.bench.scene import Scene, bundled_photo, prepare_scene
from tests.bench.timing import in_turns
from tests.browser.conftest import CHROMIUM, Served, served

_CLIENTS = 10
_LIMIT = 600.0  # seconds


def main(arguments: list[str]) -> int:
    """Measure, and print a Markdown table. Returns 0 whatever the figures are."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        print(f"exporting a {options.model} of seeded weights", file=sys.stderr, flush=True)
        scene = prepare_scene(Path(folder), options.model, bundled_photo())
        if options.beside:
            _print_beside(scene, options.beside, options.calls)
            return 0
        with served(scene.artifact) as server, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(server.address)
            page.locator("#examples button").first.click()
            page.locator("#status", has_text="Done").wait_for(timeout=120_000)
            rows = _measure(server, page, options.calls)
            chromium.close()
    print(f"{describe_machine()}; {describe_versions()}.")
    print(f"{options.model} of seeded weights; {options.calls} calls each by gradio_client, after one to warm up.\n")
    print("| | median | 95th percentile | most |\n| --- | ---: | ---: | ---: |")
    for name, *values in rows:
        print(f"| {name} | {' | '.join(values)} |")
    return 0


def _print_beside(scene: Scene, checkout: Path, calls: int) -> None:
    """Call the endpoints of this version and of another in turns, both served at once, and print a Markdown table."""
    other = scene.root / "other"
    command = [sys.executable, "-m", "export", "--model", scene.model, "--weights", str(scene.weights)]
    subprocess.run([*command, "--out", str(other)], cwd=checkout, check=True, timeout=_LIMIT)
    print(f"{describe_machine()}; {describe_versions()}.")
    print(f"{scene.model} of seeded weights; {calls} calls each in turns, after one to warm up.\n")
    print(
        f"| median, ms | this version | {checkout.name} | ratio, median of the rounds |\n| --- | ---: | ---: | ---: |"
    )
    with served(scene.artifact) as page, served(other, checkout) as other_page:
        clients = {"this": _connect(page.address), "other": _connect(other_page.address)}
        for endpoint in ("/predict", "/explain"):
            works = {
                name: partial(client.predict, handle_file(bundled_photo()), api_name=endpoint)
                for name, client in clients.items()
            }
            this, that = ([1000 * sample.seconds for sample in runs] for runs in in_turns(works, calls).values())
            ratio = median(new / old for new, old in zip(this, that, strict=True))
            print(f"| `{endpoint}` | {median(this):.0f} | {median(that):.0f} | {ratio:.3f} |", flush=True)


def _measure(server: Served, page: Page, calls: int) -> list[tuple[str, ...]]:
    """Rows of the table: a name, and what was found."""
    photo = handle_file(bundled_photo())
    client = _connect(server.address)
    rows = []
    before = 0.0
    for endpoint in ("/predict", "/explain"):
        once = partial(client.predict, photo, api_name=endpoint)
        once()
        before = before or resident_memory(server.pid)
        rows.append((f"`{endpoint}`, one after another, ms", *_told([_timed(once) for _ in range(calls)])))
    clients = [_connect(server.address) for _ in range(_CLIENTS)]
    with ThreadPoolExecutor(_CLIENTS) as pool:
        waiting = [pool.submit(_timed, partial(each.predict, photo, api_name="/explain")) for each in clients]
        felt = []
        while not all(each.done() for each in waiting):
            felt.append(_timed(partial(_mistype, page, f"no such bird {len(felt)}")))
        rows.append((f"`/explain`, {_CLIENTS} clients at once, ms", *_told([each.result(_LIMIT) for each in waiting])))
    rows.append(("… the page's answer to a mistyped class meanwhile, ms", *_told(felt)))
    after = resident_memory(server.pid)
    rows.append(("memory of the server after the first call and after all, GB", f"{before:.2f}", "", f"{after:.2f}"))
    return rows


def _connect(address: str) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


def _timed(call: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def _mistype(page: Page, name: str) -> None:
    """Ask the page for a class that is not there, which it answers without the model."""
    box = page.get_by_label("Ask about another name")
    box.fill(name)
    box.press("Enter")
    expect(page.locator("#class-message")).to_contain_text(name, timeout=120_000)


def _told(values: list[float]) -> tuple[str, str, str]:
    """Median, 95th percentile and most."""
    high = quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
    return f"{median(values):.0f}", f"{high:.0f}", f"{max(values):.0f}"


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench endpoints", description="Waiting times of programs.")
    parser.add_argument("--model", metavar="NAME", default="resnet50", help="default: resnet50")
    parser.add_argument("--calls", type=int, default=50, metavar="N", help="of each endpoint (default: 50)")
    beside = "checkout of another version, whose endpoints are called in turns with those of this one"
    parser.add_argument("--beside", type=Path, metavar="DIR", help=beside)
    return parser.parse_args(arguments)
