"""The About tab: what the heatmaps are, how far to trust them, and why they matter."""

from pathlib import Path

import gradio as gr

CONTENT = Path(__file__).with_name("about.html")


def build() -> gr.HTML:
    """Add the tab's content, inside the `gr.Tab` that is open, and return its component."""
    return gr.HTML(CONTENT.read_text(encoding="utf-8"), elem_id="about")
