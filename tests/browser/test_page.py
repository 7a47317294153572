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

Screenshot = Callable[[str], None]


def upload(page: Page, photo: Path) -> None:
    page.locator("#photo input[type=file]").first.set_input_files(photo)


def wait_until_done(page: Page, name: str) -> None:
    expect(page.locator("#status")).to_contain_text(f"Done: all heatmaps for “{name}”", timeout=120_000)


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
    assert page.get_by_role("img", name=re.compile("Heat of .* for bald eagle")).count() == 3
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


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


def test_another_of_the_five_classes_is_explained(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    first = page.locator("#map-0 img.heat").get_attribute("src")
    page.get_by_role("radio", name=re.compile("^kite")).check()
    wait_until_done(page, "kite")
    assert page.locator("#map-0 img.heat").get_attribute("src") != first
    expect(page.locator("#map-2 figcaption")).to_contain_text("kite")


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
    box.fill("goldfinch")
    box.press("Enter")
    wait_until_done(page, "goldfinch")
    expect(page.locator("#class-message")).to_be_hidden()
    expect(page.locator("#map-0 figcaption")).to_contain_text("goldfinch")


def test_a_new_photo_replaces_the_one_being_explained(page: Page, imagenet_photos: list[Path]) -> None:
    photos = {path.stem.split("_")[-1]: path for path in imagenet_photos}
    run_every_channel(page)
    upload(page, photos["22"])
    expect(page.locator("#map-2 img.heat")).to_be_visible()
    page.get_by_role("button", name="Remove Image").click()
    upload(page, photos["99"])
    wait_until_done(page, "goose")


def test_an_example_is_explained(page: Page) -> None:
    page.locator("#examples button").first.click()
    wait_until_done(page, "lion")


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


def test_a_tiff_is_shown_as_well_although_browsers_do_not_and_explained_as_it_was_uploaded(
    page: Page, eagle: Path, tmp_path: Path, screenshot: Screenshot
) -> None:
    photo = tmp_path / "far.tiff"
    Image.open(eagle).save(photo)
    upload(page, photo)
    wait_until_done(page, "bald eagle")
    shown = page.locator("#photo .image-frame img")
    assert shown.evaluate("image => [image.naturalWidth, image.naturalHeight]") == list(Image.open(photo).size)
    for place in ((20, 20), (60, 80)):
        shown.click(position={"x": place[0], "y": place[1]})
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


def test_every_wrong_photo_is_one_helpful_sentence(page: Page, eagle: Path, tmp_path: Path) -> None:
    whole = eagle.read_bytes()
    wrong = {
        "empty.jpg": (b"", "This file is empty (0 bytes): choose another photo."),
        "phone.heic": (b"\0\0\0\x18ftypheic", "This is a HEIC photo, which is not accepted: use JPEG"),
        "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This is an SVG drawing, which is not accepted"),
        "cut.jpg": (whole[: len(whole) // 3], "This photo is damaged or cut short"),
        "vast.png": (_vast_png(), "above 50"),
    }
    for name, (content, said) in wrong.items():
        (tmp_path / name).write_bytes(content)
        upload(page, tmp_path / name)
        expect(page.locator("#photo-message")).to_contain_text(said)
        page.get_by_role("button", name="Remove Image").click()
        expect(page.locator("#photo-message")).to_be_hidden()
    upload(page, eagle)
    wait_until_done(page, "bald eagle")


def _vast_png() -> bytes:
    """A photo of 60 megapixels that takes a few kilobytes."""
    buffer = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(buffer, "PNG")
    return buffer.getvalue()


def test_opacity_and_colours_change_without_asking_the_server(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.startswith("http") else None)
    heat = page.locator("#map-0 img.heat")
    page.get_by_label("number input for Opacity").fill("0.3")
    page.get_by_label("number input for Opacity").press("Enter")
    expect(heat).to_have_css("opacity", "0.3")
    page.get_by_role("radio", name="viridis").check()
    expect(heat).to_have_css("filter", re.compile("heat-viridis"))
    assert [url for url in asked if "queue" in url or "run" in url] == []


def test_settings_change_the_map(page: Page, eagle: Path) -> None:
    upload(page, eagle)
    wait_until_done(page, "bald eagle")
    before = page.locator("#map-0 img.view").get_attribute("src")
    page.get_by_role("button", name="How it is computed").click()
    page.get_by_role("radio", name="The whole photo, squeezed").check()
    expect(page.locator("#map-0 img.view")).not_to_have_attribute("src", before or "", timeout=60_000)
    wait_until_done(page, "bald eagle")
