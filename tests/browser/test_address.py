"""The page's address in a real browser: refresh, Back and Forward, and nothing of one's own photo."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FINISHED, wide

LION, MASTIFF = 291, 244


def wait_until_done(page: Page, name: str, class_idx: int | None) -> None:
    """Wait until a class of the example lion is explained, or of one's own photo without a class in the address."""
    expect(page.locator("#status")).to_contain_text(f"Done: all heatmaps for “{name}”", timeout=FINISHED)
    page.locator("#verdict p").wait_for()
    expect(page).to_have_url(re.compile(rf"\?example=lion&class={class_idx}&" if class_idx else r"/$"))


@pytest.mark.stand_in
@wide
def test_refresh_back_and_forward_restore_what_was_explained(page: Page, imagenet_photos: list[Path]) -> None:
    eagle = next(path for path in imagenet_photos if path.stem.endswith("_22"))
    examples = page.locator("#examples button")
    seen: list[str] = []  # the entries of the history, of which each explanation has its own

    def wait_for_entry() -> None:
        """Wait until the address is written, which happens last."""
        is_new = "seen => !seen.includes(history.state?.entry) && history.state?.entry"
        seen.append(page.wait_for_function(is_new, arg=seen).json_value())

    examples.nth(0).click()
    wait_until_done(page, "lion", LION)
    wait_for_entry()
    page.get_by_role("radio", name=re.compile("^Tibetan mastiff")).check()
    wait_until_done(page, "Tibetan mastiff", MASTIFF)
    wait_for_entry()
    entries = page.evaluate("history.length")
    page.get_by_role("button", name="Explain").click()
    wait_for_entry()
    assert page.evaluate("history.length") == entries, "the same again has no entry of its own"
    for move, name, query in (
        (page.go_back, "lion", LION),
        (page.go_forward, "Tibetan mastiff", MASTIFF),
        (page.reload, "Tibetan mastiff", MASTIFF),
    ):
        move()
        wait_until_done(page, name, query)
        wait_for_entry()
    assert set(parse_qs(urlsplit(page.url).query)) == {"example", "class", "definition", "effort", "fit", "model"}

    page.get_by_role("button", name="Remove Image").click()
    page.locator("#photo input[type=file]").first.set_input_files(eagle)
    wait_until_done(page, "bald eagle", None)
    with page.expect_popup() as popup:
        page.locator("#page-link a").click()
    assert eagle.stem not in popup.value.url
    popup.value.close()
    expect(page.locator("#photo .image-frame img")).to_be_visible()
    page.go_back()
    wait_until_done(page, "Tibetan mastiff", MASTIFF)
    page.go_forward()
    wait_until_done(page, "bald eagle", None)
