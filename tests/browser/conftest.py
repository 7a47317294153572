"""The page, served by `python -m demo` and opened in Debian's or another Chromium."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Literal, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.processes import END, end

ColourScheme = Literal["light", "dark"]
ROOT = Path(__file__).parents[2]
START = 240  # seconds until a page is served
FINISHED = 60_000  # milliseconds a run may take on a slow machine
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
expect.set_options(timeout=FINISHED / 2)  # five seconds by default, too few while another worker computes
# Nothing beyond this machine can be reached.
_CHROMIUM_OPTIONS = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]  # fmt: skip


class Served(NamedTuple):
    """A running page: its address, and its process."""

    address: str
    pid: int


@contextmanager
def served(
    artifacts: Path,
    checkout: Path = ROOT,
    *,
    module: Sequence[str] = ("demo",),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Served]:
    """A page for these models, of this or another checkout, while it runs."""
    variables = {**os.environ, "NO_PROXY": "localhost,127.0.0.1", "PYTHONUNBUFFERED": "1", **environment}
    command = [sys.executable, "-m", *module, "--artifacts", str(artifacts)]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=variables, cwd=checkout
    )
    address: Future[str] = Future()
    printed: list[str] = []
    reader = Thread(target=_listen, args=(server, address, printed), daemon=True)
    reader.start()
    try:
        yield Served(address.result(START), server.pid)
    finally:
        code = end(server)
        reader.join(END)
    assert printed == [], f"the terminal shows what nobody should have to read: {''.join(printed)}"
    assert code == 0, "the page does not end by itself on SIGTERM"


def _listen(server: "subprocess.Popen[str]", address: "Future[str]", printed: list[str]) -> None:
    """Tell the address of the page once it is served, and keep every line that follows."""
    assert server.stderr
    with server.stderr:
        for line in server.stderr:
            if address.done():
                printed.append(line)
            elif found := re.search(r"page is at (http\S+)", line):
                address.set_result(found[1])
    if not address.done():
        address.set_exception(RuntimeError("the demo ended before it served a page"))


@pytest.fixture(scope="session")
def stand_in_address(stand_in_artifacts: Path) -> Iterator[str]:
    """Address of a page with the stand-in, which runs until the end of the session."""
    with served(stand_in_artifacts) as page:
        yield page.address


@pytest.fixture(scope="session")
def lite0_address(artifacts: Path) -> Iterator[str]:
    """Address of a page with EfficientNet-Lite0, which runs until the end of the session."""
    with served(artifacts) as page:
        yield page.address


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """Address of a running page: with a stand-in where the mark `stand_in` says that the maps do not matter."""
    name = "stand_in_address" if request.node.get_closest_marker("stand_in") else "lite0_address"
    found: str = request.getfixturevalue(name)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, driven by Playwright."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_CHROMIUM_OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """The context of all tests' pages: with a new one for each, every page would be fetched and compiled again."""
    shared_context = browser.new_context()
    yield shared_context
    shared_context.close()


@contextmanager
def visited(context: BrowserContext, address: str, width: int, scheme: ColourScheme) -> Iterator[Page]:
    """The page just opened; fails afterwards if it asked for anything beyond this machine or logged an error."""
    opened = context.new_page()
    opened.set_viewport_size({"width": width, "height": 900})
    opened.emulate_media(color_scheme=scheme)
    opened.set_default_timeout(FINISHED)
    requested: list[str] = []
    errors: list[str] = []
    opened.on("request", lambda request: requested.append(request.url))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(address)
    opened.locator("#explain").wait_for()
    opened.wait_for_timeout(500)  # shown before it reacts, since its scripts are kept
    try:
        yield opened
        opened.evaluate("localStorage.clear()")
    finally:
        opened.close()
    assert [url for url in requested if not url.startswith((address, "data:", "blob:"))] == []
    assert errors == []


WIDE, NARROW = pytest.param((1280, "light"), id="wide-light"), pytest.param((390, "dark"), id="narrow-dark")
# For tests of what does not depend on the layout.
wide = pytest.mark.parametrize("page", [WIDE], indirect=True)
narrow = pytest.mark.parametrize("page", [NARROW], indirect=True)


@pytest.fixture(params=[WIDE, NARROW])
def page(request: pytest.FixtureRequest, context: BrowserContext, address: str) -> Iterator[Page]:
    """The page, wide and light, then narrow and dark; see `visited`."""
    with visited(context, address, *request.param) as opened:
        yield opened
    for other in context.pages:
        other.close()


def look_at(page: Page, name: str) -> None:
    """Write `screenshots/<name>.png`, to be looked at, if the variable SCREENSHOTS is set: it takes seconds."""
    if "SCREENSHOTS" in os.environ:
        Path("screenshots").mkdir(exist_ok=True)
        page.screenshot(path=Path("screenshots") / f"{name}.png", full_page=True)


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Calls `look_at` with a name and the width."""

    def take(name: str) -> None:
        scheme = request.node.callspec.id if hasattr(request.node, "callspec") else "page"
        look_at(page, f"{name}-{scheme}")

    return take
