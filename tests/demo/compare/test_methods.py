"""The page offers every method of the table."""

from pathlib import Path

import gradio as gr

from camcore import Explainer
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MORE_METHODS
from demo.compare.events import _request, _values, wire
from demo.compare.layout import build
from demo.compare.session import PageState, Session
from demo.service.models import Models


def test_three_methods_have_panels_and_the_others_can_be_chosen(stand_in: Explainer, stand_in_artifacts: Path) -> None:
    models = Models(stand_in, stand_in_artifacts / "efficientnet_lite0")
    with gr.Blocks() as blocks:
        page = build(models)
        wire(models, page, gr.State(Session()))
    panel = page.map_panel
    for method, component in zip(DEFAULT_METHODS, panel.maps, strict=True):
        assert METHODS[method].hint in component.value
    assert [name for _, name in panel.more_methods.choices] == list(MORE_METHODS)
    assert all(METHODS[name].hint in label for label, name in panel.more_methods.choices)  # type: ignore[index]
    assert panel.more_methods.value == []
    counts = {len(function.outputs) for function in blocks.fns.values() if panel.more_maps in function.outputs}
    assert counts == {len(_values(PageState(), Session()))}


def test_chosen_methods_run_in_the_order_of_the_table() -> None:
    request = _request(None, Session(), "lion.jpg", "paper", "crop", "fast", ["recipro-cam", "hirescam"], None)
    assert request.methods == (*DEFAULT_METHODS, "hirescam", "recipro-cam")
