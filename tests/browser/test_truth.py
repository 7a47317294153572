"""The tests of the page to which the heatmaps of a real model matter, or the time that they take.

They are in one file, so that only one worker starts a page with EfficientNet-Lite0.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from camcore import COLOUR_MAPS
from tests.browser import test_many
from tests.browser.conftest import FINISHED, narrow, visited, wide
from tests.browser.test_many import choose, names, photos, start, zipped
from tests.browser.test_page import eagle, run_every_channel, upload, wait_until_done

__all__ = ["eagle", "photos", "zipped"]  # fixtures
Screenshot = Callable[[str], None]


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


@narrow
def test_score_cam_fills_in_without_moving_the_page(page: Page, eagle: Path, screenshot: Screenshot) -> None:
    run_every_channel(page)
    upload(page, eagle)
    expect(page.locator("#map-1 img.heat")).to_be_visible()
    before = page.locator("#map-2 .frame").bounding_box()
    expect(page.locator("#status")).to_contain_text(re.compile(r"Score-CAM so far: [\d,]+ of [\d,]+ runs of the model"))
    screenshot("refining")
    pictures = set()
    while "Done" not in page.locator("#status").inner_text():
        if page.locator("#map-2 img.heat").count():
            pictures.add(page.locator("#map-2 img.heat").get_attribute("src"))
        page.wait_for_timeout(100)
    assert len(pictures) > 1
    assert page.locator("#map-2 .frame").bounding_box() == before


# Where the main parts of the page are, from its left and top.
BOXES = """() => Object.fromEntries(['#photo', '#click-message', '#actions button', '#status', '#predictions',
  '#any-class', '#map-0', '#map-1', '#map-2', '#map-2 .frame', '#scale', '#verdict', '#drawing', '#settings',
  '#downloads', '#page-link', '#on-target', '#needed', '#how-faithful', '#why-not'].map((name) => {
    const { x, y, width, height } = document.querySelector(name).getBoundingClientRect();
    return [name, [x + scrollX, y + scrollY, width, height]];
}))"""


def moved(before: dict[str, list[float]], after: dict[str, list[float]]) -> dict[str, list[list[float]]]:
    return {
        name: [place, after[name]]
        for name, place in before.items()
        if max(abs(old - new) for old, new in zip(place, after[name], strict=True)) > 2
    }


@narrow
def test_nothing_moves_while_another_class_is_explained(page: Page, eagle: Path, screenshot: Screenshot) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    run_every_channel(page)
    page.locator("#status", has_text="so far").wait_for()  # then there is something to keep
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped a")  # at some run, or after a method
    page.get_by_role("button", name="How it is computed").click()
    expect(page.get_by_role("radio", name="Complete")).to_be_hidden()
    stopped = page.evaluate(BOXES)
    page.get_by_role("radio", name=re.compile("^kite")).check()
    page.locator("#status", has_text="so far").wait_for()
    expect(page.get_by_role("radio")).to_have_count(5 + len(COLOUR_MAPS))
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    assert moved(stopped, page.evaluate(BOXES)) == {}, "Stop is in the place of Explain"
    screenshot("running")
    wait_until_done(page, "kite")
    expect(page.locator("#page-link a")).to_be_visible()
    assert moved(stopped, page.evaluate(BOXES)) == {}


@wide
def test_a_new_photo_replaces_the_one_being_explained(page: Page, imagenet_photos: list[Path]) -> None:
    photos = {path.stem.split("_")[-1]: path for path in imagenet_photos}
    run_every_channel(page)
    upload(page, photos["22"])
    page.locator("#map-2 img.heat").wait_for()
    page.get_by_role("button", name="Remove Image").click()
    upload(page, photos["99"])
    wait_until_done(page, "goose")


@wide
def test_the_model_is_described_and_chosen(page: Page) -> None:
    page.get_by_role("button", name="How it is computed").click()
    expect(page.locator("#model-description")).to_contain_text("efficientnet_lite0 knows 1,000 names")
    expect(page.locator("#model-description")).to_contain_text("weights package")
    # Which of the two is true, the machine decides that exported it.
    int8 = re.compile(r"its 8-bit version is (not used|\d\.\d times as fast)")
    expect(page.locator("#model-description")).to_contain_text(int8)
    expect(page.get_by_label("Model", exact=True)).to_have_value("efficientnet_lite0, knows 1,000 names")


def test_two_people_at_once_do_not_meet(browser: Browser, address: str, imagenet_photos: list[Path]) -> None:
    """Each sees their own photo; Stop stops only one's own run."""
    photos = {path.stem.split("_")[-1]: path for path in imagenet_photos}
    contexts = [browser.new_context() for _ in range(2)]
    first, second = (context.new_page() for context in contexts)
    for page, photo in ((first, "22"), (second, "99")):
        page.goto(address)
        page.locator("#explain").wait_for()
        upload(page, photos[photo])
    wait_until_done(first, "bald eagle")
    wait_until_done(second, "goose")
    expect(first.locator("#verdict")).to_contain_text("bald eagle")
    expect(second.locator("#verdict")).to_contain_text("goose")
    first.get_by_role("button", name="How it is computed").click()
    first.get_by_role("radio", name="Complete").check()
    first.locator("#status", has_text="Score-CAM so far").wait_for()
    second.get_by_role("button", name="Explain").click()  # waits in the queue
    second.get_by_role("radio", name=re.compile("^goose")).wait_for()
    first.get_by_role("button", name="Stop").click()
    expect(first.locator("#status")).to_contain_text("Stopped at")
    wait_until_done(second, "goose")
    for context in contexts:
        context.close()


