"""The example photos of the page, in the folder that Gradio serves."""

import shutil
from pathlib import Path

import gradio as gr

from camcore.images.photo import PHOTO_SUFFIXES
from camcore.images.samples import sample_photos
from demo.compare import html as compare_html
from demo.compare import text
from demo.service.files import new_folder
from demo.service.gradio_internals import keep_files

Examples = dict[str, gr.Button]

_OWN_PHOTOS = Path(__file__).parents[1] / "photos"


def example_photos() -> list[Path]:
    """Return the paths of the sample photos that the gradio package contains, then of those in `demo/photos`."""
    own_photos = sorted(path for path in _OWN_PHOTOS.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    return [*sample_photos(), *own_photos]


def build() -> Examples:
    """Add a button with picture and name for each example, and return the buttons by the path of their photo.

    The paths are those of copies: Gradio serves and accepts files only from its own folder, the working directory and
    the folder of temporary files, and the gradio package may be in none of these. `gr.Examples` is not used because its
    pictures have no accessible names.
    """
    gr.HTML(compare_html.note(text.EXAMPLES), elem_id="examples-title")
    paths = [str(shutil.copy(path, new_folder())) for path in example_photos()]
    with gr.Row(elem_id="examples"):
        examples = {path: gr.Button(Path(path).stem, icon=path, size="sm") for path in paths}
    for path, button in examples.items():
        keep_files(button, [path])
    return examples
