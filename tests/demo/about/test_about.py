"""The tab that explains: valid HTML, headings in order, formulas, and links to its sources."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MORE_METHODS
from demo.about.layout import CONTENT

ROOT = Path(__file__).parents[3]
READMES = ("README.md", "camcore/study/README.md", "tests/bench/README.md")
SECTIONS = (
    "What each method computes",
    "How far to trust a heatmap",
    "What the original study found",
    "Why it matters in conservation",
    "Sources",
)


class Page(HTMLParser):
    """The tab's elements and texts; fails if they are not nested."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._open = "", list[str]()
        self.feed(CONTENT.read_text(encoding="utf-8"))
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    @property
    def papers(self) -> list[str]:
        """The numbers at arXiv that links lead to."""
        links = [str(attributes["href"]) for tag, attributes in self.elements if tag == "a"]
        return [link.removeprefix("https://arxiv.org/abs/") for link in links]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page()


def test_headings_are_in_order(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 2
    assert set(levels) == {2, 3}
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_every_section_is_there(page: Page) -> None:
    headings = re.findall(r"<h2>(.*)</h2>", CONTENT.read_text(encoding="utf-8"))
    assert tuple(headings) == SECTIONS
    assert page.count("section") == len(SECTIONS)


def test_every_method_has_a_formula_and_words(page: Page) -> None:
    assert page.count("math") == 1 + 1 + 3 + 2
    headings = re.findall(r"<h3>(.*)</h3>", CONTENT.read_text(encoding="utf-8"))
    terms = re.findall(r"<dt>(.*)</dt>", CONTENT.read_text(encoding="utf-8"))
    assert all(METHODS[name].title in headings for name in DEFAULT_METHODS)
    assert all(METHODS[name].title in terms for name in MORE_METHODS)


def test_no_markup_is_left_in_the_text(page: Page) -> None:
    assert "*" not in page.text
    assert "<" not in page.text


def test_sources_are_links_to_arxiv_that_open_apart_and_tell_nothing(page: Page) -> None:
    links = [attributes for tag, attributes in page.elements if tag == "a"]
    assert len(links) == 15
    for link, number in zip(links, page.papers, strict=True):
        assert re.fullmatch(r"\d{4}\.\d{5}", number)
        assert f"arXiv {number}" in page.text
        assert link == {
            "href": f"https://arxiv.org/abs/{number}", "target": "_blank", "rel": "noopener noreferrer"
        }  # fmt: skip


def readmes() -> str:
    paths = (ROOT / name for name in READMES)
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())


def test_the_readme_and_the_page_name_the_same_papers(page: Page) -> None:
    assert set(re.findall(r"arxiv\.org/abs/([\d.]+)", readmes())) <= set(page.papers)


def test_the_numbers_quoted_are_those_of_the_readme() -> None:
    row = next(line for line in readmes().splitlines() if "| sanity, near" in line)
    measured = re.findall(r"\d\.\d\d", row)
    assert len(measured) == 2
    quoted = re.findall(r'<span class="sanity">(.*?)</span>', CONTENT.read_text(encoding="utf-8"))
    assert quoted == measured


def test_nothing_is_loaded_or_run(page: Page) -> None:
    assert not {"script", "img", "iframe", "link", "style"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
