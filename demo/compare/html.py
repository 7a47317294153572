"""HTML of the tab Compare: the view, the heat over it, the captions, and sentences around them."""

import base64
import io
from functools import cache, lru_cache
from html import escape

from PIL import Image

from camcore.drawing.overlay import COLOUR_MAPS, ColourMap, colour_table, draw_heat
from camcore.formatting import percent, subject
from camcore.images.preprocess import View
from camcore.methods.method_table import METHODS, MethodName
from camcore.metrics.heat_place import NO_HEAT, describe_place
from camcore.model.classes import distinct_names
from camcore.model.manifest import Manifest
from camcore.results import Explanation
from demo.compare import text
from demo.compare.session import PageState

# The list of a field for a class opens when a visitor types, and a name chosen from it is submitted like a typed one.
OPEN_LIST = """
document.addEventListener("input", (event) => {
  const field = event.target, isTyped = (event.inputType ?? "insertReplacementText") !== "insertReplacementText";
  if (!field.matches(".class-field input")) return;
  if (field.value.trim()) field.setAttribute("list", "class-names");
  else field.removeAttribute("list");
  const names = element.querySelectorAll("option");
  if (isTyped || ![...names].some((option) => option.value === field.value)) return;
  field.dispatchEvent(new KeyboardEvent("keypress", { key: "Enter", bubbles: true }));
});
"""


def map_figure(method: MethodName, state: PageState) -> str:
    """Return one method's picture and caption, or its empty frame and hint while there is no heatmap."""
    explanation = state.explanations.get(method)
    title = escape(METHODS[method].title)
    caption, alt = f'<p class="hint">{escape(METHODS[method].hint)}</p>', ""
    if explanation is not None:
        name, probability = explanation.name, percent(explanation.probability)
        alt = _alt(explanation, f"{name}, {probability}")
        caption = f"<p><strong>{escape(name)}</strong> {probability}</p>{_numbers(explanation)}{caption}"
    elif method in state.undefined:
        caption = f"<p>{escape(state.undefined[method])}.</p>{caption}"
    elif state.view is not None or state.running:
        caption = f'<p>&nbsp;</p><p class="figures"></p>{caption}'  # as high as it will be
    view = state.view.image if state.view else None
    return _figure(_layers(view, alt, explanation), f"<h3>{title}</h3>{caption}")


def more_figures(state: PageState) -> str:
    """Return the figures of the methods beside the default ones, or "" if there are none."""
    figures = "".join(map_figure(method, state) for method in state.more_methods)
    return f'<div class="maps">{figures}</div>' if figures else ""


def contrast_figure(explanation: Explanation, view: View) -> str:
    """Return a small picture of one heatmap that compares two classes, with its caption."""
    title = escape(METHODS[explanation.method].title)
    layers = _layers(view.image, _alt(explanation, subject(explanation)), explanation)
    return _figure(layers, f"<h4>{title}</h4>{_numbers(explanation)}")


def note(sentence: str) -> str:
    """Return a short explanation as HTML, with the text between backticks as code."""
    return f'<p class="note">{with_code(sentence)}</p>'


def with_code(sentence: str) -> str:
    """Return a sentence as HTML, with the text between backticks as code."""
    parts = [escape(part) for part in sentence.split("`")]
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def verdict(sentence: str) -> str:
    """Return the verdict as HTML, or an empty string while there is none."""
    return f'<p class="verdict">{escape(sentence)}</p>' if sentence else ""


def caution(sentence: str) -> str:
    """Return why the maps deserve less trust than those of other models as HTML, or "" if they do not."""
    return note(sentence) if sentence else ""


def status(state: PageState) -> str:
    """Return a sentence on what is happening, with a progress bar while a heatmap grows.

    The bar shows how much is left only if that is certain: an effort other than "exact" may end at any moment.
    """
    growing = next((explanation for explanation in state.explanations.values() if not explanation.complete), None)
    bar = ""
    if state.running and growing is not None:
        share = f'value="{growing.forwards}" max="{growing.channels_alive}" ' if growing.effort == "exact" else ""
        bar = f'<progress {share}aria-label="{escape(METHODS[growing.method].title)}"></progress>'
    return f'<p class="status" role="status">{escape(state.status)}</p>{bar}'


def message(sentence: str) -> str:
    """Return a sentence on what went wrong as HTML, or an empty string if `sentence` is empty."""
    return f'<p class="message" role="alert">{escape(sentence)}</p>' if sentence else ""


def prompt(sentence: str) -> str:
    """Return a sentence on what to do next as HTML."""
    return f'<p class="note" role="status">{escape(sentence)}</p>'


