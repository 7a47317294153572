"""What the page's events have in common."""

from typing import Any

# Plumbing of the page: no endpoint for others, and no spinner over pictures.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# What takes a moment is never kept waiting in the line.
AT_ONCE: dict[str, Any] = {**PRIVATE, "queue": False}
# Of several changes in a row, the last is what counts.
LAST: dict[str, Any] = {**AT_ONCE, "trigger_mode": "always_last"}
# What asks for a run does so by changing a state, which gradio's page notices only of queued events.
ASKING: dict[str, Any] = {**PRIVATE, "trigger_mode": "always_last"}
# One line for all that runs the model, or two would fight for the cores.
ON_MODEL: dict[str, Any] = {**PRIVATE, "concurrency_id": "model", "concurrency_limit": 1}
# What programs may call by name; all else is the page's own.
ENDPOINTS: tuple[str, ...] = ("predict", "explain", "study")
