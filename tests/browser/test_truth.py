"""What the page claims, and what it keeps: the crop, another class's maps, Stop, and the place in the queue."""

import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import narrow, visited, wide
from tests.browser.test_page import eagle, run_every_channel, upload, wait_until_done

__all__ = ["eagle"]  # a fixture


@narrow
def test_the_crop_is_named_and_the_whole_photo_is_one_click_away(page: Page, eagle: Path, tmp_path: Path) -> None:
    """The eagle lies outside the middle of a wide photo, which is grey."""
    photo = Image.new("RGB", (1200, 400), "grey")
    photo.paste(Image.open(eagle).resize((400, 400)), (0, 0))
    photo.save(tmp_path / "wide.png")
    upload(page, tmp_path / "wide.png")
    expect(page.locator("#seen")).to_contain_text("The model saw the middle 26% of the photo.", timeout=120_000)
    expect(page.locator("#verdict")).to_contain_text(
        "The model saw the middle 26% of the photo. For the whole photo, it"
    )
    expect(page.locator("#verdict")).to_contain_text("was not judged: there is no box.")
    page.get_by_role("button", name="Show it the whole photo").click()
    expect(page.locator("#seen")).to_contain_text("The model saw the whole photo.")
    expect(page.locator("#verdict p")).not_to_contain_text("The model saw the middle")
    expect(page.get_by_role("button", name="Show it the centre only")).to_be_visible()
    expect(page.locator("#scale")).to_contain_text(
        "Every heatmap has a hottest place, even the heatmap of a wrong name."
    )


@wide
def test_maps_of_another_name_are_compared_with_those_of_the_prediction(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    page.get_by_role("radio", name=re.compile("^kite")).check()
    wait_until_done(page, "kite")
    expect(page.locator("#verdict")).to_contain_text("For kite, the same places are hot as for bald eagle")
    expect(page.locator("#verdict")).to_contain_text("in Score-CAM): the place does not tell the two apart.")


@narrow
def test_what_was_computed_until_stop_is_judged_and_downloaded_and_the_page_goes_on(page: Page, eagle: Path) -> None:
    run_every_channel(page)
    upload(page, eagle)
    page.locator("#map-2 img.heat").wait_for()  # noticed at once, unlike by `expect`
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_contain_text(re.compile(r"Stopped at [\d,]+ of [\d,]+ runs. The verdict"))
    expect(page.locator("#verdict")).to_contain_text("Predicted bald eagle")
    page.get_by_role("button", name="Is the heat on the animal?").click()
    for edge, percent in zip(("Left %", "Top %", "Right %", "Bottom %"), ("10", "10", "90", "90"), strict=True):
        page.get_by_label(edge).fill(percent)
        page.get_by_label(edge).press("Tab")
    expect(page.locator("#where table")).to_be_visible()
    with page.expect_download(timeout=60_000) as started:
        page.locator("#download-picture").click()
    with Image.open(started.value.path()) as picture:
        assert picture.width > 600
    page.get_by_role("radio", name="Quick").check()
    wait_until_done(page, "bald eagle")


def test_another_visitor_is_told_how_many_photos_are_first_and_can_stop_waiting(
    context: BrowserContext, address: str, eagle: Path
) -> None:
    with visited(context, address, 1280, "light") as first, visited(context, address, 390, "dark") as second:
        run_every_channel(first)
        upload(first, eagle)
        first.locator("#map-2 img.heat").wait_for()
        upload(second, eagle)
        expect(second.locator("#status")).to_contain_text("Waiting: one photo is before yours.")
        second.get_by_role("button", name="Stop").click()
        expect(second.locator("#status")).to_contain_text("Stopped.")
        expect(second.get_by_role("button", name="Explain")).to_be_enabled()
        first.get_by_role("button", name="Stop").click()
        expect(first.locator("#status")).to_contain_text("Stopped at")
