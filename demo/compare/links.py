"""Links that open the page at an example, a class and settings."""

import filecmp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from camcore.errors import ClassError
from camcore.images.preprocess import RESIZE_MODES, ResizeMode
from camcore.methods.effort import NAMED_EFFORTS, Effort
from camcore.methods.score_cam import DEFINITIONS, DefinitionName
from camcore.model.classes import find_class
from demo.compare.session import FinishedExplanation
from demo.service import messages
from demo.service.models import Models

_LONGEST = 80  # characters of a class: no name is longer, and a message may quote it


@dataclass(frozen=True)
class Opening:
    """What a link asks for. None where it asks for nothing, or for what is not here; `message` says what was wrong."""

    path: str | None = None
    class_idx: int | None = None
    definition: DefinitionName | None = None
    resize_mode: ResizeMode | None = None
    effort: Effort | None = None
    model: str | None = None
    message: str = ""


def to_query(models: Models, finished: FinishedExplanation, examples: Sequence[str]) -> str:
    """The query, "?" included, that asks for the same again; of a photo that is no example, for all but the photo."""
    request = finished.request
    asked = {
        "example": example_of(request.path, examples),
        "class": finished.explanations[0].class_idx,
        "definition": request.options.definition,
        "effort": request.options.effort,
        "fit": request.options.resize_mode,
        "model": request.model or models.first,
    }
    return "?" + urlencode({name: value for name, value in asked.items() if value is not None})


def example_of(path: str | None, examples: Sequence[str]) -> str | None:
    """The name of the example that a photo is, byte for byte: wherever it was copied to, whatever it is called."""
    return next((Path(example).stem for example in examples if path is not None and _same(path, example)), None)


def from_query(params: Mapping[str, str], models: Models, examples: Sequence[str]) -> Opening:
    """What a page's query asks for. Anything that is not here is left out; of a class that is not, a sentence says so.

    A class belongs to its model: without that, it would be another.
    """
    paths = {Path(example).stem: example for example in reversed(examples)}
    manifests = models.manifests
    model = params.get("model", models.first)
    class_idx, message = None, ""
    if model in manifests and params.get("class"):
        class_idx, message = _class(manifests[model].labels, params["class"][:_LONGEST])
    return Opening(
        path=paths.get(params.get("example", "")),
        class_idx=class_idx,
        definition=next((name for name in DEFINITIONS if name == params.get("definition")), None),
        resize_mode=next((name for name in RESIZE_MODES if name == params.get("fit")), None),
        effort=next((name for name in NAMED_EFFORTS if name == params.get("effort")), None),
        model=model if "model" in params and model in manifests else None,
        message=message,
    )


def _class(labels: Sequence[str], wanted: str) -> tuple[int | None, str]:
    try:
        return find_class(labels, wanted), ""
    except ClassError as error:
        return None, messages.sentence(error)


def _same(path: str, example: str) -> bool:
    try:
        return filecmp.cmp(path, example, shallow=False)
    except OSError:  # the upload is gone, and nobody knows what it was
        return False
