"""The page follows the table of methods: one more method is one more panel."""

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from camcore import Explainer
from camcore.methods.method_table import METHODS, Method
from demo.compare import html as compare_html
from demo.compare.events import _values, wire
from demo.compare.explain import explain
from demo.compare.layout import build
from demo.compare.session import ExplainRequest, PageState, Session
from demo.service.models import Models

FOURTH: Any = "layer-cam"


@pytest.fixture
def fourth_method(monkeypatch: pytest.MonkeyPatch) -> Method:
    method = Method("Layer-CAM", "layer-cam", "Weights every place by its own gradient.", None)
    monkeypatch.setitem(METHODS, FOURTH, method)
    return method


def test_a_fourth_method_has_its_panel_and_its_output(
    fourth_method: Method, stand_in: Explainer, stand_in_artifacts: Path, animal_photos: list[Path]
) -> None:
    models = Models(stand_in, stand_in_artifacts / "efficientnet_lite0")
    with gr.Blocks() as blocks:
        page = build(models)
        wire(models, page, gr.State(Session()))
    assert len(page.map_panel.maps) == 4
    assert "Layer-CAM" in page.map_panel.maps[3].value
    assert fourth_method.hint in page.map_panel.maps[3].value
    counts = {len(function.outputs) for function in blocks.fns.values() if page.map_panel.maps[3] in function.outputs}
    assert counts == {len(_values(PageState(), Session()))}
    request = ExplainRequest(str(animal_photos[0]))
    *_, last = explain(models, Session(request), request)
    assert last.explanations
    assert last.status.startswith("Done: ")
    assert compare_html.map_figure(FOURTH, last).count("<img") == 1, "the photo without heat"
