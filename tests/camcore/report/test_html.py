"""The report of a study: one self-contained page, complete and escaped."""

import base64
import io
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from camcore.errors import OutputError
from camcore.metrics.heat_place import NO_HEAT
from camcore.report.html import picture, setting_text, write_photo_report, write_report
from camcore.report.plots import Strip, colour_scale, lift_strips, mean_curves
from tests.camcore.report.test_summary import METHODS, failed, photo

HOSTILE = '<b onclick="x()">&"\'{{ 7 * 7 }}</b>'
VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}

STUDY: dict[str, Any] = {
    "title": "himalayan-birds", "command": "python -m camcore study birds", "date": "2026-11-23",
    "model": {"model": "resnet50", "weights": "IMAGENET1K_V2", "target_layer": "layer4", "linear_head": True,
              "files": {"model.onnx": "ab" * 32}, "versions": {"torch": "2.15.0"}},
    "settings": {"effort": "fast", "boxes": None, "confidence": 0.2, "sanity": False, "methods": list(METHODS)},
    "protocol": {"deletion": "pixels become 0, the hottest first", "steps": 32},
    "limits": ["A heatmap shows where, not what."], "versions": {"python": "3.11.7"},
    "notes": ["1 photo has no box."],
    "species": [{"code": "himbul", "title": "Himalayan Bulbul", "scientific_name": "Pycnonotus leucogenys",
                 "class_idx": 16, "class_name": "bulbul"}],
}  # fmt: skip


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text; fails if elements are not nested."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text, self.source, self._open = "", path.read_text(encoding="utf-8"), list[str]()
        self.feed(self.source)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in {"td", "th", "dd"}:
            self.text += " "  # separates cells
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self._open[-1:] != ["style"] else ""

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


def report(folder: Path, records: list[dict[str, Any]], **study: Any) -> Page:
    """Write the report of these records, with pictures made up for it, and return its page."""
    for name in ("view", *METHODS):
        Image.new("RGB", (224, 224), "olive").save(folder / f"{name}.png")
    write_report(folder / "report.html", {**STUDY, **study}, records)
    return Page(folder / "report.html")


@pytest.fixture
def page(tmp_path: Path) -> Page:
    """Return the page of a study with every kind of photo."""
    return report(
        tmp_path,
        [
            photo("himbul/1.jpg", lifts=(2.0, 1.5, 0.5), sanity={"grad-cam": 0.1, "grad-cam++": 0.9}),
            photo(
                "himbul/2.jpg",
                status="wrong",
                warnings=["the prediction differs from the label"],
                lifts=(0.4, 0.0, 40.0),
            ),
            photo("himbul/3.jpg", drops=(None, None, None), agreement=None, place="unknown"),
            failed("himbul/4.jpg"),
            photo("other/1.jpg", status="not told", place="unknown"),
            photo("loose.jpg", status="no such class"),
        ],
    )


def test_the_page_loads_nothing_from_the_network(page: Page) -> None:
    for link in page.values("src") + page.values("href") + page.values("srcset"):
        assert link.startswith(("#", "data:")), link
    assert not page.all("script")
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert "default-src 'none'" in page.source


