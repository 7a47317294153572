"""The sample photos that come with the gradio package, found without importing it."""

from importlib.util import find_spec
from pathlib import Path

SAMPLES = ("lion.jpg", "cheetah1.jpg")


def sample_photos() -> list[Path]:
    """Return the paths of the lion and the cheetah, or an empty list if gradio is not installed."""
    spec = find_spec("gradio")
    if spec is None or not spec.submodule_search_locations:
        return []
    images = Path(spec.submodule_search_locations[0]) / "media_assets" / "images"
    return [images / name for name in SAMPLES if (images / name).is_file()]
