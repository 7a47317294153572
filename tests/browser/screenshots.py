"""`make screenshots`: the three pictures of the page in the README, from photos that the package gradio carries."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from export.pipeline import ExportOptions, export_artifact
from tests.browser.conftest import CHROMIUM, ROOT, served
from tests.conftest import package_folder

WAIT = 60_000  # milliseconds
QUALITY = 82


def main() -> int:
    """Write `compare.webp`, `questions.webp` and `many.webp` into `demo/images`."""
    with tempfile.TemporaryDirectory(prefix="camcore-screenshots-") as folder, sync_playwright() as playwright:
        artifact = export_artifact(ExportOptions(model="efficientnet_lite0", out=Path(folder) / "efficientnet_lite0"))
        with served(artifact) as server:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
            page.goto(server.address)
            _take(page)
            browser.close()
    return 0


def _take(page: Page) -> None:
    cats = package_folder("gradio") / "media_assets" / "images"
    page.locator("#photo input[type=file]").first.set_input_files(cats / "cheetah.jpg")
    expect(page.locator("#status")).to_contain_text("Done", timeout=WAIT)
    page.get_by_role("button", name="Is the heat on the animal?").click()
    for label, value in zip(("Left %", "Top %", "Right %", "Bottom %"), ("17", "33", "75", "69"), strict=True):
        page.get_by_label(label).fill(value)
    expect(page.locator("#where")).to_contain_text("Lift")
    page.set_viewport_size({"width": 1280, "height": 860})
    page.evaluate("window.scrollTo(0, 0)")
    _save(page.screenshot(), "compare")
    page.get_by_role("button", name="Is the heat on the animal?").click()
    page.get_by_role("button", name="Do the hot places matter to the model?").click()
    page.get_by_role("button", name="Measure").click()
    expect(page.locator("#faithful table")).to_have_count(2, timeout=WAIT)
    page.set_viewport_size({"width": 1280, "height": 1500})
    _save(page.locator("#how-faithful").screenshot(), "questions")
    page.set_viewport_size({"width": 1280, "height": 700})
    page.get_by_role("tab", name="Many photos").click()
    page.locator("#many-upload input[type=file]").set_input_files(
        [cats / name for name in ("lion.jpg", "cheetah1.jpg", "cheetah.jpg", "tower.jpg")]
    )
    page.locator("#many-start").click(timeout=WAIT)
    expect(page.locator("#many-status")).to_contain_text("Done: 4 photos", timeout=WAIT)
    _save(page.screenshot(full_page=True), "many")


def _save(png: bytes, name: str) -> None:
    Image.open(io.BytesIO(png)).convert("RGB").save(ROOT / "demo" / "images" / f"{name}.webp", quality=QUALITY)


if __name__ == "__main__":
    sys.exit(main())
