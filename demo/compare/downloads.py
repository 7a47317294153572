"""What a visitor takes along: a picture, an archive, and a link. One click makes the file and hands it over."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from camcore.drawing.overlay import ColourMap
from demo.compare import html as figures
from demo.compare import text
from demo.compare.download_files import bundle, comparison
from demo.compare.links import example_of, to_query
from demo.compare.session import FinishedExplanation, Session
from demo.service.event_settings import AT_ONCE, ON_MODEL, PRIVATE
from demo.service.files import new_folder
from demo.service.models import Models

logger = logging.getLogger(__name__)

# gr.DownloadButton hands over the file that it had before the click; this, the one just made.
_HAND_OVER = """(file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  document.body.append(link);
  link.click();
  link.remove();
}"""
_COPY = f"""async () => {{
  const address = document.querySelector("#take-link a")?.href;
  if (!address) return {json.dumps(text.TAKE_COPY)};
  try {{
    await navigator.clipboard.writeText(address);
  }} catch {{
    const field = document.createElement("textarea");
    field.value = address;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }}
  return {json.dumps(text.TAKE_COPIED)};
}}"""


@dataclass(frozen=True)
class Downloads:
    """The components; `file` is never seen, and holds what is being handed over."""

    picture: gr.Button
    everything: gr.Button
    copy: gr.Button
    link: gr.HTML
    message: gr.HTML
    file: gr.File


def build() -> Downloads:
    """The components, which wait until there is something to take."""
    with gr.Row(elem_id="take"):
        picture = gr.Button(text.TAKE_PICTURE, interactive=False, size="sm", elem_id="take-picture")
        everything = gr.Button(text.TAKE_ALL, interactive=False, size="sm", elem_id="take-all")
        copy = gr.Button(text.TAKE_COPY, interactive=False, size="sm", elem_id="take-copy")
    link = gr.HTML(elem_id="take-link")
    message = gr.HTML(elem_id="take-message")
    return Downloads(picture, everything, copy, link, message, gr.File(visible=False))


def wire(
    take: Downloads,
    models: Models,
    examples: Sequence[str],
    session: gr.State,
    *,
    colours: gr.Radio,
    opacity: gr.Slider,
    verdict: gr.HTML,
) -> None:
    """Connect the components: at every change of the verdict, empty while a run is on, they learn if there is one.

    `examples` are the paths of the page's own photos, which alone a link can name.
    """
    shown = [take.picture, take.everything, take.copy, take.link, take.message]
    verdict.change(lambda session: _offer(models, examples, session), session, shown, **AT_ONCE)

    def picture(session: Session, finished: FinishedExplanation, folder: Path, **drawn: Any) -> Path:
        return comparison(models, finished, folder, **drawn)

    def everything(session: Session, finished: FinishedExplanation, folder: Path, **drawn: Any) -> Path:
        with models.queue.acquire(models.queue.deadline()):
            return bundle(models, finished, session.boxes, folder, **drawn)

    inputs = [session, colours, opacity]
    _wire_file(take, take.picture, _maker(take, picture), inputs, PRIVATE)
    _wire_file(take, take.everything, _maker(take, everything), inputs, ON_MODEL)
    take.copy.click(None, None, take.copy, js=_COPY, **PRIVATE)


def _wire_file(
    take: Downloads, button: gr.Button, make: Callable[..., Any], inputs: list[Any], queued: dict[str, Any]
) -> None:
    """One click: the button says that it is busy, the file is made, the browser saves it, the button is free again."""
    label = button.value
    busy = button.click(_busy, None, button, trigger_mode="once", **AT_ONCE)
    made = busy.then(make, inputs, [take.file, take.message], **queued)
    handed = made.then(None, take.file, None, js=_HAND_OVER, **PRIVATE)
    handed.then(lambda session: _button(session, label), inputs[0], button, **AT_ONCE)


def _maker(take: Downloads, make: Callable[..., Path]) -> Callable[..., tuple[str | None, str]]:
    """Makes the file of a visit: its path and a message, one of them empty."""

    def made(session: Session, colour_map: ColourMap, opacity: float) -> tuple[str | None, str]:
        if session.finished is None:
            return None, figures.message(text.TAKE_NOTHING)
        try:
            return str(make(session, session.finished, new_folder(), colour_map=colour_map, opacity=opacity)), ""
        except Exception:  # its words may name a path of this machine
            logger.exception("making a file to take along failed")
            return None, figures.message(text.TAKE_FAILED)

    return made


def _busy() -> Any:
    return gr.update(value=text.TAKING, interactive=False)


def _button(session: Session, label: str) -> Any:
    return gr.update(value=label, interactive=session.finished is not None)


def _offer(models: Models, examples: Sequence[str], session: Session) -> list[Any]:
    labels = (text.TAKE_PICTURE, text.TAKE_ALL, text.TAKE_COPY)
    link = _link(models, examples, session.finished) if session.finished else ""
    return [*(_button(session, label) for label in labels), link, ""]


def _link(models: Models, examples: Sequence[str], finished: FinishedExplanation) -> str:
    query = escape(to_query(models, finished, examples))
    if example_of(finished.request.path, examples):
        return f'<p><a href="{query}">{escape(text.TAKE_LINK)}</a></p>'
    return f'<p><a href="{query}">{escape(text.TAKE_LINK_OWN)}</a> {escape(text.TAKE_LINK_OWN_NOTE)}</p>'
