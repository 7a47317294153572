"""The comparison picture, and numbers and run summaries as text."""

import numpy as np
import pytest
from PIL import Image

from camcore import Explanation, draw_comparison, draw_overlay
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
