"""The look of the page in Gradio's terms: paper and ink, and one accent colour."""

from pathlib import Path

import gradio as gr

_STYLES = sorted(Path(__file__).parent.glob("*/*.css"))

_LOOK = {
    "body_background_fill": "#fbfaf7", "body_background_fill_dark": "#161512",
    "background_fill_primary": "#fbfaf7", "background_fill_primary_dark": "#161512",
    "block_background_fill": "transparent", "block_background_fill_dark": "transparent",
    "block_border_width": "0px", "block_border_width_dark": "0px", "block_padding": "0px",
    "block_label_background_fill": "transparent", "block_label_background_fill_dark": "transparent",
    "block_label_border_width": "0px", "block_label_border_width_dark": "0px",
    "block_info_text_color": "#66635e", "block_info_text_color_dark": "#a19c92", "block_title_text_weight": "600",
    "input_background_fill": "#ffffff", "input_background_fill_dark": "#211f1b", "input_border_width": "1px",
    "button_primary_background_fill": "*primary_600", "button_primary_background_fill_dark": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_text_color": "#ffffff", "button_primary_text_color_dark": "#ffffff",
    "button_cancel_background_fill": "#9a2f1f", "button_cancel_background_fill_dark": "#9a2f1f",
    "button_cancel_background_fill_hover": "#7f2619",
    "button_cancel_text_color": "#ffffff", "button_cancel_text_color_dark": "#ffffff",
    "slider_color": "*primary_600", "slider_color_dark": "*primary_400",
}  # fmt: skip


def head() -> str:
    """Return the style sheets of the page, for the document's head."""
    return "".join(f"<style>{path.read_text(encoding='utf-8')}</style>" for path in _STYLES)


def theme() -> gr.themes.Base:
    """Return a theme that needs no network: system fonts, flat surfaces, and a green accent."""
    green = gr.themes.Color(
        "#f2f7f4", "#e1ede6", "#c4dccf", "#9fc6b1", "#6ea889", "#47896a", "#2c6349", "#24513c", "#1d4130", "#173427",
        "#0e2118",
    )  # fmt: skip
    base = gr.themes.Base(
        primary_hue=green, neutral_hue=gr.themes.colors.stone, radius_size=gr.themes.sizes.radius_sm,
        font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"),
        font_mono=("ui-monospace", "Consolas", "monospace"),
    )  # fmt: skip
    return base.set(**_LOOK)