def test_ids_are_unique_and_links_and_labels_lead_somewhere(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [link[1:] for link in page.values("href") if link.startswith("#")]
    assert set(targets) | set(page.values("aria-labelledby")) <= set(ids)
    assert targets


def test_every_picture_is_described(page: Page) -> None:
    pictures = page.all("img")
    assert len(pictures) == 5 * 4 + 1, "four per explained photo, and one flagged"
    assert all(each["alt"].strip() for each in pictures)
    assert "loading" not in page.source, "a report that is printed at once has all its pictures"
    texts = page.values("alt")
    assert "Grad-CAM for bulbul over himbul/1.jpg: hottest at the upper left; 50% of the heat on the animal" in texts
    assert "Score-CAM for bulbul over loose.jpg: hottest at the upper left" in texts
    assert all(each["aria-label"] for each in page.all("svg"))
    assert all(each["role"] == "img" for each in page.all("svg"))


def test_pictures_are_small_webp(page: Page) -> None:
    source = page.all("img")[-1]["src"]
    head, _, data = source.partition(",")
    assert head == "data:image/webp;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (image.format, image.size) == ("WEBP", (224, 224))


def test_headings_step_down_one_at_a_time_and_tables_name_their_cells(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit()]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(cell["scope"] in {"row", "col", "rowgroup"} for cell in page.all("th"))
    assert [len(page.all(tag)) for tag in ("main", "nav", "h1", "footer")] == [1, 1, 1, 1]
    assert page.all("html") == [{"lang": "en"}]


def test_flagged_photos_come_first_and_link_to_their_article(page: Page) -> None:
    first = page.text.index("Photos to check first", page.text.index("How this was made"))
    assert first < page.text.index("the prediction differs from the label") < page.text.index("By method")
    assert {"href": "#photo-2"} in page.all("a")
    articles = [each["id"] for each in page.all("article")]
    assert articles == [f"photo-{number}" for number in range(1, 7)]


def test_the_page_names_what_is_missing_and_why(page: Page) -> None:
    assert "This photo could not be explained: It ends early." in page.text
    assert "the middle 51% of the photo" in page.text
    assert "No metrics for Grad-CAM, Grad-CAM++, Score-CAM: the map highlights no part of the photo." in page.text
    assert "3 photos without a box" in page.text
    assert "The maps cannot be compared" in page.text
    assert "No class for the label" in page.text
    assert "None" not in page.text


def test_the_numbers_are_the_means(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "predicted as labelled, of those with a label that the model has a class for 2 of 3, 21% to 94%" in text
    assert "Lift higher is better 1.20 0.75 20.25" in text, "(2 + 0.4) / 2 and so on"
    assert "Untrained classifier 0.10 0.90 –" in text
    assert "Himalayan Bulbul 4 2 of 3 21% to 94% 2 of 2 34% to 100% " in text
    assert "7.40" in text, "((2 + 1.5 + 0.5) / 3 + (0.4 + 0 + 40) / 3) / 2"


def test_boxes_lie_where_they_are(page: Page) -> None:
    styles = [each["style"] for each in page.all("span") if each.get("class") == "box"]
    assert len(styles) == 2 * 4
    assert set(styles) == {"left: 10.00%; top: 20.00%; width: 50.00%; height: 50.00%"}


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    record = photo(f"{HOSTILE}/1.jpg", lifts=(2.0, 1.5, 0.5), warnings=[HOSTILE])
    record["predictions"][0]["name"] = record["truth"]["name"] = record["verdict"]["sentence"] = HOSTILE
    record["truth"] |= {"status": "wrong", "rank": 3}
    record["target"]["word"] = HOSTILE
    for each in record["explanations"]:
        each["name"] = HOSTILE
    broken = failed(f"{HOSTILE}/2.jpg") | {"error": HOSTILE}
    species = [{"code": HOSTILE, "title": HOSTILE, "scientific_name": HOSTILE, "class_idx": 1, "class_name": HOSTILE}]
    page = report(
        tmp_path, [record, broken], title=HOSTILE, command=HOSTILE, notes=[HOSTILE], limits=[HOSTILE], species=species,
        settings=STUDY["settings"] | {HOSTILE: HOSTILE}, protocol={"a": HOSTILE},
        model=STUDY["model"] | {"model": HOSTILE},
    )  # fmt: skip
    assert all("onclick" not in attributes for _, attributes in page.elements)
    assert not [tag for tag, attributes in page.elements if tag == "b" and attributes]
    assert page.text.count(HOSTILE) > 20
    assert "49" not in page.text


def test_without_boxes_without_photos_and_with_none_that_could_be_explained(tmp_path: Path) -> None:
    boxless = report(tmp_path, [photo(), photo("himbul/2.jpg")])
    assert not [each for each in boxless.all("span") if each.get("class") == "box"]
    assert "Lift of each photo" not in boxless.text
    assert "0 to look at, 0 on the animal, 2 not judged" in boxless.text
    assert "0 photos" in report(tmp_path, []).text
    broken = report(tmp_path, [failed()])
    assert "By method" not in broken.text
    assert "Could not be explained: himbul/bad.jpg." in " ".join(broken.text.split())


def test_the_view_of_a_model_of_boxes_is_called_a_box(tmp_path: Path) -> None:
    record = photo(lifts=(2.0, 1.5, 0.5))
    record["view"] |= {"share": 0.3, "of_box": True}
    text = " ".join(report(tmp_path, [record]).text.split())
    assert "the box of the animal, 30% of the photo; the animal fills 25% of it" in text
    assert "the middle" not in text


def test_the_picture_of_an_empty_map_says_so(tmp_path: Path) -> None:
    record = photo()
    record["explanations"][0]["hottest"] = NO_HEAT
    assert "Grad-CAM for bulbul over himbul/1.jpg: no heat anywhere" in report(tmp_path, [record]).values("alt")


def test_the_report_of_one_photo_has_nothing_of_a_study(tmp_path: Path) -> None:
    for name in ("view", *METHODS):
        Image.new("RGB", (224, 224), "olive").save(tmp_path / f"{name}.png")
    details = {key: value for key, value in STUDY.items() if key not in {"notes", "species"}} | {"title": "1_a.jpg"}
    record = photo("1_a.jpg", lifts=(2.0, 1.5, 0.5), warnings=["the methods disagree"])
    write_photo_report(tmp_path / "report.html", details, record)
    page = Page(tmp_path / "report.html")
    text = " ".join(page.text.split())
    for phrase in ("Photos to check first", "1 of 1", "1 photo", "1 map", "species", "Means", "Summary"):
        assert phrase not in text, phrase
    assert "mean" not in "".join(page.values("aria-label"))
    assert not page.all("nav")
    assert not page.all("details")
    assert "1_a.jpg A classifier predicted bulbul for this photo." in text.replace("resnet50 2026-11-23 ", "")
    for phrase in ("the methods disagree", "Predicted bulbul (90%).", "Share of the heat inside the box.",
                   "Lift higher is better 2.00 1.50 0.50", "The probability of bulbul.", "Grad-CAM and Grad-CAM++",
                   "A heatmap shows where, not what.", "How this was made",
                   f"SHA-256 of the photo: {'ab' * 32}"):  # fmt: skip
        assert phrase in text, phrase
    assert len(page.all("img")) == 4
    assert len([each for each in page.all("span") if each.get("class") == "box"]) == 4
    assert set(page.values("aria-labelledby")) <= set(page.values("id"))


def test_only_the_first_flagged_photos_are_visible_at_once(tmp_path: Path) -> None:
    page = report(tmp_path, [photo(f"himbul/{number}.jpg", warnings=["why not"]) for number in range(30)])
    assert "6 more" in page.text
    assert len(page.all("img")) == 30 * 5


def test_a_missing_picture_is_reported(tmp_path: Path) -> None:
    record = photo()
    record["view"]["picture"] = "gone.png"
    assert "The picture gone.png is missing." in report(tmp_path, [record]).text


def test_a_large_picture_is_made_small(tmp_path: Path) -> None:
    Image.new("RGB", (600, 300)).save(tmp_path / "large.png")
    data = picture(tmp_path, "large.png").partition(",")[2]
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (224, 112)


def test_a_report_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"report\.html cannot be written"):
        write_report(tmp_path / "nowhere" / "report.html", STUDY, [])


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), ("", "–"), ([], "–"), (True, "yes"), (False, "no"), (0, "0"), (0.2, "0.2"), (["a", 2], "a, 2"),
     ({"torch": "2.15", "onnx": None}, "torch: 2.15, onnx: –")],
)  # fmt: skip
def test_settings_are_readable(value: object, text: str) -> None:
    assert setting_text(value) == text


