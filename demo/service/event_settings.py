"""Settings that Gradio events of several modules share."""

from typing import Any

# An event of the page only: not listed for programs, and without a spinner over the pictures.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# A short event, which does not wait in the queue.
AT_ONCE: dict[str, Any] = {**PRIVATE, "queue": False}
# A short event of which only the last of several in a row matters.
LAST: dict[str, Any] = {**AT_ONCE, "trigger_mode": "always_last"}
# An event that starts a run by changing a state. Gradio's page notices a changed state only after a queued event.
ASKING: dict[str, Any] = {**PRIVATE, "trigger_mode": "always_last"}
# An event that waits in the `ModelQueue`, and can say so, because Gradio starts it at once.
ON_MODEL: dict[str, Any] = {**PRIVATE, "concurrency_id": "page", "concurrency_limit": 16}
# An event that decodes a photo, or a study's, and acquires the model itself: a photo that takes long delays few others.
ON_PHOTO: dict[str, Any] = {**PRIVATE, "concurrency_id": "photo", "concurrency_limit": 8}
# The functions that programs may call by name; all others belong to the page.
ENDPOINTS: tuple[str, ...] = ("predict", "explain", "study")
