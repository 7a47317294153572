"""The comparison picture, and numbers and run summaries as text."""

import math

import numpy as np
import pytest
from PIL import Image

from camcore import Explanation, draw_comparison, draw_overlay
from camcore.drawing.comparison import _font, _wrapped
from camcore.formatting import percent, run_summary, seconds


def explanation(**changes: object) -> Explanation:
    values: dict[str, object] = {
        "method": "score-cam", "class_idx": 22, "name": "bald eagle", "probability": 0.66,
        "heatmap": np.eye(224, dtype=np.float32), "peak": 1.5, "seconds": 2.3, "definition": "paper",
        "forwards": 640, "channels": 1280, "channels_alive": 640,
    }  # fmt: skip
    return Explanation(**{**values, **changes})  # type: ignore[arg-type]


def test_panels_stand_side_by_side_and_show_their_pictures() -> None:
    view = Image.new("RGB", (224, 224), (10, 200, 30))
    one = draw_comparison(view, [explanation()], "source")
    three = draw_comparison(view, [explanation()] * 3, "source")
    assert one.height == three.height
    assert three.width > one.width
    pixels = np.asarray(three)
    assert (pixels[28 + 100, 28 + 100] == (10, 200, 30)).all()  # the view itself
    second = pixels[28 : 28 + 336, 28 + 352 : 28 + 352 + 336]
    assert (second[100, 300] == (10, 200, 30)).all()  # cold: the photo shows
    assert np.abs(second[168, 168].astype(int) - (10, 200, 30)).max() > 40  # hot


def test_overlays_that_are_already_drawn_are_used() -> None:
    view, explanations = Image.new("RGB", (224, 224), (10, 200, 30)), [explanation(), explanation(method="grad-cam")]
    overlays = [draw_overlay(view, each.heatmap, 0.5, "viridis") for each in explanations]
    settings: dict[str, object] = {"opacity": 0.5, "colour_map": "viridis"}
    drawn = draw_comparison(view, explanations, "source", **settings)  # type: ignore[arg-type]
    reused = draw_comparison(view, explanations, "source", **settings, overlays=overlays)  # type: ignore[arg-type]
    np.testing.assert_array_equal(drawn, reused)
    plain = [np.full((224, 224, 3), 77, np.uint8)] * 2
    reused = draw_comparison(view, explanations, "source", overlays=plain)
    assert (np.asarray(reused)[28 + 100, 28 + 352 + 100] == 77).all()


def test_a_long_name_stays_in_its_panel() -> None:
    view = Image.new("RGB", (224, 224), "white")
    named = [explanation(name="a very long name of a very rare bird of the far Himalayan hills"), explanation()]
    gap = np.asarray(draw_comparison(view, named, "x" * 400))[380:440, 28 + 2 * 352 - 16 : 28 + 2 * 352 - 2]
    assert (gap == gap[0, 0]).all()


@pytest.mark.parametrize("background", ["white", "black", "gray"])
def test_boxes_are_outlined_in_every_panel_on_any_background(background: str) -> None:
    view, explanations = Image.new("RGB", (224, 224), background), [explanation(), explanation()]
    boxes = [(0.25, 0.5, 0.75, 1.0), (0.0, 0.0, 1.0, 1.0), (0.999, 0.999, 1.0, 1.0)]
    drawn = np.asarray(draw_comparison(view, explanations, "source", boxes=boxes, opacity=0)).astype(int)
    for column in range(3):
        left = 28 + 352 * column
        row = drawn[28 + 300, left + 84 - 4 : left + 84 + 8, 0]
        assert row.max() > 240, "the outline is white"
        assert row.min() < 40, "between dark lines"
        assert drawn[28 + 300, left + 1 : left + 3, 0].min() > 240, "the edge of the view"
    assert (drawn[28 + 100, 28 + 336 : 28 + 352] == (251, 250, 247)).all(), "nothing lies beside the panels"


def test_the_verdict_is_complete_below_the_panels() -> None:
    view, background = Image.new("RGB", (224, 224), "olive"), (251, 250, 247)
    plain = draw_comparison(view, [explanation()], "source")
    assert plain.size == draw_comparison(view, [explanation()], "source", verdict="").size
    for verdict in ("Predicted bulbul (90%). " * 20, "Ж" * 300, "a " + "w" * 80 + " b"):
        drawn = draw_comparison(view, [explanation()], "source", verdict=verdict)
        pixels = np.asarray(drawn)
        assert drawn.height >= plain.height + 2 * 28
        assert (pixels[400:, :28] == background).all(), "the left margin"
        assert (pixels[400:, -28:] == background).all(), "the right margin"


@pytest.mark.parametrize(
    ("text", "lines"),
    [("", []), ("one two", ["one two"]), ("one two " * 2, ["one two", "one two"]),
     ("on " + "w" * 20, ["on", "w" * 7, "w" * 7, "w" * 6]), ("w" * 8 + " on", ["w" * 7, "w on"])],
)  # fmt: skip
def test_wrapped_breaks_between_words_or_within_one_that_is_too_wide(text: str, lines: list[str]) -> None:
    font = _font("DejaVuSansMono", 19)
    assert _wrapped(text, font, math.ceil(font.getlength("w" * 7))) == lines


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100%"), (0.936, "94%"), (0.0095, "1%"), (0.0094, "0.9%"), (0.001, "0.1%"), (0, "<0.1%")]
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0.0004, "0 ms"), (0.04, "40 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (2.34, "2.3 s"), (152.4, "152 s")],
)
def test_seconds(duration: float, text: str) -> None:
    assert seconds(duration) == text


def test_run_summary() -> None:
    nothing = np.zeros((224, 224), np.float32)
    assert run_summary(explanation(fidelity_estimate=1.0)) == ", all 640 channels"
    assert run_summary(explanation(forwards=72, fidelity_estimate=0.9989)) == ", 72 forwards, fidelity 0.998"
    assert run_summary(explanation(forwards=8)) == ", 8 of 640 channels"
    assert run_summary(explanation(forwards=None)) == ""
    assert run_summary(explanation(forwards=None, heatmap=nothing, peak=0)) == ", no positive evidence"
    assert run_summary(explanation(forwards=None, heatmap=nothing, peak=0.5)) == ", the same everywhere"
