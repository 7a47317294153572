"""The page: its header, and a tab each for one photo, for many, and for what it all means."""

from html import escape

import gradio as gr

from demo.about import layout as about
from demo.api.endpoints import Endpoints
from demo.compare import downloads as take_along
from demo.compare import html as figures
from demo.compare import layout as compare
from demo.compare import preferences as remember
from demo.compare import text
from demo.compare.events import wire, wire_link
from demo.compare.session import Session
from demo.many import events as many_wiring
from demo.many import layout as many
from demo.service.models import Models


def build(models: Models) -> gr.Blocks:
    """The page for these models."""
    blocks: gr.Blocks
    with gr.Blocks(title=text.TITLE, fill_width=True, delete_cache=(600, 3600)) as blocks:
        gr.HTML(_header(models.notice), elem_id="header")
        session = gr.State(Session())
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(text.COMPARE, id="compare"):
                first = compare.build(models)
            with gr.Tab(text.MANY, id="many"):
                several = many.build()
            with gr.Tab(text.ABOUT, id="about-tab"):
                about.build()
        wire(models, first, session)
        maps = first.maps
        many_wiring.wire(several, models, first.subject.photo, tabs, "compare", model_choice=maps.model)
        examples = compare.example_photos()
        take_along.wire(
            first.take, models, examples, session, colours=maps.colours, opacity=maps.opacity, verdict=maps.verdict
        )
        remember.wire(blocks, maps.colours, maps.opacity, maps.definition)
        Endpoints(models).add(blocks)
        wire_link(blocks, models, examples, first, session)
    return blocks


def _header(notice: str | None) -> str:
    said = f'<p class="notice" role="status">{figures.with_code(notice)}</p>' if notice else ""
    return (
        f'<header><h1>{escape(text.TITLE)}</h1><p class="lead">{escape(text.LEAD)}</p></header>'
        f"{said}{figures.colour_filters()}"
    )