@wide
def test_table_of_a_zip_with_boxes_has_species_and_lift(
    page: Page, zipped: Path, tmp_path: Path, screenshot: Screenshot
) -> None:
    marked = {
        "file": "trip/lion/lion.jpg",
        # Off the head, which is hottest.
        "detections": [{"category": "1", "conf": 0.9, "bbox": [0.6, 0.65, 0.2, 0.2]}],
    }
    boxes = tmp_path / "boxes.json"
    boxes.write_text(
        json.dumps({"info": {"format_version": "1.4"}, "detection_categories": {"1": "animal"}, "images": [marked]})
    )
    page.get_by_role("tab", name="Many photos").click()
    page.locator("#many-start").wait_for()
    choose(page, zipped)
    choose(page, boxes, box="boxes")
    start(page)
    test_many.wait_until_done(page)
    assert names(page) == ["lion.jpg", "eagle.jpg"], "the worst comes first"
    verdict = page.locator("#many-table td.verdict").first
    expect(verdict).to_contain_text("look again: the heat is off the animal")
    expect(verdict.locator("b")).to_contain_text("severe")
    screenshot("many-severe")
    page.get_by_role("button", name="Sort by File").click()
    expect(page.locator("#many-table td.file").first).to_have_text("eagle.jpg")
    assert page.locator("#many-table td.species").all_inner_texts() == ["Bonelli's Eagle", "lion"]
    assert re.fullmatch(r"–|\d\.\d\d", page.locator("#many-table td.lift").nth(0).inner_text().split("\n")[-1])
    assert re.fullmatch(r"\d\.\d\d", page.locator("#many-table td.lift").nth(1).inner_text().split("\n")[-1])
    expect(page.locator("#many-message")).to_contain_text("does not list 1 photo")
    screenshot("many-zip")

    page.get_by_role("button", name="lion.jpg").click()
    expect(page.locator("#table-position p")).to_have_text("Photo 2 of 2: lion/lion.jpg")
    expect(page.locator("#status")).to_contain_text("Done: all heatmaps for “lion”", timeout=FINISHED)
    expect(page.locator("#outlines .marked")).to_be_attached()
    expect(page.locator("#verdict")).to_contain_text("of the heat lies on the marked animal")
    screenshot("many-opened")
    expect(page.get_by_role("button", name="Next photo of the table")).to_be_disabled()
    page.get_by_role("button", name="Previous photo of the table").click()
    expect(page.locator("#table-position p")).to_have_text("Photo 1 of 2: bonegl/eagle.jpg")
    expect(page.locator("#status")).to_contain_text("Done: all heatmaps for “bald eagle”", timeout=FINISHED)
    expect(page.locator("#outlines .marked")).not_to_be_attached()
    page.get_by_role("button", name="Back to the table").click()
    expect(page.get_by_role("button", name="eagle.jpg")).to_be_focused()
    assert names(page) == ["eagle.jpg", "lion.jpg"]
    page.get_by_role("button", name="lion.jpg").click()
    expect(page.locator("#table-position p")).to_contain_text("lion.jpg")
    page.get_by_role("button", name="Remove Image").click()
    expect(page.locator("#table-position nav")).not_to_be_attached()
