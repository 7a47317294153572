"""The tab that explains: sound HTML, headings in order, formulas, and sources that lead where they say."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from camcore.methods.grad_cam import METHODS
from demo.about import text
from demo.about.layout import html

ROOT = Path(__file__).parents[3]


class Page(HTMLParser):
    """The tab's elements and texts; fails if they are not nested."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._open = "", list[str]()
        self.feed(html())
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


@pytest.fixture(scope="module")
def page() -> Page:
    return Page()


def test_headings_are_in_order(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 2
    assert set(levels) == {2, 3}
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_every_method_has_a_formula_and_words(page: Page) -> None:
    assert set(text.ABOUT_WEIGHTS) == set(METHODS)
    assert page.count("math") == 1 + 1 + 3 + 2
    for method in METHODS.values():
        assert method.title in page.text


def test_no_markup_is_left_in_the_text(page: Page) -> None:
    assert "*" not in page.text
    assert "<" not in page.text


def test_sources_are_links_to_arxiv_that_open_apart_and_tell_nothing(page: Page) -> None:
    links = [attributes for tag, attributes in page.elements if tag == "a"]
    assert len(links) == len(text.ABOUT_PAPERS)
    for link, (_, _, number) in zip(links, text.ABOUT_PAPERS, strict=True):
        assert link == {
            "href": f"https://arxiv.org/abs/{number}", "target": "_blank", "rel": "noopener noreferrer"
        }  # fmt: skip


def test_the_readme_and_the_page_name_the_same_papers() -> None:
    told = set(re.findall(r"arxiv\.org/abs/([\d.]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert told <= {number for _, _, number in text.ABOUT_PAPERS}


def test_the_figures_quoted_are_those_of_the_readme() -> None:
    row = next(
        line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "| sanity, near" in line
    )
    quoted = text.ABOUT_LIMITS["Grad-CAM++ hardly notices what was learnt"]
    figures = re.findall(r"\d\.\d\d", row)
    assert len(figures) == 2
    assert re.findall(r"\d\.\d\d", quoted) == figures


def test_nothing_is_loaded_or_run(page: Page) -> None:
    assert not {"script", "img", "iframe", "link", "style"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
