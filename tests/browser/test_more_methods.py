"""Methods beside the default three on the page."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FINISHED, wide
from tests.browser.test_accessibility import faults


@pytest.mark.stand_in
@wide
def test_chosen_methods_have_panels_are_explained_and_come_back_with_the_address(page: Page) -> None:
    page.locator("#examples button").nth(0).click()
    expect(page.locator("#verdict p")).to_be_visible(timeout=FINISHED)
    expect(page.locator("#more-maps figure")).to_have_count(0)
    page.get_by_role("button", name="More methods").click()
    for name in ("Eigen-CAM", "HiResCAM"):
        page.get_by_role("checkbox", name=re.compile(f"^{name}")).check()
    maps = page.locator("#more-maps figure:has(img.heat) h3")
    expect(maps).to_have_text(["HiResCAM", "Eigen-CAM"], timeout=FINISHED)
    expect(page.locator("#caution")).to_contain_text("Grad-CAM and HiResCAM give the same map here", timeout=FINISHED)
    expect(page.locator("#caution")).to_contain_text("Eigen-CAM knows no class")
    assert faults(page) == set()
    page.wait_for_function("location.search.includes('methods=hirescam%2Ceigen-cam')")
    page.reload()
    expect(maps).to_have_text(["HiResCAM", "Eigen-CAM"], timeout=FINISHED)
    assert parse_qs(urlsplit(page.url).query)["methods"] == ["hirescam,eigen-cam"]
