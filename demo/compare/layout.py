"""Layout of the tab Compare: a photo, its heatmaps, and questions about them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from camcore.drawing.overlay import COLOUR_MAPS, OPACITY
from camcore.images.formats import PHOTO_SUFFIXES
from camcore.images.samples import sample_photos
from camcore.methods.definitions import DEFINITIONS
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MORE_METHODS
from camcore.model.manifest import Manifest
from demo.compare import downloads, question_layout, text
from demo.compare import html as compare_html
from demo.compare.photo_input import PhotoInput
from demo.compare.question_layout import class_field
from demo.compare.session import PageState
from demo.service.gradio_internals import ACCEPT_ANY_FILE
from demo.service.models import Models
from demo.service.photos import new_folder

_OWN_PHOTOS = Path(__file__).parents[1] / "photos"


@dataclass(frozen=True)
class PhotoPanel:
    """The components on the left: the photo, the class to explain, and the examples by the path of their photo."""

    photo: gr.Image
    photo_message: gr.HTML
    seen: gr.HTML
    other_view: gr.Button
    click_message: gr.HTML
    explain: gr.Button
    stop: gr.Button
    status: gr.HTML
    predictions: gr.Radio
    any_class: gr.Textbox
    class_message: gr.HTML
    class_list: gr.HTML
    examples: dict[str, gr.Button]


@dataclass(frozen=True)
class MapPanel:
    """The components on the right: the heatmaps of the default methods and of more, their verdict, and the settings."""

    outlines: gr.HTML
    maps: tuple[gr.HTML, ...]
    more_methods: gr.CheckboxGroup
    more_maps: gr.HTML
    caution: gr.HTML
    verdict: gr.HTML
    opacity: gr.Slider
    colours: gr.Radio
    definition: gr.Dropdown
    look_alike: gr.HTML
    resize_mode: gr.Radio
    effort: gr.Radio
    model: gr.Dropdown
    model_description: gr.HTML


@dataclass(frozen=True)
class CompareTab:
    """The components of the tab."""

    photo_panel: PhotoPanel
    map_panel: MapPanel
    downloads: downloads.Downloads
    question_panel: question_layout.QuestionPanel


def build(models: Models) -> CompareTab:
    """Lay the tab out for the first of the models, inside the `gr.Tab` that is open."""
    manifest = models.explainer().manifest
    with gr.Row(elem_id="sheet", equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_id="subject"):
            photo_panel = _photo_panel(manifest)
        with gr.Column(scale=10, min_width=320, elem_id="evidence"):
            map_panel = _map_panel(models)
            download_panel = downloads.build()
            question_panel = question_layout.build()
    return CompareTab(photo_panel, map_panel, download_panel, question_panel)


def example_photos() -> list[Path]:
    """Return the paths of the sample photos that the gradio package contains, then of those in `demo/photos`."""
    own_photos = sorted(path for path in _OWN_PHOTOS.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    return [*sample_photos(), *own_photos]


def _photo_panel(manifest: Manifest) -> PhotoPanel:
    photo = PhotoInput(
        label=text.PHOTO, type="filepath", height=300, buttons=[], elem_id="photo", alt_text=text.PHOTO_ALT
    )
    photo_message = gr.HTML(elem_id="photo-message", js_on_load=ACCEPT_ANY_FILE)
    with gr.Row(elem_id="seen"):
        seen = gr.HTML(elem_id="seen-share")
        other_view = gr.Button(text.SHOW["crop"], size="sm", visible=False, elem_id="other-view", scale=0)
    click_message = gr.HTML(elem_id="click-message")
    with gr.Row(elem_id="actions"):
        explain = gr.Button(text.EXPLAIN, variant="primary", interactive=False, elem_id="explain")
        stop = gr.Button(text.STOP, variant="stop", visible=False, elem_id="stop")
    status = gr.HTML(compare_html.status(PageState()), elem_id="status")
    predictions = gr.Radio([], label=text.PREDICTIONS, info=text.PREDICTIONS_HINT, elem_id="predictions", visible=False)
    any_class = class_field(text.ANY_CLASS, text.ANY_CLASS_HINT, "any-class")
    class_message = gr.HTML(elem_id="class-message")
    class_list = gr.HTML(compare_html.class_list(manifest), elem_id="class-list", js_on_load=compare_html.OPEN_LIST)
    return PhotoPanel(
        photo, photo_message, seen, other_view, click_message, explain, stop, status, predictions, any_class,
        class_message, class_list, _examples(),
    )  # fmt: skip


def _examples() -> dict[str, gr.Button]:
    """Add a button with picture and name for each example, and return the buttons by the path of their photo.

    The paths are those of copies: Gradio serves and accepts files only from its own folder, the working directory and
    the folder of temporary files, and the gradio package may be in none of these. `gr.Examples` is not used because its
    pictures have no accessible names.
    """
    gr.HTML(compare_html.note(text.EXAMPLES), elem_id="examples-title")
    paths = [str(shutil.copy(path, new_folder())) for path in example_photos()]
    with gr.Row(elem_id="examples"):
        return {path: gr.Button(Path(path).stem, icon=path, size="sm") for path in paths}


def _map_panel(models: Models) -> MapPanel:
    manifest = models.explainer().manifest
    outlines = gr.HTML(elem_id="outlines")
    with gr.Row(elem_id="maps", elem_classes="maps"):
        maps = tuple(
            gr.HTML(compare_html.map_figure(method, PageState()), elem_id=f"map-{index}", min_height=1)
            for index, method in enumerate(DEFAULT_METHODS)
        )
    gr.HTML(compare_html.scale(), elem_id="scale")
    with gr.Accordion(text.MORE_METHODS, open=False, elem_id="more"):
        methods = ((name, METHODS[name]) for name in MORE_METHODS)
        choices = [(f"{method.title}: {method.hint} ({method.runs})", name) for name, method in methods]
        more_methods = gr.CheckboxGroup(
            choices, label=text.MORE_METHODS, info=text.MORE_METHODS_HINT, show_label=False, elem_id="more-methods"
        )
    more_maps = gr.HTML(elem_id="more-maps")
    caution = gr.HTML(elem_id="caution")
    verdict = gr.HTML(elem_id="verdict")
    with gr.Row(elem_id="drawing"):
        opacity = gr.Slider(0, 1, OPACITY, step=0.05, label=text.OPACITY, elem_id="opacity", buttons=[])
        colours = gr.Radio(list(COLOUR_MAPS), value="inferno", label=text.COLOURS, elem_id="colours")
    look_alike = gr.HTML(compare_html.look_alike(manifest), elem_id="note")
    with gr.Accordion(text.SETTINGS, open=False, elem_id="settings"):
        with gr.Row():
            effort = _radio(text.EFFORTS, "fast", text.EFFORT, text.EFFORT_HINT, "effort")
            resize_mode = _radio(
                text.RESIZE_MODES, manifest.preprocessing.resize_mode, text.RESIZE_MODE, text.RESIZE_MODE_HINT, "fit"
            )
        definitions = [(f"{name}: {definition.reproduces}", name) for name, definition in DEFINITIONS.items()]
        definition = gr.Dropdown(
            definitions, value="paper", label=text.DEFINITION, info=text.DEFINITION_HINT, elem_id="definition"
        )
        names = [(f"{name}, knows {len(model.labels):,} names", name) for name, model in models.manifests.items()]
        model = gr.Dropdown(names, value=models.first, label=text.MODEL, info=text.MODEL_HINT, elem_id="model")
        description = gr.HTML(compare_html.model_description(manifest), elem_id="model-description")
    return MapPanel(
        outlines, maps, more_methods, more_maps, caution, verdict, opacity, colours, definition, look_alike,
        resize_mode, effort, model, description,
    )  # fmt: skip


def _radio(choices: dict[str, str], value: str, label: str, info: str, elem_id: str) -> gr.Radio:
    """Add radio buttons for `choices`, which maps values to labels."""
    options = [(title, choice) for choice, title in choices.items()]
    return gr.Radio(options, value=value, label=label, info=info, elem_id=elem_id)
