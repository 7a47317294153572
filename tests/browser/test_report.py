"""The report in a browser: without a network, wide and narrow, light and dark, on paper."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageStat
from playwright.sync_api import Browser, Page, expect
from pypdfium2 import PdfDocument, PdfPage
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

from camcore.cli.main import main
from camcore.report.archive import write_archive_report
from camcore.report.html import write_photo_report
from tests.archive_records import DESCRIPTION, planted_records, write_thumbnails
from tests.browser.conftest import ColourScheme, look_at
from tests.browser.test_accessibility import faults
from tests.conftest import package_folder

# Left, top, width and height by hand, as fractions.
BOXES = {"lion/lion.jpg": [0.02, 0.02, 0.72, 0.97], "cheetah/running.jpg": [0.17, 0.33, 0.58, 0.36]}
LEAST_FILLED = 0.6  # of a page: what follows may be a heading and a row of pictures, which stay together


@pytest.fixture(scope="module")
def report(artifacts: Path, imagenet_photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a study of six photos, two of them with boxes, and of a file that is not a photo."""
    folder = tmp_path_factory.mktemp("report")
    images = package_folder("gradio") / "media_assets" / "images"
    sources = {
        "lion/lion.jpg": images / "lion.jpg", "cheetah/mislaid.jpg": images / "lion.jpg",
        "cheetah/running.jpg": images / "cheetah.jpg", "cheetah/sitting.jpg": images / "cheetah1.jpg",
        "other/1.jpg": imagenet_photos[0], "other/2.jpg": imagenet_photos[1],
    }  # fmt: skip
    for file, source in sources.items():
        (folder / "cats" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / "cats" / file)
    (folder / "cats" / "lion" / "words.jpg").write_text("not a photo")
    detections = [
        {"file": file, "detections": [{"category": "1", "conf": 0.9, "bbox": bbox}]} for file, bbox in BOXES.items()
    ]
    content = {"info": {"format_version": "1.4"}, "detection_categories": {"1": "animal"}, "images": detections}
    (folder / "boxes.json").write_text(json.dumps(content))
    arguments = [
        "--boxes",
        str(folder / "boxes.json"),
        "--artifacts",
        str(artifacts),
        "--effort",
        "32",
        "--out",
        str(folder / "study"),
    ]
    assert main(["study", str(folder / "cats"), *arguments, "--sanity"]) == 1
    return folder / "study" / "report.html"


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide-light", "narrow-dark"])
def opened(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """Open the report without network and scripts; fail afterwards if it requested a file or logged an error."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, java_script_enabled=False
    )
    page = context.new_page()
    requested: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(report.as_uri())
    yield page
    look_at(page, f"report-{request.node.callspec.id}")
    context.close()
    assert [url for url in requested if not url.startswith("data:")] == [report.as_uri()]
    assert errors == []


def test_flagged_photos_come_first(opened: Page) -> None:
    flagged = opened.locator(".flagged li")
    expect(flagged.first).to_contain_text("cheetah/mislaid.jpg")
    expect(flagged.first).to_contain_text("the prediction differs from the label")
    flagged.first.get_by_role("link").click()
    assert "#" in opened.url
    article = opened.locator("article", has_text="mislaid.jpg")
    expect(article).to_be_in_viewport()
    expect(article).to_contain_text("Predicted lion")
    expect(opened.locator("article", has_text="words.jpg")).to_contain_text("this file is not a photo")


def test_every_picture_is_drawn_and_described(opened: Page) -> None:
    pictures = opened.get_by_role("img")
    assert pictures.count() >= 3 * 4
    for index in range(pictures.count()):
        picture = pictures.nth(index)
        assert picture.get_attribute("alt") or picture.get_attribute("aria-label")
    heat = opened.locator('[alt^="Grad-CAM for lion over lion/lion.jpg: "]')
    place = re.compile(r": hottest (at|on|in) the [a-z ]+; \d+% of the heat on the animal$")
    expect(heat).to_have_attribute("alt", place)
    running = opened.locator("article", has_text="running.jpg")
    assert running.locator(".box").count() == 4
    expect(running).to_contain_text(re.compile(r"Predicted cheetah \(\d+%\), as labelled"))
    expect(running).to_contain_text("of the heat on the animal")


def test_it_is_no_wider_than_the_screen(browser: Browser, report: Path) -> None:
    for width in (1280, 390, 320):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(report.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


def test_it_prints_with_all_metrics_on_a_light_background(browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 794, "height": 1123}, color_scheme="dark")
    page.goto(report.as_uri())
    page.emulate_media(media="print")
    expect(page.locator("article", has_text="running.jpg").get_by_role("table").first).to_be_visible()
    text, background = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.documentElement).backgroundColor]"
    )
    assert _lightness(text) < 80
    assert background == "rgba(0, 0, 0, 0)" or _lightness(background) > 200
    page.close()


def test_a_report_printed_at_once_has_every_picture_and_no_half_empty_page(browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(report.as_uri())
    printed = PdfDocument(page.pdf(prefer_css_page_size=True))
    pictures = [image for sheet in printed for image in sheet.get_objects(filter=[FPDF_PAGEOBJ_IMAGE])]
    assert len(pictures) == page.locator("img").count() >= 6 * 4
    assert all(min(ImageStat.Stat(picture.get_bitmap().to_pil().convert("L")).stddev) > 5 for picture in pictures)
    filled = [_filled(sheet) for sheet in printed]
    assert min(filled[:-1]) > LEAST_FILLED, filled
    assert sum(filled[:-1]) / len(filled[:-1]) > 0.85, filled
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_serious_fault_of_accessibility(browser: Browser, report: Path, width: int, scheme: ColourScheme) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(report.as_uri())
    assert faults(page) == set()
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_report_of_one_photo_is_not_a_study(
    browser: Browser, report: Path, width: int, scheme: ColourScheme
) -> None:
    """Write it from the record of a study, as the page does for its archive."""
    study = json.loads((report.parent / "study.json").read_text(encoding="utf-8"))
    record = next(record for record in study["photos"] if record["file"] == "cheetah/running.jpg")
    path = report.with_name("running.html")
    write_photo_report(path, study | {"title": "running.jpg"}, record)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(path.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("running.jpg")
    expect(page.get_by_role("navigation")).to_have_count(0)
    expect(page.get_by_role("heading", level=2)).to_have_text(["Metrics", "How this was made"])
    expect(page.locator("article .verdict")).to_contain_text("Predicted cheetah")
    expect(page.locator("article .box")).to_have_count(4)
    expect(page.get_by_text("Share of the heat inside the box.", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    look_at(page, f"report-one-{width}-{scheme}")
    page.close()


def _filled(sheet: PdfPage) -> float:
    """Return how far down a printed page has content, as a share of the height between its margins of 14 mm."""
    pixels = np.asarray(sheet.render(scale=0.5).to_pil().convert("L"))
    margin = 14 / 297 * len(pixels)
    return float((np.flatnonzero((pixels < 250).any(axis=1)).max() - margin) / (len(pixels) - 2 * margin))


def _lightness(colour: str) -> float:
    red, green, blue = (float(channel) for channel in colour.partition("(")[2].rstrip(")").split(",")[:3])
    return (red + green + blue) / 3


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the index of the report of 1,500 photos."""
    folder = tmp_path_factory.mktemp("archive")
    write_thumbnails(folder)
    write_archive_report(folder / "report.html", DESCRIPTION, planted_records(1500))
    return folder / "report.html"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_an_archive_can_be_read_with_the_keyboard_on_any_screen(
    browser: Browser, archive: Path, width: int, scheme: ColourScheme
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(archive.as_uri())
    assert faults(page) == set()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.locator(".advice h3").first).to_have_text("Look at species 1 at site 2")
    photo = page.locator(".sheet img").first
    photo.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth == 112", arg=photo.element_handle())
    look_at(page, f"archive-{width}-{scheme}")
    link = page.get_by_role("link", name="Photos of species 1", exact=True)
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("species 1")
    expect(page.locator("td.alarm")).to_contain_text("stands out")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults(page) == set()
    page.get_by_role("link", name="← archive").click()
    expect(page.locator("h2#next")).to_be_visible()
    assert errors == []
    context.close()
