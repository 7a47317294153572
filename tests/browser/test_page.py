"""What a person does on the page, in a real browser."""

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import narrow, wide

Screenshot = Callable[[str], None]


pytestmark = pytest.mark.stand_in


def upload(page: Page, photo: Path) -> None:
    page.locator("#photo input[type=file]").first.set_input_files(photo)


def wait_until_done(page: Page, name: str) -> None:
    """Wait until a class is explained and the last of the page is filled in, the verdict."""
    expect(page.locator("#status")).to_contain_text(f"Done: all heatmaps for “{name}”", timeout=120_000)
    expect(page.get_by_role("button", name="Explain")).to_be_visible()
    page.locator("#verdict p").wait_for()


def run_every_channel(page: Page) -> None:
    """Choose the complete Score-CAM map, which takes long enough to be watched and stopped."""
    page.get_by_role("button", name="How it is computed").click()
    page.get_by_role("radio", name="Complete").check()


@pytest.fixture
def eagle(imagenet_photos: list[Path]) -> Path:
    return next(path for path in imagenet_photos if path.stem.endswith("_22"))


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "not-a-photo.jpg"
    path.write_text("these are words")
    return path


@wide
def test_a_photo_is_explained_three_times(page: Page, eagle: Path, screenshot: Screenshot) -> None:
    screenshot("empty")
    upload(page, eagle)
    expect(page.get_by_role("radio", name=re.compile("bald eagle"))).to_be_checked(timeout=120_000)
    expect(page.locator("#map-0 img.heat")).to_be_visible()
    expect(page.locator("#map-1 img.heat")).to_be_visible()
    wait_until_done(page, "bald eagle")
    expect(page.locator("#map-2 .figures")).to_contain_text(
        re.compile(r"\d+ of [\d,]+ runs, 99\.\d% like the complete")
    )
    screenshot("done")
    boxes = [page.locator(f"#map-{index} .frame").bounding_box() for index in range(3)]
    assert all(boxes)
    assert len({(round(box["width"]), round(box["height"])) for box in boxes if box}) == 1
    assert page.get_by_role("img", name=re.compile(r"CAM.* for bald eagle, \d+%: hottest ")).count() == 3
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


# Clicks a name in the moment in which the status says that an explanation is done, before its verdict arrives.
CLICK_WHEN_DONE = """name => new MutationObserver((_, observer) => {
  if (!document.querySelector('#status').innerText.startsWith('Done')) return;
  observer.disconnect();
  [...document.querySelectorAll('#predictions label')].find((label) => label.innerText.startsWith(name)).click();
}).observe(document.querySelector('#status'), { subtree: true, childList: true, characterData: true })"""


