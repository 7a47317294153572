"""Layout of the first tab: a photo, three maps of it, and what can be asked of them."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import gradio as gr

from camcore.drawing.overlay import COLOUR_MAPS, OPACITY
from camcore.images.photo import PHOTO_SUFFIXES
from camcore.methods.grad_cam import ALL_METHODS
from camcore.methods.score_cam import DEFINITIONS
from camcore.model.classes import distinct_names
from camcore.model.manifest import Manifest
from demo.compare import downloads as take_along
from demo.compare import html as figures
from demo.compare import text
from demo.compare.downloads import Downloads
from demo.compare.photo_input import PhotoInput
from demo.compare.session import PageState
from demo.service.models import Models

_OWN_PHOTOS = Path(__file__).parents[1] / "photos"


@dataclass(frozen=True)
class PhotoPanel:
    """The components on the left: the photo and the class to explain."""

    photo: gr.Image
    photo_message: gr.HTML
    predictions: gr.Radio
    any_class: gr.Dropdown
    class_message: gr.HTML
    explain: gr.Button
    stop: gr.Button
    status: gr.HTML
    examples: tuple[tuple[str, gr.Button], ...]  # paths, and the buttons that choose them


@dataclass(frozen=True)
class MapPanel:
    """The components on the right: the maps and their verdict, and how they are drawn and computed."""

    outlines: gr.HTML
    maps: tuple[gr.HTML, ...]
    verdict: gr.HTML
    opacity: gr.Slider
    colours: gr.Radio
    definition: gr.Dropdown
    fit: gr.Radio
    effort: gr.Radio
    model: gr.Dropdown
    model_told: gr.HTML


@dataclass(frozen=True)
class QuestionPanel:
    """What can be asked of the maps, each folded away."""

    edges: tuple[gr.Number, ...]
    clear: gr.Button
    box_message: gr.HTML
    where: gr.HTML
    measure: gr.Button
    faithful: gr.HTML
    other: gr.Dropdown
    set_against: gr.Button
    contrast: gr.HTML


@dataclass(frozen=True)
class CompareTab:
    """The first tab."""

    subject: PhotoPanel
    maps: MapPanel
    take: Downloads
    folds: QuestionPanel


def build(models: Models) -> CompareTab:
    """Lay the tab out for the first of the models."""
    manifest = models.explainer().manifest
    with gr.Row(elem_id="sheet", equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_id="subject"):
            subject = _subject(manifest)
        with gr.Column(scale=10, min_width=320, elem_id="evidence"):
            maps, take, folds = _maps(models), take_along.build(), _folds(manifest)
    return CompareTab(subject, maps, take, folds)


def example_photos() -> list[str]:
    """The lion and the cheetah that gradio carries, then the photos in `demo/photos`."""
    spec = find_spec("gradio")
    folder = Path(((spec and spec.submodule_search_locations) or ["."])[0]) / "media_assets" / "images"
    bundled = [folder / "lion.jpg", folder / "cheetah1.jpg"]
    own = sorted(path for path in _OWN_PHOTOS.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    return [str(path) for path in (*bundled, *own) if path.is_file()]


def class_choices(manifest: Manifest) -> list[tuple[str, int]]:
    """The classes as a dropdown lists them."""
    return [(name, index) for index, name in enumerate(distinct_names(manifest.labels))]


def _subject(manifest: Manifest) -> PhotoPanel:
    photo = PhotoInput(
        label=text.PHOTO, type="filepath", height=300, buttons=[], elem_id="photo", alt_text="The photo you chose"
    )
    photo_message = gr.HTML(elem_id="photo-message")
    predictions = gr.Radio([], label=text.PREDICTIONS, info=text.PREDICTIONS_HINT, elem_id="predictions", visible=False)
    any_class = gr.Dropdown(
        class_choices(manifest),
        value=None,
        label=text.ANY_CLASS,
        info=text.ANY_CLASS_HINT,
        allow_custom_value=True,
        elem_id="any-class",
    )
    class_message = gr.HTML(elem_id="class-message")
    explain = gr.Button(text.EXPLAIN, variant="primary", interactive=False, elem_id="explain")
    stop = gr.Button(text.STOP, variant="stop", visible=False, elem_id="stop")
    status = gr.HTML(figures.status(PageState()), elem_id="status")
    examples = _examples()
    return PhotoPanel(photo, photo_message, predictions, any_class, class_message, explain, stop, status, examples)


def _examples() -> tuple[tuple[str, gr.Button], ...]:
    """A button a photo, with its picture and its name: gradio's own examples have pictures that nobody names."""
    gr.HTML(figures.note(text.EXAMPLES), elem_id="examples-title")
    with gr.Row(elem_id="examples"):
        return tuple((path, gr.Button(Path(path).stem, icon=path, size="sm")) for path in example_photos())


def _maps(models: Models) -> MapPanel:
    manifest = models.explainer().manifest
    outlines = gr.HTML(elem_id="outlines")
    with gr.Row(elem_id="maps", elem_classes="maps"):
        maps = tuple(
            gr.HTML(figures.figure(method, PageState()), elem_id=f"map-{index}", min_height=1)
            for index, method in enumerate(ALL_METHODS)
        )
    gr.HTML(figures.scale(), elem_id="scale")
    verdict = gr.HTML(elem_id="verdict")
    with gr.Row(elem_id="drawing"):
        opacity = gr.Slider(0, 1, OPACITY, step=0.05, label=text.OPACITY, elem_id="opacity", buttons=[])
        colours = gr.Radio(list(COLOUR_MAPS), value="inferno", label=text.COLOURS, elem_id="colours")
    if manifest.linear_head:
        gr.HTML(figures.note(text.LOOK_ALIKE), elem_id="note")
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
        model = gr.Dropdown(
            list(models.manifests), value=models.first, label=text.MODEL, info=text.MODEL_HINT, elem_id="model"
        )
        model_told = gr.HTML(figures.note(text.described(manifest)), elem_id="model-told")
    return MapPanel(outlines, maps, verdict, opacity, colours, definition, fit, effort, model, model_told)


def _folds(manifest: Manifest) -> QuestionPanel:
    with gr.Accordion(text.ON_TARGET, open=False, elem_id="on-target"):
        gr.HTML(figures.note(text.ON_TARGET_HINT))
        with gr.Row(elem_id="edges"):
            edges = tuple(
                gr.Number(None, label=f"{label} %", minimum=0, maximum=100, elem_id=f"edge-{name}", min_width=90)
                for name, label in text.EDGES.items()
            )
        clear = gr.Button(text.CLEAR_BOX, size="sm", elem_id="clear-box")
        box_message = gr.HTML(elem_id="box-message")
        where = gr.HTML(elem_id="where")
    with gr.Accordion(text.FAITHFUL, open=False, elem_id="how-faithful"):
        gr.HTML(figures.note(text.FAITHFUL_HINT))
        measure = gr.Button(text.MEASURE, elem_id="measure")
        faithful = gr.HTML(elem_id="faithful")
    with gr.Accordion(text.CONTRAST, open=False, elem_id="why-not"):
        gr.HTML(figures.note(text.CONTRAST_HINT))
        other = gr.Dropdown(
            class_choices(manifest), value=None, label=text.RATHER_THAN, allow_custom_value=True, elem_id="other-class"
        )
        set_against = gr.Button(text.CONTRAST_BUTTON, elem_id="set-against")
        contrast = gr.HTML(elem_id="contrast")
    return QuestionPanel(edges, clear, box_message, where, measure, faithful, other, set_against, contrast)
