"""The photo component: hands over the file as it was uploaded."""

import gradio as gr

from demo.service.gradio_internals import ImageData


class PhotoInput(gr.Image):
    """An image component whose value is the path of the uploaded file, undecoded.

    gradio would decode the file itself and answer a wrong one in its own words; `camcore.open_photo` says what was
    wrong with it.
    """

    is_template = True

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Path of the uploaded file, or None."""
        return None if payload is None else payload.path
