"""Layout of the page."""

from html import escape
from importlib.util import find_spec
from pathlib import Path

import gradio as gr

from camcore.artifact import Manifest
from camcore.classes import distinct_names
from camcore.explain import ALL_METHODS
from camcore.overlay import COLOUR_MAPS, OPACITY
from camcore.score_cam import DEFINITIONS
from demo import figures, text
from demo.handlers import Plate
from demo.model import LoadedModel
from demo.photo_input import PhotoInput
from demo.wiring import Evidence, Subject, wire

_PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".mpo", ".gif"}
_OWN_PHOTOS = Path(__file__).parent / "photos"


def build(model: LoadedModel) -> gr.Blocks:
    """The page for one model."""
    manifest = model.explainer.manifest
    blocks: gr.Blocks
    with gr.Blocks(title=text.TITLE, fill_width=True, delete_cache=(600, 3600)) as blocks:
        gr.HTML(_header(manifest, model.notice), elem_id="header")
        with gr.Row(elem_id="sheet", equal_height=False):
            with gr.Column(scale=4, min_width=300, elem_id="subject"):
                subject = _subject(manifest)
            with gr.Column(scale=10, min_width=320, elem_id="evidence"):
                evidence = _evidence(manifest)
        wire(model.explainer, subject, evidence)
    return blocks


def example_photos() -> list[str]:
    """The lion and the cheetah that gradio carries, then the photos in `demo/photos`."""
    spec = find_spec("gradio")
    folder = Path(((spec and spec.submodule_search_locations) or ["."])[0]) / "media_assets" / "images"
    bundled = [folder / "lion.jpg", folder / "cheetah1.jpg"]
    own = sorted(path for path in _OWN_PHOTOS.iterdir() if path.suffix.lower() in _PHOTO_SUFFIXES)
    return [str(path) for path in (*bundled, *own) if path.is_file()]


def _header(manifest: Manifest, notice: str | None) -> str:
    source = (
        f"{manifest.model}, weights {manifest.weights}, layer {manifest.target_layer}, {len(manifest.labels):,} classes"
    )
    said = f'<p class="notice" role="status">{_with_code(notice)}</p>' if notice else ""
    return (
        f'<header><div><h1>{escape(text.TITLE)}</h1><p class="lead">{escape(text.LEAD)}</p></div>'
        f'<p class="model">{escape(source)}</p></header>{said}{figures.colour_filters()}'
    )


def _with_code(sentence: str) -> str:
    """HTML of a sentence, what stands in backticks as code."""
    parts = [escape(part) for part in sentence.split("`")]
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _subject(manifest: Manifest) -> Subject:
    """The photo, what the model sees in it, and the class to explain."""
    photo = PhotoInput(
        label=text.PHOTO, type="filepath", height=300, buttons=[], elem_id="photo", alt_text="The photo you chose"
    )
    photo_message = gr.HTML(elem_id="photo-message")
    predictions = gr.Radio([], label=text.PREDICTIONS, info=text.PREDICTIONS_HINT, elem_id="predictions", visible=False)
    names = [(name, index) for index, name in enumerate(distinct_names(manifest.labels))]
    any_class = gr.Dropdown(
        names, value=None, label=text.ANY_CLASS, info=text.ANY_CLASS_HINT, allow_custom_value=True, elem_id="any-class"
    )
    class_message = gr.HTML(elem_id="class-message")
    explain = gr.Button(text.EXPLAIN, variant="primary", interactive=False, elem_id="explain")
    stop = gr.Button(text.STOP, variant="stop", visible=False, elem_id="stop")
    status = gr.HTML(figures.status(Plate()), elem_id="status")
    gr.Examples(example_photos(), photo, label=text.EXAMPLES, elem_id="examples")
    return Subject(photo, photo_message, predictions, any_class, class_message, explain, stop, status)


def _evidence(manifest: Manifest) -> Evidence:
    """The three maps, what is happening, and how they are drawn and computed."""
    with gr.Row(elem_id="maps"):
        maps = tuple(
            gr.HTML(figures.figure(method, Plate()), elem_id=f"map-{index}", min_height=1)
            for index, method in enumerate(ALL_METHODS)
        )
    gr.HTML(figures.scale(), elem_id="scale")
    with gr.Row(elem_id="drawing"):
        opacity = gr.Slider(0, 1, OPACITY, step=0.05, label=text.OPACITY, elem_id="opacity", buttons=[])
        colours = gr.Radio(list(COLOUR_MAPS), value="inferno", label=text.COLOURS, elem_id="colours")
    if manifest.linear_head:
        gr.HTML(f'<p class="note">{escape(text.LOOK_ALIKE)}</p>', elem_id="note")
    with gr.Accordion(text.SETTINGS, open=False, elem_id="settings"):
        with gr.Row():
            efforts = [(said, effort) for effort, said in text.EFFORTS.items()]
            effort = gr.Radio(efforts, value="fast", label=text.EFFORT, info=text.EFFORT_HINT, elem_id="effort")
            fits = [(said, fit) for fit, said in text.FITS.items()]
            fit = gr.Radio(fits, value="crop", label=text.FIT, info=text.FIT_HINT, elem_id="fit")
        choices = [(f"{name}: {each.reproduces}", name) for name, each in DEFINITIONS.items()]
        definition = gr.Dropdown(
            choices, value="paper", label=text.DEFINITION, info=text.DEFINITION_HINT, elem_id="definition"
        )
    return Evidence(maps, opacity, colours, definition, fit, effort)
