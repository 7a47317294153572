"""Questions about an explained photo: the box, the metrics, the contrast; and the HTML of the answers."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from camcore import ArtifactError, Box, Explainer
from camcore.formatting import percent
from camcore.images.preprocess import View
from camcore.options import ExplainOptions
from demo.compare import question_html, text
from demo.compare.explain import explain
from demo.compare.html import model_description
from demo.compare.questions import NO_EDGES, ask_again, clear, click, contrast, measure, type_edges
from demo.compare.session import ExplainRequest, Session
from demo.service.models import Models

LION, CHEETAH = 291, 293


@pytest.fixture(scope="module")
def models(stand_in: Explainer, stand_in_artifacts: Path) -> Models:
    return Models(stand_in, stand_in_artifacts / "efficientnet_lite0")


@pytest.fixture(scope="module")
def explained(models: Models, animal_photos: list[Path]) -> Session:
    request = ExplainRequest(str(animal_photos[0]))
    session = Session(request)
    list(explain(models, session, request))
    return session


@pytest.fixture
def session(explained: Session) -> Session:
    """A visit of its own to the same finished photo, 256 pixels wide and high."""
    return replace(explained, originals={})


def test_two_clicks_make_a_box_in_any_order(session: Session) -> None:
    first = click(session, 192, 256)
    assert (first.message, first.edges) == (text.OTHER_CORNER, NO_EDGES)
    second = click(session, 64, 25.6)
    assert second.edges == (25, 10, 75, 100)
    assert session.boxes == (Box(0.25, 0.1, 0.75, 1),)
    assert second.target_evidence is not None
    assert "of the heat lies on the marked animal" in second.verdict
    assert click(session, 0, 0).edges == (25, 10, 75, 100), "the old box stays until the new one is whole"


def test_two_clicks_on_one_line_make_no_box(session: Session) -> None:
    click(session, 50, 50)
    marked = click(session, 50, 90)
    assert (marked.message, session.boxes, marked.target_evidence) == (text.NO_SPAN, (), None)
    assert "not judged: there is no box" in marked.verdict


def test_a_click_before_the_photo_is_read_says_so() -> None:
    assert click(Session(), 1, 1).message == text.TOO_EARLY


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ((10, 20, 60, 90), ""),
        ((60, 20, 10, 90), text.NO_BOX),
        ((0, 0, 120, 90), text.NO_BOX),
        ((10, 20, None, 90), ""),
        ((10, 0, 0, 0), ""),
    ],
)
def test_edges_are_typed_in_percent(session: Session, edges: tuple[float | None, ...], message: str) -> None:
    marked = type_edges(session, edges)  # type: ignore[arg-type]
    assert (marked.message, marked.edges) == (message, edges)
    assert bool(session.boxes) == (edges == (10, 20, 60, 90))


def test_the_box_is_removed(session: Session) -> None:
    type_edges(session, (10, 20, 60, 90))
    marked = clear(session)
    assert (marked.edges, session.boxes, marked.target_evidence) == (NO_EDGES, (), None)


def test_the_box_stays_for_another_class_and_is_told_with_its_maps(models: Models, session: Session) -> None:
    type_edges(session, (2, 2, 72, 99))
    session.newest = ExplainRequest(session.finished.request.path, ExplainOptions(CHEETAH))  # type: ignore[union-attr]
    *_, last = explain(models, session, session.newest)
    assert last.target_evidence is not None
    assert "The maps explain cheetah" in last.verdict
    assert "in Score-CAM" in last.verdict, "the maps of the first choice are those that were computed before"


def test_the_model_is_asked_again_about_the_box_or_else_the_hottest_fifth(models: Models, session: Session) -> None:
    assert session.finished is not None
    assert ask_again(models, session) is None, "the answers about the hottest fifth came with the verdict"
    asked = session.finished.checks.counterfactuals
    assert asked is not None
    assert asked.marked_by == "hottest fifth"
    marked = type_edges(session, (10, 20, 60, 90))
    assert "the hottest fifth of the Score-CAM map" not in marked.verdict
    answer = ask_again(models, session)
    assert answer is not None
    verdict, about_box = answer
    assert about_box is not None
    assert about_box.marked_by == "target"
    assert about_box.answers[4].part == "zoom"
    assert len(verdict) > len(marked.verdict)
    html = question_html.counterfactuals(session.view, about_box)
    assert html.count("<figure>") == html.count("<img") == 1 + len(about_box.answers)
    assert "animal only, the rest blurred" in html
    assert f"<strong>{about_box.explained.name}</strong> {percent(about_box.explained.probability)}" in html
    assert ask_again(models, session) is None, "nothing has changed since"
    clear(session)
    answer = ask_again(models, session)
    assert answer is not None
    assert answer[1] is not None
    assert answer[1].finding == asked.finding


def test_the_model_is_not_asked_before_a_photo_or_between_two_corners(models: Models, session: Session) -> None:
    assert ask_again(models, Session()) is None
    type_edges(session, (10, 20, 60, 90))
    click(session, 64, 64)
    assert ask_again(models, session) is None


def test_measuring_gives_curves_figures_and_agreement(models: Models, session: Session) -> None:
    html = question_html.faithfulness(measure(models, session))
    assert html.count("<svg") == 2
    for title in ("Average drop", "Increase", "Average gain", "Deletion", "Insertion", "Spearman", "Overlap"):
        assert title in html
    assert re.search(r"<td>\d+\.\d%</td>", html)
    assert "Centre</th>" in html
    assert "Random from" in html
    assert html.count("aria-label") == 2


def test_measuring_too_early_says_so(models: Models) -> None:
    assert text.TOO_EARLY in question_html.faithfulness(measure(models, Session()))


def test_the_contrast_goes_both_ways(models: Models, session: Session) -> None:
    *_, last = contrast(models, session, "cheetah")
    first, second = last.directions
    assert {each.contrast_class.name for each in first.values() if each.contrast_class} == {"cheetah"}
    assert {each.name for each in second.values()} == {"cheetah"}
    html = question_html.contrast(last)
    assert html.index("lion rather than cheetah") < html.index("cheetah rather than lion")
    assert html.count("<figure") == 6


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("cheeta", "No class is named 'cheeta': the nearest are cheetah"),
        (" ", text.NO_CONTRAST_CLASS),
        (str(LION), "Lion cannot be set against itself"),
        ("1000", "Class 1000 is out of range"),
    ],
)
def test_a_wrong_other_class_is_one_sentence(models: Models, session: Session, wanted: str, said: str) -> None:
    (found,) = contrast(models, session, wanted)
    assert found.message.startswith(said)
    assert "message" in question_html.contrast(found)


def test_a_contrast_ends_when_something_else_is_wanted(models: Models, session: Session) -> None:
    steps = contrast(models, session, str(CHEETAH))
    next(steps)
    session.finished = None
    assert list(steps) == []


def test_outlines_lie_in_percent_of_the_photo_and_of_the_view() -> None:
    view = View(Image.new("RGB", (224, 224)), (100, 0, 300, 200), (400, 200))
    style = question_html.outlines(view, [Box(0.25, 0.5, 0.5, 1)])
    for rule in (
        "--aspect: 400 / 200",
        "--crop-left: 25.0000%",
        "--crop-width: 50.0000%",
        "--box-top: 50.0000%",
        "--seen-left: 0.0000%",
        "--seen-width: 50.0000%",
    ):
        assert rule in style
    assert "seen" not in question_html.outlines(view, [Box(0, 0, 0.2, 1)])
    assert "marked" in question_html.outlines(view, [Box(0, 0, 0.2, 1)])
    assert "marked" not in question_html.outlines(view, [])
    assert question_html.outlines(None, []) == ""


def test_the_first_corner_is_drawn_instead_of_the_former_box() -> None:
    view = View(Image.new("RGB", (224, 224)), (100, 0, 300, 200), (400, 200))
    style = question_html.outlines(view, [Box(0.25, 0.5, 0.5, 1)], (0.25, 0.75))
    assert "--corner-left: 25.0000%; --corner-top: 75.0000%" in style
    assert 'class="drawn seen corner"' in style


def test_models_are_those_of_the_folder_and_a_half_written_one_is_none(
    stand_in_artifacts: Path, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        shutil.copytree(stand_in_artifacts / "efficientnet_lite0", tmp_path / name)
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "manifest.json").write_text("{")
    explainer = Explainer.load(tmp_path / "second")
    models = Models(explainer, tmp_path / "second")
    assert list(models.manifests) == ["second", "first"]
    assert models.explainer() is explainer
    assert models.explainer("first") is models.explainer("first") is not explainer
    with pytest.raises(ArtifactError, match="there is no model 'fourth' here: choose second or first"):
        models.explainer("fourth")
    assert list(Models(explainer, tmp_path / "second", alone=True).manifests) == ["second"]


def test_a_model_is_described(stand_in: Explainer) -> None:
    html = model_description(stand_in.manifest)
    assert "efficientnet_lite0 knows 1,000 names. Its heatmaps have 7 × 7 cells." in html
    assert "weights package; layer " in html
    assert "with 1,024 channels" in html
    assert "of their range" in html
    assert "8-bit version" in html
