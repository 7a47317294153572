"""The door before all that gradio serves: what it lets in, and in which words what leaves is refused."""
