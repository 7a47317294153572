"""The page: a header, and one tab each for one photo, for many photos, and for explanations of the methods."""

from html import escape

import gradio as gr

from demo.about import layout as about_layout
from demo.api.endpoints import Endpoints
from demo.compare import address, downloads, preferences, text
from demo.compare import events as compare_events
from demo.compare import html as compare_html
from demo.compare import layout as compare_layout
from demo.compare.session import Session
from demo.many import position
from demo.many import tab as many
from demo.many.position import Opener
from demo.service.models import Models


def build(models: Models) -> gr.Blocks:
    """Build the page for these models."""
    blocks: gr.Blocks
    with gr.Blocks(title=text.TITLE, fill_width=True) as blocks:
        gr.HTML(_header(models.notice), elem_id="header")
        session = gr.State(Session())
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(text.COMPARE, id="compare"):
                row_position = position.build()
                compare_tab = compare_layout.build(models)
            with gr.Tab(text.MANY, id="many", elem_id="many-tab"):
                many_tab = many.build()
            with gr.Tab(text.ABOUT, id="about-tab"):
                about_layout.build()
        request = compare_events.wire(models, compare_tab, session)
        photo_panel, panel = compare_tab.photo_panel, compare_tab.map_panel
        examples = tuple(photo_panel.examples)
        downloads.wire(
            compare_tab.downloads, models, examples, session,
            colours=panel.colours, opacity=panel.opacity, verdict=panel.verdict,
        )  # fmt: skip
        preferences.wire(blocks, panel.colours, panel.opacity, panel.definition)
        Endpoints(models).add(blocks)
        address.wire(blocks, models, compare_tab, session, request=request, tabs=tabs)
        opener = Opener(session, address.outputs_of(compare_tab), address.open_values, tabs)
        many.wire(blocks, many_tab, models, row_position, opener, model_choice=panel.model)
        chosen = [photo_panel.photo.input, *(button.click for button in photo_panel.examples.values())]
        position.wire(row_position, tabs, [*chosen, compare_tab.downloads.link.navigate])
    return blocks


def _header(notice: str | None) -> str:
    notice_html = f'<p class="notice" role="status">{compare_html.with_code(notice)}</p>' if notice else ""
    return (
        f'<header><h1>{escape(text.TITLE)}</h1><p class="lead">{escape(text.LEAD)}</p></header>'
        f"{notice_html}{compare_html.colour_filters()}"
    )
