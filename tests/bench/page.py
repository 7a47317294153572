"""`python -m tests.bench page`: what a person waits for, measured in the browser."""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from tests.bench.machine import describe_machine, describe_versions
from tests.bench.scene import bundled_photo, prepare_scene
from tests.browser.conftest import CHROMIUM, served

_LIMITS = (500, 1500, 100)  # milliseconds
_NAMES = ("from click to the first two maps", "from click to the finished fast Score-CAM", "opacity, until repainted")

# From the click on Explain, through the maps' going, until two are back and until the status says that all is done.
_EXPLAIN = """() => new Promise(done => {
  const start = performance.now(), map = index => document.querySelector(`#map-${index} img.heat`);
  let gone = false, two = null;
  const look = () => {
    gone = gone || !map(1);
    if (gone && two === null && map(0) && map(1)) two = performance.now() - start;
    if (two !== null && document.querySelector('#status').innerText.includes('Done')) {
      done([two, performance.now() - start]);
    } else requestAnimationFrame(look);
  };
  document.querySelector('#explain').click();
  requestAnimationFrame(look);
})"""

# From the input event of the slider until the frame after the one in which the heat's opacity is another.
_FADE = """value => new Promise(done => {
  const heat = document.querySelector('#map-0 img.heat'), slider = document.querySelector('#opacity input[type=range]');
  const start = performance.now(), before = getComputedStyle(heat).opacity;
  const look = () => {
    if (getComputedStyle(heat).opacity !== before) requestAnimationFrame(() => done(performance.now() - start));
    else requestAnimationFrame(look);
  };
  slider.value = value;
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  requestAnimationFrame(look);
})"""


def main(arguments: list[str]) -> int:
    """Measure, and print a Markdown table. Returns 0 whatever the figures are."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="camcore-bench-") as folder:
        print(f"exporting a {options.model} of seeded weights", file=sys.stderr, flush=True)
        scene = prepare_scene(Path(folder), options.model, bundled_photo())
        with served(scene.artifact) as server, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(server.address)
            rows = _measure(page, options.rounds)
            said = page.locator("#map-2 .figures").inner_text()
            chromium.close()
    print(f"{describe_machine()}; {describe_versions()}.")
    print(f"{options.model} of seeded weights in Chromium, {options.rounds} rounds after one to warm up; {said}.\n")
    print("| milliseconds | median | most | target |\n| --- | ---: | ---: | --- |")
    for name, limit, values in zip(_NAMES, _LIMITS, rows, strict=True):
        met = "met" if median(values) <= limit else "missed"
        print(f"| {name} | {median(values):.0f} | {max(values):.0f} | at most {limit} ({met}) |")
    return 0


def _measure(page: Page, rounds: int) -> list[list[float]]:
    page.locator("#examples button").first.click()
    page.locator("#status", has_text="Done").wait_for(timeout=120_000)
    page.evaluate(_EXPLAIN)
    both, faded = [], []
    for number in range(rounds):
        page.wait_for_timeout(700)
        both.append(page.evaluate(_EXPLAIN))
        faded.append(page.evaluate(_FADE, str(0.3 + 0.05 * (number % 10))))
    first, finished = zip(*both, strict=True)
    return [list(first), list(finished), faded]


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench page", description="Waiting times, in the browser.")
    parser.add_argument(
        "--model", metavar="NAME", default="resnet50", help="default: resnet50, for which the targets are"
    )
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="default: 9")
    return parser.parse_args(arguments)
