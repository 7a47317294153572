"""Preferences that the browser keeps between visits: colours, opacity and definition, and nothing about a photo."""

import json
from typing import Any

import gradio as gr

from camcore.drawing.overlay import COLOUR_MAPS
from camcore.methods.definitions import DEFINITIONS
from demo.service.event_settings import AT_ONCE

_KEY = "what-did-the-classifier-look-at"

# The valid ones among the stored preferences. Storage may be switched off, or hold anything.
_STORED = f"""(() => {{
  const stored = {{}};
  try {{
    const {{ colours, opacity, definition }} = JSON.parse(localStorage.getItem("{_KEY}")) ?? {{}};
    if ({json.dumps(list(COLOUR_MAPS))}.includes(colours)) stored.colours = colours;
    if (typeof opacity === "number" && opacity >= 0 && opacity <= 1) stored.opacity = opacity;
    if ({json.dumps(list(DEFINITIONS))}.includes(definition)) stored.definition = definition;
  }} catch {{}}
  return stored;
}})()"""

_APPLY = f"""(() => {{
  const stored = {_STORED}, root = document.documentElement;
  if (stored.colours) root.dataset.colours = stored.colours;
  if (stored.opacity !== undefined) root.style.setProperty("--heat-opacity", stored.opacity);
}})()"""

# The definition of a link takes precedence over the stored one.
_RESTORE = f"""(colours, opacity, definition) => {{
  const stored = {_STORED}, linked = new URLSearchParams(location.search).get("definition");
  const preferred = {json.dumps(list(DEFINITIONS))}.includes(linked) ? linked : stored.definition;
  return [stored.colours ?? colours, stored.opacity ?? opacity, preferred ?? definition];
}}"""


def head() -> str:
    """Return a script for the document's head, which sets colours and opacity before the first picture is drawn."""
    return f"<script>{_APPLY}</script>"


def wire(blocks: gr.Blocks, colours: gr.Radio, opacity: gr.Slider, definition: gr.Dropdown) -> None:
    """Restore the preferences when the page opens, and store each when a visitor changes it, without the server."""
    components: list[Any] = [colours, opacity, definition]
    blocks.load(None, components, components, js=_RESTORE, **AT_ONCE)
    for component, name in zip(components, ("colours", "opacity", "definition"), strict=True):
        store = f'localStorage.setItem("{_KEY}", JSON.stringify({{ ...{_STORED}, {name}: value }}))'
        component.input(None, component, None, js=f"(value) => {{ try {{ {store}; }} catch {{}} }}", **AT_ONCE)
