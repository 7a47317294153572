"""Downloads of the tab Compare: a picture, an archive, and a link. One click makes the file and downloads it."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from camcore.drawing.overlay import ColourMap
from demo.compare import html as compare_html
from demo.compare import text
from demo.compare.download_files import DownloadSource, bundle, comparison, download_source
from demo.compare.links import example_of, to_query
from demo.compare.session import FinishedExplanation, Session
from demo.service.event_settings import AT_ONCE, ON_MODEL, PRIVATE
from demo.service.models import Models
from demo.service.photos import new_folder

logger = logging.getLogger(__name__)

# gr.DownloadButton downloads the file that it had before the click. This downloads the file just made.
_DOWNLOAD = """(file) => {
  if (!file) return;
  const link = Object.assign(document.createElement("a"), { href: file.url, download: file.orig_name });
  document.body.append(link);
  link.click();
  link.remove();
}"""
_COPY = f"""async () => {{
  const address = document.querySelector("#page-link a")?.href;
  if (!address) return {json.dumps(text.COPY_LINK)};
  try {{
    await navigator.clipboard.writeText(address);
  }} catch {{
    const field = Object.assign(document.createElement("textarea"), {{ value: address }});
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }}
  return {json.dumps(text.LINK_COPIED)};
}}"""
# Back and Forward do not load the page again. An address with an example is restored when the page opens.
_ON_LOAD = """
const restore = () => {
  window.restoredAddress = new URLSearchParams(location.search).has("example") ? location.href : null;
};
restore();
window.addEventListener("popstate", () => {
  restore();
  trigger("navigate", { query: location.search, entry: history.state?.entry ?? "" });
});
"""


@dataclass(frozen=True)
class Downloads:
    """The components. `file` is invisible and holds the file that is being downloaded."""

    picture: gr.Button
    everything: gr.Button
    copy: gr.Button
    link: gr.HTML
    message: gr.HTML
    file: gr.File


def build() -> Downloads:
    """Add the components, which are disabled until there is something to download, and return them."""
    with gr.Row(elem_id="downloads"):
        picture = gr.Button(text.DOWNLOAD_PICTURE, interactive=False, size="sm", elem_id="download-picture")
        everything = gr.Button(text.DOWNLOAD_ALL, interactive=False, size="sm", elem_id="download-all")
        copy = gr.Button(text.COPY_LINK, interactive=False, size="sm", elem_id="copy-link")
    link = gr.HTML(elem_id="page-link", js_on_load=_ON_LOAD)
    message = gr.HTML(elem_id="download-message")
    return Downloads(picture, everything, copy, link, message, gr.File(visible=False))


def wire(
    downloads: Downloads,
    models: Models,
    examples: Sequence[str],
    session: gr.State,
    *,
    colours: gr.Radio,
    opacity: gr.Slider,
    verdict: gr.HTML,
) -> None:
    """Connect the components.

    They are enabled or disabled at every change of the verdict, which is empty while a photo is being explained.
    `examples` are the paths of the page's own photos, which are the only photos that a link can name.
    """

    def update(session: Session) -> list[Any]:
        link = _link(models, examples, session.finished) if session.finished else ""
        buttons = (_button(session, label) for label in (text.DOWNLOAD_PICTURE, text.DOWNLOAD_ALL, text.COPY_LINK))
        return [*buttons, link, ""]

    def everything(source: DownloadSource, folder: Path) -> Path:
        with models.queue.acquire(models.queue.deadline()):
            return bundle(source, folder)

    outputs = [downloads.picture, downloads.everything, downloads.copy, downloads.link, downloads.message]
    verdict.change(update, session, outputs, **AT_ONCE)
    inputs = [session, colours, opacity]
    _wire_file(downloads, downloads.picture, _file_maker(models, comparison), inputs, PRIVATE)
    _wire_file(downloads, downloads.everything, _file_maker(models, everything), inputs, ON_MODEL)
    downloads.copy.click(None, None, downloads.copy, js=_COPY, **PRIVATE)


def _wire_file(
    downloads: Downloads, button: gr.Button, make: Callable[..., Any], inputs: list[Any], queued: dict[str, Any]
) -> None:
    """Connect one button: it says that it is busy, the file is made, the browser downloads it, the button is free."""
    label = button.value
    busy = button.click(
        lambda: gr.update(value=text.MAKING_FILE, interactive=False), None, button, trigger_mode="once", **AT_ONCE
    )
    made = busy.then(make, inputs, [downloads.file, downloads.message], **queued)
    downloaded = made.then(None, downloads.file, None, js=_DOWNLOAD, **PRIVATE)
    downloaded.then(lambda session: _button(session, label), inputs[0], button, **AT_ONCE)


def _file_maker(models: Models, make: Callable[[DownloadSource, Path], Path]) -> Callable[..., Any]:
    """Return a function that makes the file of a session, and returns its path and a message, one of them empty."""

    def make_file(session: Session, colour_map: ColourMap, opacity: float) -> tuple[str | None, str]:
        if session.finished is None:
            return None, compare_html.message("There is nothing to download yet: explain a photo first.")
        try:
            source = download_source(models, session.finished, session.boxes, colour_map, opacity)
            return str(make(source, new_folder())), ""
        except Exception:  # its message may contain a path of this machine
            logger.exception("making a file to download failed")
            problem = "The file could not be made; the terminal shows more. Explain the photo again, and try once more."
            return None, compare_html.message(problem)

    return make_file


def _button(session: Session, label: str) -> Any:
    return gr.update(value=label, interactive=session.finished is not None)


def _link(models: Models, examples: Sequence[str], finished: FinishedExplanation) -> str:
    """Return the link as HTML. It opens in a new tab of the browser, so that one's own photo stays in this one."""
    query = escape(to_query(models, finished, examples))
    subject, note = "this example, name and settings", ""
    if not example_of(finished.request.path, examples):
        subject = "this name and these settings"
        note = " It does not contain your photo: whoever opens it chooses a photo of their own."
    link = f'<a href="{query}" target="_blank" rel="noopener">Link to {subject}</a>'
    return f"<p>{link} (opens in a new tab).{note}</p>"