def test_dots_lie_at_their_lift_or_at_the_edge() -> None:
    plot = lift_strips("grad-cam", [Strip("a", [("one", 1.0), ("none", 0.0), ("huge", 1000.0)]), Strip("b", [])])
    places = [part.partition('"')[0] for part in plot.split('cx="')[1:]]
    assert places == ["158.6", "42.0", "314.0"], "1 is three of seven doublings from the left edge"
    assert 'aria-label="Lift of each photo’s Grad-CAM map' in plot
    assert "1 of 3 are below 1." in plot
    assert plot.count('class="dot below"') == 1
    assert lift_strips("grad-cam", [Strip("b", [])]) == ""


def test_curves_run_from_the_first_value_to_the_last() -> None:
    plot = mean_curves("Deletion", "pixels", {"grad-cam": [1.0, 0.5, 0.0]})
    assert 'points="42.0,8.0 178.0,93.0 314.0,178.0"' in plot
    assert "Grad-CAM from 1.00 over 0.50 halfway to 0.00" in plot
    assert mean_curves("Deletion", "pixels", {}) == ""


def test_a_fourth_method_has_a_column_a_panel_and_a_line(tmp_path: Path) -> None:
    old, new = photo("himbul/1.jpg", lifts=(2.0, 1.5, 0.5)), photo("himbul/2.jpg", lifts=(2.0, 1.5, 0.5))
    new["explanations"].append(new["explanations"][0] | {"method": "hirescam"})
    settings = STUDY["settings"] | {"methods": [*METHODS, "hirescam"]}
    page = report(tmp_path, [old, new], settings=settings)
    assert "--panels: 5" in page.source
    assert "Score-CAM and HiResCAM then marked" in page.text
    assert {cell["colspan"] for cell in page.all("td") if "colspan" in cell} == {"7"}
    assert 'class="line line-5"' in page.source
    assert "Lift of each photo’s HiResCAM map" in page.source
    assert all(f".line-{index} {{" in page.source for index in range(1, 11))


def test_plots_escape_their_names_and_take_their_colours_from_the_page() -> None:
    plot = lift_strips("grad-cam", [Strip(HOSTILE, [(HOSTILE, 2.0)])])
    assert "<b" not in plot
    assert "fill=" not in plot
    assert colour_scale().count("fill-opacity") == 24
