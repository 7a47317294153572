"""The page's address: it names the example, class and settings on the page, so that refresh and Back restore them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from camcore.options import ExplainOptions
from demo.compare.layout import CompareTab
from demo.compare.links import PARAMETERS, example_of, from_query, to_query
from demo.compare.session import ExplainRequest, Session
from demo.service.event_data import AddressData
from demo.service.event_settings import ASKING, AT_ONCE, LAST
from demo.service.models import Models
from demo.service.opening import Opening

# An address that is being restored gets its complete query without an entry of its own in the history. The same entry
# again is late: the visitor may have gone on to another address meanwhile.
_SHOW = f"""(visit) => {{
  if (!visit || visit.entry === window.shownEntry) return;
  window.shownEntry = visit.entry;
  const address = new URL(location.href), linked = address.searchParams;
  if (visit.query || linked.has("example")) {json.dumps(PARAMETERS)}.forEach((name) => linked.delete(name));
  new URLSearchParams(visit.query).forEach((value, name) => linked.set(name, value));
  const replaces = address.href === location.href || window.restoredAddress === location.href;
  history[replaces ? "replaceState" : "pushState"]({{ entry: visit.entry }}, "", address);
  window.restoredAddress = null;
}}"""
_SHOW_OWN_PHOTO = f'() => ({_SHOW})({{ query: "", entry: "" }})'


def outputs_of(page: CompareTab) -> list[Any]:
    """Return the components that `open_values` sets."""
    panel = page.map_panel
    return [page.photo_panel.photo, panel.definition, panel.resize_mode, panel.effort, panel.more_methods, panel.model]


def open_values(session: Session, opening: Opening) -> list[Any]:
    """Return the values that open a photo with its settings. The change of the photo then explains it."""
    session.linked_class, session.linked_boxes = (opening.class_idx, opening.message), opening.boxes
    more_methods = None if opening.more_methods is None else list(opening.more_methods)
    values = (opening.path, opening.definition, opening.resize_mode, opening.effort, more_methods, opening.model)
    return [gr.skip() if value is None else value for value in values]


def wire(
    blocks: gr.Blocks, models: Models, page: CompareTab, session: gr.State, *, request: gr.State, tabs: gr.Tabs
) -> None:
    """Restore what the address names when the page opens, and keep the address to what is on the page.

    Back and Forward restore what was explained then, one's own photo too.
    """
    examples, outputs = tuple(page.photo_panel.examples), outputs_of(page)

    def open_link(session: Session, request: gr.Request) -> list[Any]:
        return open_values(session, from_query(request.query_params, models, examples))

    def visit(session: Session) -> dict[str, str] | None:
        if session.finished is None:
            return None
        visited = session.finished.request
        entry = str(visited.made_at)
        session.visited[entry] = visited
        is_example = example_of(visited.path, examples) is not None
        return {"query": to_query(models, session.finished, examples) if is_example else "", "entry": entry}

    def navigate(event: AddressData, session: Session, path: str | None, *settings: Any) -> list[Any]:
        visited = session.visited.get(event.entry)
        if visited and visited.path and Path(visited.path).is_file():
            opening = _opening_of(visited)
        else:
            opening = from_query(dict(parse_qsl(event.query.removeprefix("?"))), models, examples)
        values, new_request = open_values(session, opening), gr.skip()
        if opening.path is None or opening.path != session.originals.get(path or "", path):
            values[0] = opening.path
        else:  # the photo does not change, and so does not start an explanation
            values[0] = gr.skip()
            new_request = session.newest = _request_of(opening, settings)
        return [*values, new_request, gr.Tabs(selected="compare")]

    latest = gr.JSON(visible=False)
    blocks.load(open_link, session, outputs, **LAST)
    visits = page.map_panel.verdict.change(visit, session, latest, **AT_ONCE)
    visits.then(None, latest, None, js=_SHOW, **AT_ONCE)
    page.photo_panel.photo.input(None, None, None, js=_SHOW_OWN_PHOTO, **AT_ONCE)
    page.downloads.link.navigate(navigate, [session, *outputs], [*outputs, request, tabs], **ASKING)


def _opening_of(request: ExplainRequest) -> Opening:
    options = request.options
    return Opening(
        request.path, options.class_idx, options.definition, options.resize_mode, options.effort, request.model,
        more_methods=request.more_methods,
    )  # fmt: skip


def _request_of(opening: Opening, settings: Sequence[Any]) -> ExplainRequest:
    """Return a request for what is to be opened; `settings` are those of the page, for what it leaves as it is."""
    values: Iterable[Any] = (
        opening.definition, opening.resize_mode, opening.effort, opening.more_methods, opening.model
    )  # fmt: skip
    chosen = (setting if value is None else value for value, setting in zip(values, settings, strict=True))
    definition, resize_mode, effort, more_methods, model = chosen
    options = ExplainOptions(opening.class_idx, None, definition, effort, resize_mode)
    return ExplainRequest(opening.path, options, model, tuple(more_methods))
