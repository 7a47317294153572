"""The gateway in front of Gradio's server: it forwards public requests only, and replaces the text of errors."""
