"""The photo component: its value is the file as it was uploaded."""

import gradio as gr

from demo.service.gradio_internals import ImageData


class PhotoInput(gr.Image):
    """An image component whose value is the path of the uploaded file, not decoded.

    Gradio would decode the file and report an invalid one in its own words. `camcore.open_photo` reports what is wrong.
    """

    is_template = True

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Return the path of the uploaded file, or None."""
        return None if payload is None else payload.path
