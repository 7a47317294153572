"""What the page's events have in common."""

from typing import Any

# Plumbing of the page: no endpoint for others, and no spinner over pictures.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# Of several changes in a row, the last is what counts.
LAST: dict[str, Any] = {**PRIVATE, "trigger_mode": "always_last"}
# One line for all that runs the model, or two would fight for the cores.
ON_MODEL: dict[str, Any] = {**PRIVATE, "concurrency_id": "model", "concurrency_limit": 1}
