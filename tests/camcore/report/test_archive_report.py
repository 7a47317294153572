"""The report of an archive: what it advises, what its pages hold, and how large it is."""

import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from camcore.report.archive import write_archive_report
from camcore.report.archive_records import SHEET, SHOWN, ArchiveRecords, LargestOf
from tests.archive_records import DESCRIPTION, planted_records, screened

FAILED = {"file": "bad.jpg", "species": "", "site": "", "sha256": "", "error": "this file is not a photo"}


def write(records: Iterable[Any], folder: Path) -> str:
    write_archive_report(folder / "report.html", DESCRIPTION, records)
    return unescape((folder / "report.html").read_text(encoding="utf-8"))


def advice(page: str) -> list[str]:
    section = page.partition('<ol class="advice">')[2].partition("</ol>")[0]
    return re.findall(r"<h3>(.*?)</h3>", section)


def test_the_index_begins_with_the_species_and_site_that_stand_out(tmp_path: Path) -> None:
    page = write(planted_records(2000), tmp_path)
    assert advice(page)[0] == "Look at species 1 at site 2"
    assert [title for title in advice(page) if " at " in title and title.startswith("Look")] == advice(page)[:1]
    assert "the prediction needs the background, not the animal" in page
    species, site = (re.search(rf'<a href="(pages/{kind}-\d+.html)">', page) for kind in ("species", "site"))
    assert species
    assert site
    assert (tmp_path / species[1]).is_file()
    assert (tmp_path / site[1]).is_file()
    assert len(re.findall(r'class="standout"', page)) == 1
    assert DESCRIPTION["notes"][0] in page


@pytest.mark.parametrize(
    ("records", "first"),
    [
        ([screened(n, "wren", "a", finding=None) for n in range(9)], "Mark the animals"),
        ([FAILED] * 3, "Mend the photos that could not be explained"),
        ([screened(n, "wren", "") for n in range(9)], "Add photos before you compare sites"),
        ([screened(n, "wren", "ab"[n % 2]) for n in range(40)], "Look at a few photos of each species"),
        (
            [screened(n, "wren", "ab"[n % 2], finding="relies on the background", severity=4) for n in range(40)],
            "Look at the photos with the least heat on the animal",
        ),
        ([], "Nothing needs to be done first"),
    ],
    ids=["no boxes", "nothing readable", "no sites", "sound", "everywhere", "no photos"],
)
def test_there_is_always_something_to_do_next(records: list[Any], first: str, tmp_path: Path) -> None:
    assert advice(write(records, tmp_path))[0] == first


def test_right_for_the_wrong_reason_and_undecided_photos_are_advice(tmp_path: Path) -> None:
    records = [screened(n, "wren", "a", finding="not decided", place="off the target") for n in range(9)]
    titles = advice(write(records, tmp_path))
    assert "Do not take right answers for understanding" in titles
    assert "Be careful with the shares above" in titles


def test_a_rising_share_at_the_same_sites_is_advice(tmp_path: Path) -> None:
    records = []
    for month in range(1, 11):
        for day in range(1, 25):
            relies = day <= 2 * month
            records.append(
                screened(
                    100 * month + day, "wren", "ab"[day % 2], taken_at=f"2026-{month:02}-{day:02}T08:00:00",
                    finding="relies on the background" if relies else "needs the target",
                )
            )  # fmt: skip
    assert any(title.startswith("Look at the latest photos") for title in advice(write(records, tmp_path)))


def test_copies_count_once(tmp_path: Path) -> None:
    records = [screened(n % 10, "wren", "a", finding="relies on the background") for n in range(40)]
    page = write(records, tmp_path)
    assert "30 photos are copies of others" in page
    assert "In 10 of 10 visits" in page


def test_hostile_names_are_text(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    records = [screened(n, name, name, file=f'{name}"{n}.jpg', severity=4) for n in range(9)]
    write(records, tmp_path)
    for path in (tmp_path / "report.html", *(tmp_path / "pages").iterdir()):
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text
        assert "&lt;script&gt;" in text


def test_sheets_are_sorted_by_heat_and_say_what_is_left_out(tmp_path: Path) -> None:
    count = SHEET + 20
    write([screened(n, "wren", "a", lift=(7 * n) % count / 100) for n in range(count)], tmp_path)
    page = (tmp_path / "pages" / "species-0001.html").read_text(encoding="utf-8")
    lifts = [float(value) for value in re.findall(r"lift&nbsp;([\d.]+)", page)]
    assert len(lifts) == SHEET
    assert lifts == sorted(lifts)
    assert f"The first {SHEET} of {count} photos" in page


def test_pages_of_an_earlier_run_go(tmp_path: Path) -> None:
    write([screened(n, f"species {n}", "a") for n in range(5)], tmp_path)
    assert len(list((tmp_path / "pages").iterdir())) == 6
    write([screened(n, "wren", "a") for n in range(5)], tmp_path)
    assert len(list((tmp_path / "pages").iterdir())) == 2


@pytest.mark.slow
def test_ten_thousand_photos_of_many_species_and_sites_have_an_index_below_two_megabytes(tmp_path: Path) -> None:
    page = write(planted_records(10_000, species=120, sites=80), tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
    assert page.count('class="sheet"') == 2
    assert page.count("<img") == 2 * SHOWN
    assert "60 more species and 56 more sites" in page


def test_the_largest_are_kept_in_order_and_the_first_of_equals() -> None:
    kept = LargestOf(3)
    for key, entry in [(1, "a"), (3, "b"), (2, "c"), (3, "d"), (2, "e")]:
        kept.add(key, entry)
    assert kept.entries() == ["b", "d", "c"]
    assert kept.count == 5


def test_photos_without_a_label_count_for_the_predicted_class() -> None:
    record = screened(1, "wren", "a")
    record["truth"]["title"] = ""
    assert list(ArchiveRecords([record]).by_species) == ["wren?"]