@wide
def test_a_name_that_is_chosen_before_the_verdict_arrives_stays_chosen(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    page.wait_for_timeout(1000)  # as long as a person takes to read the names
    page.evaluate(CLICK_WHEN_DONE, "kite")
    page.get_by_role("button", name="Explain").click()
    wait_until_done(page, "kite")
    expect(page.get_by_role("radio", name=re.compile("^kite"))).to_be_checked()


@wide
def test_a_chosen_name_is_visible_under_the_mouse(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    chosen = page.locator("#predictions input:checked")
    chosen.hover()
    page.wait_for_timeout(300)  # the colours of a hovered element fade in
    fill = chosen.evaluate("element => getComputedStyle(element).backgroundColor")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert contrast(fill, ground) >= 3


def contrast(first: str, second: str) -> float:
    """The contrast of two colours of a style, by WCAG 2."""

    def luminance(colour: str) -> float:
        shares = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    darker, lighter = sorted(map(luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


@wide
def test_maps_are_large_at_every_width(page: Page, eagle: Path, screenshot: Screenshot) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    for width, smallest in ((390, 300), (820, 240), (999, 300), (1000, 190), (1280, 270), (1440, 290)):
        page.set_viewport_size({"width": width, "height": 900})
        frame = page.locator("#map-0 .frame").bounding_box()
        assert frame
        assert frame["width"] >= smallest, f"at {width} pixels"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        screenshot(f"at-{width}")


@wide
def test_a_class_is_chosen_by_typing_and_a_wrong_name_disturbs_nothing(
    page: Page, eagle: Path, screenshot: Screenshot
) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    box = page.get_by_label("Ask about another name")
    box.fill("bald egle")
    box.press("Enter")
    expect(page.locator("#class-message")).to_contain_text("No class is named 'bald egle': the nearest are bald eagle")
    screenshot("wrong-class")
    expect(page.locator("#map-2 img.heat")).to_be_visible()
    box.fill("peregrine falcon")
    box.press("Enter")
    expect(page.locator("#class-message")).to_contain_text(
        "of birds of prey and owls, the model knows kite, bald eagle"
    )
    box.fill("goldfinch")
    box.press("Enter")
    wait_until_done(page, "goldfinch")
    expect(page.locator("#class-message")).to_be_hidden()
    expect(page.locator("#map-0 figcaption")).to_contain_text("goldfinch")


@narrow
def test_an_emptied_class_field_asks_for_nothing(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    box = page.get_by_label("Ask about another name")
    for nothing in ("", "   "):
        box.fill("goldfinch")
        box.fill(nothing)
        box.press("Enter")
        page.wait_for_timeout(1000)
        expect(page.locator("#status")).to_contain_text("Done: all heatmaps for “bald eagle”")
        expect(page.locator("#class-message")).to_be_hidden()
    box.fill("0")
    box.press("Enter")
    wait_until_done(page, "tench")


@wide
def test_the_list_of_names_opens_only_on_typing_and_a_choice_asks(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    box = page.get_by_label("Ask about another name")
    box.click()
    assert box.get_attribute("list") is None
    box.press_sequentially("gold")
    names = page.locator(f"datalist#{box.get_attribute('list')} option[value*=gold]")
    assert "goldfinch" in [name.get_attribute("value") for name in names.all()]
    expect(page.locator("#status")).to_contain_text("bald eagle")
    # What a browser does at a choice from the list, which Playwright cannot open.
    box.evaluate(
        "field => { field.value = 'goldfinch'; field.dispatchEvent("
        "new InputEvent('input', { inputType: 'insertReplacementText', bubbles: true })); }"
    )
    wait_until_done(page, "goldfinch")


@narrow
def test_a_wrong_file_is_named_and_the_next_photo_works(
    page: Page, text_file: Path, eagle: Path, screenshot: Screenshot
) -> None:
    upload(page, text_file)
    expect(page.locator("#photo-message")).to_contain_text("This file is not a photo, whatever its name says")
    expect(page.locator("#photo .image-frame img")).to_be_hidden()  # nothing to be seen of it but a broken picture
    screenshot("wrong-file")
    expect(page.get_by_role("button", name="Explain")).to_be_disabled()
    page.get_by_role("button", name="Remove Image").click()
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    expect(page.locator("#photo-message")).to_be_hidden()


@wide
def test_a_cut_jpeg_is_explained_and_said_to_be_cut(
    page: Page, eagle: Path, tmp_path: Path, screenshot: Screenshot
) -> None:
    (tmp_path / "cut.jpg").write_bytes(eagle.read_bytes()[:-100])
    upload(page, tmp_path / "cut.jpg")
    wait_until_done(page, "bald eagle")
    expect(page.locator("#seen")).to_contain_text("The photo is cut short: its last rows may be missing.")
    expect(page.locator("#verdict p")).to_contain_text("The photo is cut short: its last rows may be missing.")
    screenshot("cut")
    (tmp_path / "half.jpg").write_bytes(eagle.read_bytes()[: eagle.stat().st_size // 2])
    upload(page, tmp_path / "half.jpg")
    expect(page.get_by_text("more than a tenth of it is missing: copy it again")).to_be_visible()


@wide
def test_a_tiff_is_shown_as_well_although_browsers_do_not_and_explained_as_it_was_uploaded(
    page: Page, eagle: Path, tmp_path: Path, screenshot: Screenshot
) -> None:
    photo = tmp_path / "far.tiff"
    Image.open(eagle).save(photo)
    upload(page, photo)
    wait_until_done(page, "bald eagle")
    shown = page.locator("#photo .image-frame img")
    assert shown.evaluate("image => [image.naturalWidth, image.naturalHeight]") == list(Image.open(photo).size)
    shown.click(position={"x": 20, "y": 20})
    expect(page.locator("#click-message")).to_contain_text("Now click the opposite corner.")
    shown.click(position={"x": 60, "y": 80})
    expect(page.locator("#outlines .marked")).to_be_attached()
    screenshot("tiff")
    page.get_by_role("radio", name=re.compile("^kite")).check()
    wait_until_done(page, "kite")
    with page.expect_download(timeout=60_000) as started:
        page.locator("#download-all").click()
    with ZipFile(started.value.path()) as taken:
        explained, report = taken.read("explanation.json").decode(), taken.read("report.html").decode()
    assert "<h1>far.tiff</h1>" in report
    assert report.count('<span class="box"') == 4
    assert hashlib.sha256(photo.read_bytes()).hexdigest() in explained


@wide
def test_every_wrong_photo_is_one_helpful_sentence(page: Page, eagle: Path, tmp_path: Path) -> None:
    whole = eagle.read_bytes()
    wrong = {
        "empty.jpg": (b"", "This file is empty (0 bytes): choose another photo."),
        "camera.raf": (b"FUJIFILMCCD-RAW 0201FF383501", "This is a raw photo (RAF): export it as JPEG"),
        "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This is an SVG drawing, which is not accepted"),
        "paper.pdf": (b"%PDF-1.7\n", "This is a PDF, which is not accepted"),
        "notes.txt": (b"words", "This file is not a photo"),
        "cut.jpg": (whole[: len(whole) // 3], "This photo is cut short, and more than a tenth of it is missing"),
        "vast.png": (_vast_png(), "above 50"),
    }
    for name, (content, said) in wrong.items():
        (tmp_path / name).write_bytes(content)
        upload(page, tmp_path / name)
        expect(page.locator("#photo-message")).to_contain_text(said)
        page.get_by_role("button", name="Remove Image").click()
        expect(page.locator("#photo-message")).to_be_hidden()
    page.locator("#photo button[aria-dropeffect]").evaluate(_DROP_TEXT)
    expect(page.locator("#photo-message")).to_contain_text("This file is not a photo")
    expect(page.get_by_text("allowed")).to_have_count(0)
    page.get_by_role("button", name="Remove Image").click()
    upload(page, eagle)
    wait_until_done(page, "bald eagle")


_DROP_TEXT = """area => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["words"], "notes.txt", { type: "text/plain" }));
  area.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
}"""


def _vast_png() -> bytes:
    """A photo of 60 megapixels that takes a few kilobytes."""
    buffer = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(buffer, "PNG")
    return buffer.getvalue()


@wide
def test_opacity_and_colours_change_without_asking_the_server(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    page.locator("#page-link p").wait_for()
    page.wait_for_timeout(2000)  # what a run asks of the server has been answered by then
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.startswith("http") else None)
    heat = page.locator("#map-0 img.heat")
    page.get_by_label("number input for Opacity").fill("0.3")
    page.get_by_label("number input for Opacity").press("Enter")
    expect(heat).to_have_css("opacity", "0.3")
    page.get_by_role("radio", name="viridis").check()
    expect(heat).to_have_css("filter", re.compile("heat-viridis"))
    assert [url for url in asked if "queue" in url or "run" in url] == []


@narrow
def test_settings_change_the_map(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    before = page.locator("#map-0 img.view").get_attribute("src")
    page.get_by_role("button", name="How it is computed").click()
    page.get_by_role("radio", name="The whole photo, squeezed").check()
    expect(page.locator("#map-0 img.view")).not_to_have_attribute("src", before or "", timeout=60_000)
    wait_until_done(page, "bald eagle")
