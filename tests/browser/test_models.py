"""Several exported models on one page."""

import json
import re
import shutil
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import served, visited
from tests.browser.test_page import upload, wait_until_done


def test_another_model_explains_the_same_photo(
    context: BrowserContext, stand_in_artifacts: Path, animal_photos: list[Path], tmp_path: Path
) -> None:
    """The second model is the first with other labels, so that its answers can be told."""
    for name in ("efficientnet_lite0", "ours"):
        shutil.copytree(stand_in_artifacts / "efficientnet_lite0", tmp_path / name)
    manifest = json.loads((tmp_path / "ours" / "manifest.json").read_text())
    manifest |= {"weights": "ours.pth", "labels": [f"our {label}" for label in manifest["labels"]]}
    (tmp_path / "ours" / "manifest.json").write_text(json.dumps(manifest))
    with served(tmp_path) as ours, visited(context, ours.address, 1280, "light") as page:
        upload(page, animal_photos[0])
        wait_until_done(page, "lion")
        page.get_by_role("button", name="How it is computed").click()
        page.get_by_label("Model", exact=True).click()
        page.get_by_role("option", name="ours").click()
        wait_until_done(page, "our lion")
        expect(page.locator("#model-description")).to_contain_text("weights ours.pth")
        expect(page.get_by_role("radio", name=re.compile("^our lion"))).to_be_checked()
        box = page.get_by_label("Ask about another name")
        box.fill("our cheetah")
        box.press("Enter")
        wait_until_done(page, "our cheetah")
        link = page.locator("#page-link a").get_attribute("href") or ""
        assert "model=ours" in link
