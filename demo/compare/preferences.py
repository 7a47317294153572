"""What the browser remembers from one visit to the next: colours, opacity and definition. Nothing about a photo."""

import json

import gradio as gr

from camcore.drawing.overlay import COLOUR_MAPS
from camcore.methods.score_cam import DEFINITIONS
from demo.service.event_settings import AT_ONCE

_KEY = "what-did-the-classifier-look-at"

# What is kept and still means something; storage may be switched off, or hold anything.
_KEPT = f"""(() => {{
  const kept = {{}};
  try {{
    const {{ colours, opacity, definition }} = JSON.parse(localStorage.getItem("{_KEY}")) ?? {{}};
    if ({json.dumps(list(COLOUR_MAPS))}.includes(colours)) kept.colours = colours;
    if (typeof opacity === "number" && opacity >= 0 && opacity <= 1) kept.opacity = opacity;
    if ({json.dumps(list(DEFINITIONS))}.includes(definition)) kept.definition = definition;
  }} catch {{}}
  return kept;
}})()"""

_DRESS = f"""(() => {{
  const kept = {_KEPT}, root = document.documentElement;
  if (kept.colours) root.dataset.colours = kept.colours;
  if (kept.opacity !== undefined) root.style.setProperty("--heat-opacity", kept.opacity);
}})()"""

# A link's definition wins: its sender meant it.
_RECALL = f"""(colours, opacity, definition) => {{
  const kept = {_KEPT}, linked = new URLSearchParams(location.search).get("definition");
  const meant = {json.dumps(list(DEFINITIONS))}.includes(linked) ? linked : kept.definition;
  return [kept.colours ?? colours, kept.opacity ?? opacity, meant ?? definition];
}}"""


def head() -> str:
    """A script for the document's head, so that the first picture is drawn in the remembered colours already."""
    return f"<script>{_DRESS}</script>"


def wire(blocks: gr.Blocks, colours: gr.Radio, opacity: gr.Slider, definition: gr.Dropdown) -> None:
    """Recall the three when the page opens, and keep each when a person changes it; the server learns of neither."""
    remembered = [colours, opacity, definition]
    blocks.load(None, remembered, remembered, js=_RECALL, **AT_ONCE)
    colours.input(None, colours, None, js=_keep("colours"), **AT_ONCE)
    opacity.input(None, opacity, None, js=_keep("opacity"), **AT_ONCE)
    definition.input(None, definition, None, js=_keep("definition"), **AT_ONCE)


def _keep(name: str) -> str:
    return f"""(value) => {{
      try {{ localStorage.setItem("{_KEY}", JSON.stringify({{ ...{_KEPT}, {name}: value }})); }} catch {{}}
    }}"""
