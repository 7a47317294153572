"""axe-core on the page's states: no serious fault that is ours, and gradio's by name. `test_report` has the report."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import narrow
from tests.browser.test_page import upload, wait_until_done

pytestmark = pytest.mark.stand_in
# Faults of gradio's own components: the rule, and what it finds. There is none at present; keep it so.
GRADIOS: set[tuple[str, str]] = set()


def faults(page: Page) -> set[tuple[str, str]]:
    """What axe-core finds serious or critical: rules and the elements that break them."""
    page.wait_for_timeout(300)  # what fades in has its colours by then
    found = Axe().run(page).response["violations"]
    return {
        (fault["id"], node["html"][:120])
        for fault in found
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    } - GRADIOS


def faults_at_both_widths(page: Page) -> set[tuple[str, str]]:
    """What axe-core finds at 1280 and at 390 pixels; the page is opened in both colour schemes."""
    size = page.viewport_size
    assert size
    found = faults(page)
    page.set_viewport_size({**size, "width": 1280 + 390 - size["width"]})
    found |= faults(page)
    page.set_viewport_size(size)
    return found


def test_no_serious_fault_before_and_after_a_photo(page: Page, animal_photos: list[Path]) -> None:
    assert faults_at_both_widths(page) == set()
    upload(page, animal_photos[0])
    wait_until_done(page, "lion")
    for name in (
        "How it is computed",
        "Is the heat on the animal?",
        "Does the name need the animal?",
        "Do the hot places matter to the model?",
        "Why this name rather than another?",
    ):
        page.get_by_role("button", name=name).click()
    for label, value in zip(("Left %", "Top %", "Right %", "Bottom %"), ("2", "2", "72", "99"), strict=True):
        page.get_by_label(label).fill(value)
    expect(page.locator("#where")).to_contain_text("Lift")
    expect(page.locator("#answers")).to_contain_text("zoomed to the animal")
    page.get_by_role("button", name="Measure").click()
    expect(page.locator("#faithful table")).to_have_count(2, timeout=60_000)
    page.get_by_label("Rather than").fill("cheetah")
    page.get_by_label("Rather than").press("Enter")
    page.get_by_role("button", name="Compare the two names").click()
    expect(page.locator("#contrast figure")).to_have_count(6, timeout=60_000)
    assert faults_at_both_widths(page) == set()


def test_notes_are_quiet_and_buttons_large_enough(page: Page, animal_photos: list[Path]) -> None:
    upload(page, animal_photos[0])
    wait_until_done(page, "lion")
    page.locator("#page-link p").wait_for()
    quiet = page.evaluate("getComputedStyle(document.querySelector('#page-link p')).color")
    for note in page.locator(".note, .hint, .scale em").all():
        assert note.evaluate("note => getComputedStyle(note).color") == quiet, note.inner_text()
    sizes = [button.bounding_box() for button in page.locator("#photo button:visible").all()]
    assert len(sizes) == 4
    assert min(min(size["width"], size["height"]) for size in sizes if size) >= 24


@narrow
def test_no_serious_fault_in_a_message(page: Page, tmp_path: Path) -> None:
    words = tmp_path / "words.jpg"
    words.write_text("words")
    upload(page, words)
    expect(page.locator("#photo-message")).to_contain_text("not a photo")
    assert faults(page) == set()


def test_no_serious_fault_in_another_tab(page: Page) -> None:
    for tab in ("Many photos", "About"):
        page.get_by_role("tab", name=tab).click()
        assert faults(page) == set(), tab