def class_list(manifest: Manifest) -> str:
    """Return the names of a model's classes as a list for the fields for a class."""
    options = "".join(f'<option value="{escape(name)}"></option>' for name in distinct_names(manifest.labels))
    return f'<datalist id="class-names">{options}</datalist>'


def colour_filters() -> str:
    """Return the SVG filters that colour a grey heatmap and make it as opaque as it is hot, one per colour map."""
    filters = "".join(_colour_filter(name) for name in COLOUR_MAPS)
    return f'<svg width="0" height="0" aria-hidden="true" class="filters">{filters}</svg>'


def scale() -> str:
    """Return the scale that explains the colours."""
    return f'<div class="scale"><span>0</span><div class="ramp"></div><span>1</span><em>{escape(text.SCALE)}</em></div>'


def look_alike(manifest: Manifest) -> str:
    """Return a note for models in which Grad-CAM and Grad-CAM++ are nearly the same, "" for others."""
    return note(text.LOOK_ALIKE) if manifest.layer.linear_head else ""


def model_description(manifest: Manifest) -> str:
    """Return a description of a model as HTML: a sentence for everybody, then the technical details."""
    (height, width), int8 = manifest.layer.map_size, manifest.int8
    details = (
        f"Technical details: weights {manifest.weights}; layer {manifest.layer.name} with {manifest.layer.channels:,} "
        f"channels; the outputs differ from those of the original model by "
        f"{manifest.parity['worst_share_of_range']:.0e} of their range; "
    )
    if int8 is None:
        details += "exported without an 8-bit version."
    elif not int8.used:
        details += f"its 8-bit version is not used, because it is only {int8.speed_up:.1f} times as fast."
    else:
        details += f"its 8-bit version is {int8.speed_up:.1f} times as fast, with fidelity {int8.fidelity_mean:.3f}."
    name = f"{manifest.model} knows {len(manifest.labels):,} names. Its heatmaps have {height} × {width} cells."
    whole_or_centre = text.RESIZE_MODES[manifest.preprocessing.resize_mode]
    name += f" By default it is shown {whole_or_centre[0].lower()}{whole_or_centre[1:]}."
    return note(name + text.HEADS[manifest.head]) + note(details)


def _figure(layers: str, caption: str) -> str:
    return f'<figure class="map"><div class="frame">{layers}</div><figcaption>{caption}</figcaption></figure>'


def _alt(explanation: Explanation, subject: str) -> str:
    place = describe_place(explanation.heatmap)
    return f"{METHODS[explanation.method].title} for {subject}: {place if place == NO_HEAT else f'hottest {place}'}"


def _numbers(explanation: Explanation) -> str:
    return f'<p class="figures">{escape(text.cost(explanation))}</p>'


def _layers(view: Image.Image | None, alt: str, explanation: Explanation | None = None) -> str:
    if view is None:
        return ""
    layers = f'<img class="view" src="{data_uri(view)}" alt="{escape(alt)}">'
    if explanation is not None:
        layers += f'<img class="heat" src="{data_uri(draw_heat(explanation.heatmap))}" alt="">'
    return layers


def data_uri(image: Image.Image) -> str:
    """Return a picture as the source of an `img`."""
    return _encode(image.mode, image.size, image.tobytes())


@lru_cache(maxsize=64)
def _encode(mode: str, size: tuple[int, int], pixels: bytes) -> str:
    """Return a picture as a data URI. The cache helps because every figure repeats the view, at every repaint."""
    buffer = io.BytesIO()
    Image.frombytes(mode, size, pixels).save(buffer, "PNG", compress_level=3)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@cache
def _colour_filter(name: ColourMap) -> str:
    channels = zip("RGB", zip(*colour_table(name), strict=True), strict=True)
    functions = "".join(
        f'<feFunc{letter} type="table" tableValues="{" ".join(f"{value:.3f}" for value in channel)}"/>'
        for letter, channel in channels
    )
    return (
        f'<filter id="heat-{name}" color-interpolation-filters="sRGB" x="0" y="0" width="1" height="1">'
        '<feColorMatrix in="SourceGraphic" values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  1 0 0 0 0" result="alpha"/>'
        f'<feComponentTransfer in="SourceGraphic">{functions}</feComponentTransfer>'
        '<feComposite operator="in" in2="alpha"/></filter>'
        f'<filter id="ramp-{name}" color-interpolation-filters="sRGB" x="0" y="0" width="1" height="1">'
        f"<feComponentTransfer>{functions}</feComponentTransfer></filter>"
    )
