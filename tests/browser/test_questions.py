"""Questions about an explained photo, in a real browser: the box, the metrics, the contrast, the model."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import narrow, wide
from tests.browser.test_page import upload, wait_until_done

Screenshot = Callable[[str], None]
EDGES = ("Left %", "Top %", "Right %", "Bottom %")


pytestmark = pytest.mark.stand_in


@pytest.fixture
def eagle(imagenet_photos: list[Path]) -> Path:
    return next(path for path in imagenet_photos if path.stem.endswith("_22"))


@pytest.fixture
def explained(page: Page, eagle: Path) -> Page:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    return page


def unfold(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def another(page: Page, address: str) -> Page:
    """Another page of the same browser, so of the same person."""
    opened = page.context.new_page()
    opened.goto(address)
    opened.locator("#explain").wait_for()
    return opened


def drawn(page: Page, selector: str, pseudo: str) -> dict[str, float]:
    """Where a pseudo-element of the first match is drawn, in pixels from its left and top."""
    script = """([selector, pseudo]) => {
        const style = getComputedStyle(document.querySelector(selector), pseudo);
        return style.content === 'none' ? {} :
            Object.fromEntries(['left', 'top', 'width', 'height'].map(edge => [edge, parseFloat(style[edge])]));
    }"""
    found: dict[str, float] = page.evaluate(script, [selector, pseudo])
    return found


def size(found: Locator) -> tuple[float, float]:
    box = found.bounding_box()
    assert box
    return box["width"], box["height"]


@narrow
def test_the_crop_that_the_model_saw_is_drawn_on_the_photo(explained: Page) -> None:
    width, height = size(explained.locator("#photo img"))
    crop = drawn(explained, "#photo .image-frame", "::before")
    natural = explained.locator("#photo img").evaluate("img => [img.naturalWidth, img.naturalHeight]")
    assert width / height == pytest.approx(natural[0] / natural[1], rel=0.02), "the frame has the photo's shape"
    side = min(width, height) * 224 / 256
    assert (crop["width"], crop["height"]) == pytest.approx((side, side), rel=0.02)
    assert crop["left"] + crop["width"] / 2 == pytest.approx(width / 2, abs=2)


def test_two_clicks_mark_the_animal_and_the_verdict_follows(explained: Page, screenshot: Screenshot) -> None:
    photo, message = explained.locator("#photo img"), explained.locator("#click-message")
    width, height = size(photo)
    for x, y in ((0.5, 0.5), (0.5, 0.7)):
        photo.click(position={"x": x * width, "y": y * height})
    expect(message).to_contain_text("These corners do not span a box")
    photo.click(position={"x": 0.25 * width, "y": 0.2 * height})
    expect(message).to_contain_text("Now click the opposite corner.")
    expect(explained.locator("#on-target #where")).to_be_hidden()
    mark = drawn(explained, "#photo .image-frame", "::after")
    assert (mark["left"], mark["top"]) == pytest.approx((0.25 * width, 0.2 * height), abs=3)
    screenshot("corner")
    photo.click(position={"x": 0.75 * width, "y": 0.8 * height})
    expect(message).to_have_text("")
    unfold(explained, "Is the heat on the animal?")
    expect(explained.locator("#verdict")).to_contain_text("of the heat lies on the marked animal")
    for label, value in zip(EDGES, (25, 20, 75, 80), strict=True):
        assert float(explained.get_by_label(label).input_value()) == pytest.approx(value, abs=1)
    expect(explained.locator("#where")).to_contain_text("Energy on the animal")
    box = drawn(explained, "#photo .image-frame", "::after")
    assert box["left"] == pytest.approx(0.25 * width, abs=3)
    assert drawn(explained, "#map-0 .frame", "::after")["width"] > 10
    unfold(explained, "Does the name need the animal?")
    answers = explained.locator("#answers")
    expect(answers).to_contain_text("animal only, the rest blurred")
    expect(answers).to_contain_text("zoomed to the animal")
    expect(explained.locator("#verdict")).to_contain_text(re.compile("prediction needs|suffices|not decided"))
    screenshot("on-target")
    explained.get_by_role("button", name="Remove the box").click()
    expect(explained.locator("#verdict")).not_to_contain_text("marked animal")
    expect(answers).to_contain_text("hottest fifth only")
    assert drawn(explained, "#map-0 .frame", "::after") == {}


@wide
def test_the_box_is_typed_from_the_keyboard_and_a_wrong_one_said(explained: Page) -> None:
    unfold(explained, "Is the heat on the animal?")
    for label, value in zip(EDGES, ("60", "20", "40", "90"), strict=True):
        explained.get_by_label(label).fill(value)
    expect(explained.locator("#box-message")).to_contain_text("These edges do not make a box")
    explained.get_by_label("Left %").fill("10")
    expect(explained.locator("#box-message")).not_to_contain_text("do not make a box")
    expect(explained.locator("#where")).to_contain_text("Lift")
    explained.get_by_role("radio", name=re.compile("^kite")).check()
    wait_until_done(explained, "kite")
    expect(explained.locator("#verdict")).to_contain_text("The maps explain kite")
    expect(explained.locator("#where")).to_contain_text("Lift")


@narrow
def test_how_faithful_the_maps_are_is_measured_on_demand(explained: Page, screenshot: Screenshot) -> None:
    unfold(explained, "Do the hot places matter to the model?")
    explained.get_by_role("button", name="Measure").click()
    faithful = explained.locator("#faithful")
    expect(faithful.get_by_role("img")).to_have_count(2, timeout=60_000)
    for title in ("Average drop", "Average gain", "Deletion", "Insertion", "Spearman", "Overlap"):
        expect(faithful).to_contain_text(title)
    screenshot("faithful")
    for cell in faithful.locator("table :is(th, td)").all():
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth + 1"), cell.inner_text()
        assert cell.evaluate("cell => cell.getBoundingClientRect().right <= innerWidth"), cell.inner_text()
    assert explained.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    explained.get_by_role("radio", name=re.compile("^kite")).check()
    wait_until_done(explained, "kite")
    expect(faithful.get_by_role("img")).to_have_count(0)


@wide
def test_why_this_rather_than_that_goes_both_ways(explained: Page, screenshot: Screenshot) -> None:
    unfold(explained, "Why this name rather than another?")
    other = explained.get_by_label("Rather than")
    other.fill("kite")
    other.press("Enter")
    contrast = explained.locator("#contrast")
    expect(contrast.locator("figure")).to_have_count(6, timeout=60_000)
    expect(contrast).to_contain_text("bald eagle rather than kite")
    expect(contrast).to_contain_text("kite rather than bald eagle")
    screenshot("contrast")
    other.fill("kyte")
    other.press("Enter")
    explained.get_by_role("button", name="Compare the two names").click()
    expect(contrast).to_contain_text("No class is named 'kyte': the nearest are kite")
    other.fill("")
    other.press("Enter")
    expect(contrast).to_have_text("Type the other name first.")


@narrow
def test_questions_before_a_photo_are_answered_kindly(page: Page) -> None:
    unfold(page, "Do the hot places matter to the model?")
    page.get_by_role("button", name="Measure").click()
    expect(page.locator("#faithful")).to_contain_text("Choose a photo first")
    unfold(page, "Is the heat on the animal?")
    page.get_by_label("Left %").fill("10")
    expect(page.locator("#box-message .message")).to_have_count(0)


@wide
def test_the_main_path_by_keyboard_alone(page: Page) -> None:
    """To an example, to its maps, to another class, and to a question: with Tab, Space and Enter."""

    def tab_to(locator: Locator) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if locator.evaluate(
                "element => element === document.activeElement || element.contains(document.activeElement)"
            ):
                return
        raise AssertionError("Tab does not lead there")

    tab_to(page.locator("#examples button").first)
    page.keyboard.press("Enter")
    wait_until_done(page, "lion")
    page.locator("#header").click(position={"x": 2, "y": 2})
    tab_to(page.get_by_role("radio", name=re.compile("^Tibetan mastiff")))
    page.keyboard.press("Space")
    wait_until_done(page, "Tibetan mastiff")
    tab_to(page.get_by_role("button", name="Is the heat on the animal?"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Bottom %")).to_be_visible()
    for value in ("2", "2", "72", "99"):
        page.keyboard.press("Tab")
        page.keyboard.type(value)
    expect(page.locator("#where")).to_contain_text("Energy on the animal")


@wide
def test_a_link_opens_the_same_example_class_and_settings(page: Page, address: str) -> None:
    page = another(page, f"{address}?example=lion&class=293&definition=probability&fit=squash&effort=fast")
    wait_until_done(page, "cheetah")
    expect(page.locator("#verdict")).to_contain_text("The maps explain cheetah")
    page.get_by_role("button", name="How it is computed").click()
    expect(page.get_by_role("radio", name="The whole photo, squeezed")).to_be_checked()
    link = page.locator("#page-link a").get_attribute("href")
    assert link
    for asked in ("example=lion", "class=293", "definition=probability", "fit=squash"):
        assert asked in link
    page = another(page, f"{address}?example=lion&class=cheeta")
    wait_until_done(page, "lion")
    expect(page.locator("#class-message")).to_contain_text("No class is named 'cheeta'")


@narrow
def test_the_picture_and_everything_are_taken_along_with_one_click_each(explained: Page, eagle: Path) -> None:
    with explained.expect_download(timeout=60_000) as started:
        explained.locator("#download-picture").click()
    assert started.value.suggested_filename == f"{eagle.stem}.compare.png"
    with explained.expect_download(timeout=60_000) as started:
        explained.locator("#download-all").click()
    with zipfile.ZipFile(started.value.path()) as taken:
        names = set(taken.namelist())
        page = taken.read("report.html").decode()
    assert {"report.html", "explanation.json", "figures.csv"} <= names
    assert "Predicted bald eagle" in page


@wide
def test_colours_and_opacity_are_remembered_and_nothing_of_the_photo(explained: Page, address: str) -> None:
    explained.get_by_role("radio", name="viridis").check()
    explained.get_by_label("number input for Opacity").fill("0.5")
    explained.get_by_label("number input for Opacity").press("Enter")
    expect(explained.locator("#map-0 img.heat")).to_have_css("opacity", "0.5")
    later = another(explained, address)
    expect(later.get_by_role("radio", name="viridis")).to_be_checked()
    expect(later.get_by_label("number input for Opacity")).to_have_value("0.5")
    kept = later.evaluate("JSON.stringify(localStorage)")
    assert "viridis" in kept
    assert "bald eagle" not in kept
    expect(later.locator("#photo img")).to_have_count(0)


@wide
def test_about_explains_with_formulas(page: Page, screenshot: Screenshot) -> None:
    page.get_by_role("tab", name="About").click()
    expect(page.locator("math")).not_to_have_count(0)
    for word in ("Grad-CAM++", "Bonelli", "Himalayan Bulbul", "1610.02391"):
        expect(page.locator("#about")).to_contain_text(word)
    screenshot("about")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
