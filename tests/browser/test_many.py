"""The tab Many photos in a real browser."""

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import Browser, Page, expect

from camcore.report.metrics_csv import COLUMNS
from tests.browser.conftest import FINISHED, narrow, wide
from tests.conftest import package_folder

Screenshot = Callable[[str], None]
DONE = re.compile("^Done: ")


pytestmark = pytest.mark.stand_in


@pytest.fixture
def page(page: Page) -> Page:
    """The page with this tab open."""
    page.get_by_role("tab", name="Many photos").click()
    page.locator("#many-start").wait_for()
    return page


@pytest.fixture(scope="module")
def photos(imagenet_photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four photos with names as people give them, and a file that is not a photo."""
    folder = tmp_path_factory.mktemp("photos")
    by_class = {path.stem.split("_")[-1]: path for path in imagenet_photos}
    sources = {"IMG_0022.jpg": by_class["22"], "geese & <b>.jpg": by_class["99"]}
    cats = package_folder("gradio") / "media_assets" / "images"
    sources |= {"lion.jpg": cats / "lion.jpg", "a cheetah running.jpg": cats / "cheetah1.jpg"}
    for name, source in sources.items():
        shutil.copy(source, folder / name)
    (folder / "broken.jpg").write_text("these are words")
    return [folder / name for name in (*sources, "broken.jpg")]


@pytest.fixture(scope="module")
def zipped(photos: list[Path]) -> Path:
    """A zip of a folder with one subfolder per species, as macOS packs it."""
    path = photos[0].with_name("trip.zip")
    with ZipFile(path, "w") as archive:
        archive.write(photos[0], "trip/bonegl/eagle.jpg")
        archive.write(photos[2], "trip/lion/lion.jpg")
        archive.writestr("trip/lion/.DS_Store", b"x")
        archive.writestr("__MACOSX/trip/lion/._lion.jpg", b"x")
    return path


def choose(page: Page, *paths: Path, box: str = "upload") -> None:
    page.locator(f"#many-{box} input[type=file]").first.set_input_files(list(paths))
    for path in paths:
        expect(page.locator(f"#many-{box}")).to_contain_text(path.stem[:8])


def start(page: Page) -> None:
    page.get_by_role("button", name="Start").click()


def wait_until_done(page: Page) -> None:
    expect(page.locator("#many-status .status")).to_have_text(DONE, timeout=5 * FINISHED)


def names(page: Page) -> list[str]:
    return page.locator("#many-table td.file").all_inner_texts()


# The page counts itself: a busy machine takes longer for a screenshot than for a row.
COUNT_ROWS = """() => {
    window.rowCounts = [];
    const count = () => window.rowCounts.push(document.querySelectorAll("#many-table tbody tr").length);
    new MutationObserver(count).observe(document.body, {childList: true, subtree: true});
}"""


def test_table_fills_row_by_row_and_shows_what_cannot_be_read(
    page: Page, photos: list[Path], screenshot: Screenshot
) -> None:
    screenshot("many-empty")
    status = page.locator("#many-status .status")
    expect(page.locator("#many-start")).to_be_disabled()
    choose(page, *photos)
    expect(status).to_have_text("5 photos chosen. Press Start.")
    page.locator("#many-upload").get_by_role("button", name=re.compile("Clear|Remove")).first.click()
    expect(status).to_have_text("Choose photos, then press Start.")
    expect(page.locator("#many-start")).to_be_disabled()
    choose(page, *photos)
    page.evaluate(COUNT_ROWS)
    start(page)
    rows = page.locator("#many-table tbody tr")
    screenshots = list[str]()
    while not DONE.match(page.locator("#many-status .status").inner_text()):
        if rows.count() == 3 and "many-running" not in screenshots:
            screenshots.append("many-running")
            screenshot(screenshots[-1])
        page.wait_for_timeout(100)
    assert set(page.evaluate("window.rowCounts")) >= {2, 3, 4}
    expect(rows).to_have_count(5)
    assert sorted(names(page)[:4]) == ["IMG_0022.jpg", "a cheetah running.jpg", "geese & b.jpg", "lion.jpg"]
    assert names(page)[4] == "broken.jpg", "a photo that cannot be read comes last"
    expect(rows.nth(4)).to_contain_text("This file is not a photo")
    expect(rows.filter(has_text="IMG_0022.jpg")).to_contain_text("bald eagle")
    expect(rows.nth(3).locator("td.verdict")).to_have_text(re.compile("not judged: no box|look again: "))
    done = r"Done: 5 photos; [0-4] to look at, 0 on the animal, [0-4] not judged, 1 cannot be read\."
    expect(status).to_have_text(re.compile(done))
    page.get_by_role("button", name="Sort by File").click()
    expect(page.locator("#many-table td.file").nth(1)).to_have_text("broken.jpg")
    assert page.get_by_role("img", name=re.compile("What the model saw of")).count() == 4
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot("many-done")


@wide
def test_stop_keeps_the_rows_and_start_resumes(page: Page, photos: list[Path]) -> None:
    choose(page, *photos)
    start(page)
    rows = page.locator("#many-table tbody tr")
    rows.first.wait_for()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#many-status")).to_contain_text(re.compile(r"Stopped after \d of 5 photos"), timeout=FINISHED)
    done = rows.count()
    assert 1 <= done < 5
    page.wait_for_timeout(1500)
    assert rows.count() == done
    expect(page.locator("#many-report")).to_be_enabled()
    start(page)
    wait_until_done(page)
    assert rows.count() == 5


@wide
def test_rows_are_sorted_and_opened_by_mouse_and_keyboard(
    page: Page, photos: list[Path], screenshot: Screenshot
) -> None:
    choose(page, *photos)
    start(page)
    wait_until_done(page)
    header = page.get_by_role("button", name="Sort by Predicted")
    header.click()
    column = page.get_by_role("columnheader", name=re.compile("Predicted"))
    expect(column).to_have_attribute("aria-sort", "ascending")
    first = page.locator("#many-table td.prediction").all_inner_texts()
    assert first == sorted(first)
    header.press("Enter")
    expect(column).to_have_attribute("aria-sort", "descending")
    assert page.locator("#many-table td.prediction").all_inner_texts() == first[::-1]
    assert names(page)[-1] == "broken.jpg", "rows without a value come last in both directions"
    screenshot("many-sorted")

    page.locator("#many-table tr", has_text="bald eagle").locator("td.prediction").click()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#status")).to_contain_text("Done: all heatmaps for “bald eagle”", timeout=FINISHED)
    page.get_by_role("tab", name="Many photos").click()
    page.get_by_role("button", name="lion.jpg").press("Enter")
    expect(page.locator("#status")).to_contain_text("Done: all heatmaps for “lion”", timeout=FINISHED)


@wide
def test_report_and_metrics_are_downloaded(page: Page, photos: list[Path], tmp_path: Path) -> None:
    expect(page.locator("#many-report")).to_be_disabled()
    choose(page, photos[0])
    start(page)
    wait_until_done(page)
    with page.expect_download() as report:
        page.locator("#many-report").click()
    report.value.save_as(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert report.value.suggested_filename == "report.html"
    assert html.lower().startswith("<!doctype html")
    assert "python -m camcore study photos --model efficientnet_lite0" in html
    assert "/tmp/" not in html
    with page.expect_download() as metrics:
        page.locator("#many-csv").click()
    metrics.value.save_as(tmp_path / "metrics.csv")
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 5


@narrow
def test_start_shows_what_cannot_be_studied_and_works_the_next_time(
    page: Page, photos: list[Path], tmp_path: Path, screenshot: Screenshot
) -> None:
    message = page.locator("#many-message")
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(b"PK\3\4 half of it")
    choose(page, damaged)
    start(page)
    expect(message).to_contain_text("“damaged.zip” is damaged, or not a plain zip: pack it again.")
    expect(page.get_by_role("alert").filter(has_text="damaged.zip")).to_be_visible()
    screenshot("many-wrong")
    page.locator("#many-upload").get_by_role("button", name=re.compile("Clear|Remove")).first.click()
    choose(page, photos[2])
    start(page)
    wait_until_done(page)
    expect(message).to_be_hidden()
    expect(page.locator("#many-table tbody tr")).to_have_count(1)


def test_refresh_keeps_the_run_in_this_tab_only(browser: Browser, address: str, photos: list[Path]) -> None:
    """Gradio logs an error for the connection that a refresh ends, so this page is opened without `visited`."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address)
    page.get_by_role("tab", name="Many photos").click()
    choose(page, *photos)
    start(page)
    rows = page.locator("#many-table tbody tr")
    rows.first.wait_for()
    page.reload()
    expect(page.get_by_role("tab", name="Many photos")).to_have_attribute("aria-selected", "true")
    wait_until_done(page)
    page.reload()
    expect(rows).to_have_count(5)
    expect(page.locator("#many-status .status")).to_have_text(DONE)
    with page.expect_download() as report:
        page.locator("#many-report").click()
    assert report.value.suggested_filename == "report.html"
    token = page.evaluate("sessionStorage.getItem('many-photos')")
    assert token
    assert token not in page.url

    other = context.new_page()
    other.goto(address)
    other.get_by_role("tab", name="Many photos").click()
    expect(other.locator("#many-status .status")).to_have_text("Choose photos, then press Start.")
    expect(other.locator("#many-table tbody tr")).to_have_count(0)
    other.evaluate("sessionStorage.setItem('many-photos', 'a-token-that-does-not-exist')")
    other.reload()
    expect(other.get_by_role("tab", name="Many photos")).to_have_attribute("aria-selected", "true")
    expect(other.locator("#many-status .status")).to_have_text("Choose photos, then press Start.")
    context.close()
