"""HTML of the page's pictures: the view, the heat over it, and the captions."""

import base64
import io
from functools import cache, lru_cache
from html import escape

from PIL import Image

from camcore.drawing.overlay import COLOUR_MAPS, ColourMap, colour_table, draw_heat
from camcore.formatting import percent, run_summary, seconds, subject
from camcore.images.preprocess import View
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.results import Explanation
from demo.compare import text
from demo.compare.session import PageState


def figure(method: MethodName, state: PageState) -> str:
    """One method's picture and caption; its frame alone while there is no map."""
    explanation = state.explanations.get(method)
    title = escape(METHODS[method].title)
    view = state.view.image if state.view else None
    layers, caption = _layers(view, ""), f'<p class="hint">{escape(text.METHOD_HINTS[method])}</p>'
    if explanation is not None:
        alt = f"Heat of {title} for {explanation.name}, over what the model saw"
        layers = _layers(view, alt, explanation)
        caption = _caption(explanation) + caption
    caption = f"<figcaption><h3>{title}</h3>{caption}</figcaption>"
    return f'<figure class="map"><div class="frame">{layers}</div>{caption}</figure>'


def picture(explanation: Explanation, view: View) -> str:
    """A small picture of one map of a contrast, and what to say under it."""
    title = escape(METHODS[explanation.method].title)
    layers = _layers(view.image, f"Heat of {title} for {subject(explanation)}", explanation)
    said = f"{seconds(explanation.seconds)}{run_summary(explanation)}"
    caption = f'<figcaption><h4>{title}</h4><p class="figures">{escape(said)}</p></figcaption>'
    return f'<figure class="map"><div class="frame">{layers}</div>{caption}</figure>'


def note(sentence: str) -> str:
    """A quiet line; what stands in backticks is code."""
    return f'<p class="note">{with_code(sentence)}</p>'


def with_code(sentence: str) -> str:
    """HTML of a sentence, what stands in backticks as code."""
    parts = [escape(part) for part in sentence.split("`")]
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def verdict(sentence: str) -> str:
    """The verdict, under the maps; an empty frame until there is one."""
    return f'<p class="verdict">{escape(sentence)}</p>' if sentence else ""


def status(state: PageState) -> str:
    """The line under the maps that says what is happening, with a bar while Score-CAM runs."""
    refining = state.explanations.get("score-cam")
    bar = ""
    if state.running and refining is not None:
        exhaustive = refining.effort == "exact"  # else nobody knows how much is left
        share = f'value="{refining.forwards}" max="{refining.channels_alive}" ' if exhaustive else ""
        bar = f'<progress {share}aria-label="Score-CAM"></progress>'
    return f'<p class="status" role="status">{escape(state.status)}</p>{bar}'


def message(sentence: str) -> str:
    """A sentence about what went wrong, beside what caused it; nothing if it is empty."""
    return f'<p class="message" role="alert">{escape(sentence)}</p>' if sentence else ""


def colour_filters() -> str:
    """SVG filters that turn a grey heatmap into colour, its opacity following its heat: one a colour map."""
    filters = "".join(_colour_filter(name) for name in COLOUR_MAPS)
    return f'<svg width="0" height="0" aria-hidden="true" class="filters">{filters}</svg>'


def scale() -> str:
    """The scale that says what the colours mean."""
    return f'<div class="scale"><span>0</span><div class="ramp"></div><span>1</span><em>{escape(text.SCALE)}</em></div>'


def _caption(explanation: Explanation) -> str:
    said = f"{seconds(explanation.seconds)}{run_summary(explanation)}"
    return (
        f"<p><strong>{escape(explanation.name)}</strong> {percent(explanation.probability)}</p>"
        f'<p class="figures">{escape(said)}</p>'
    )


def _layers(view: Image.Image | None, alt: str, explanation: Explanation | None = None) -> str:
    if view is None:
        return ""
    layers = f'<img class="view" src="{_data_uri(view)}" alt="{escape(alt)}">'
    if explanation is not None:
        layers += f'<img class="heat" src="{_data_uri(draw_heat(explanation.heatmap))}" alt="">'
    return layers


def _data_uri(image: Image.Image) -> str:
    return _encoded(image.mode, image.size, image.tobytes())


@lru_cache(maxsize=64)
def _encoded(mode: str, size: tuple[int, int], pixels: bytes) -> str:
    """A picture as a data URI; the view stands in every figure, and is painted many times while Score-CAM runs."""
    buffer = io.BytesIO()
    Image.frombytes(mode, size, pixels).save(buffer, "PNG", compress_level=3)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@cache
def _colour_filter(name: ColourMap) -> str:
    red, green, blue = (
        " ".join(f"{value:.3f}" for value in channel) for channel in zip(*colour_table(name), strict=True)
    )
    return (
        f'<filter id="heat-{name}" color-interpolation-filters="sRGB" x="0" y="0" width="1" height="1">'
        '<feColorMatrix in="SourceGraphic" values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  1 0 0 0 0" result="alpha"/>'
        '<feComponentTransfer in="SourceGraphic">'
        f'<feFuncR type="table" tableValues="{red}"/><feFuncG type="table" tableValues="{green}"/>'
        f'<feFuncB type="table" tableValues="{blue}"/></feComponentTransfer>'
        '<feComposite operator="in" in2="alpha"/></filter>'
        f'<filter id="ramp-{name}" color-interpolation-filters="sRGB" x="0" y="0" width="1" height="1">'
        "<feComponentTransfer>"
        f'<feFuncR type="table" tableValues="{red}"/><feFuncG type="table" tableValues="{green}"/>'
        f'<feFuncB type="table" tableValues="{blue}"/></feComponentTransfer></filter>'
    )
