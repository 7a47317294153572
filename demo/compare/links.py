"""Links that open the page with an example, a class and settings."""

import filecmp
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from camcore.images.preprocess import RESIZE_MODES
from camcore.methods.definitions import DEFINITIONS
from camcore.methods.effort import NAMED_EFFORTS
from camcore.methods.method_table import MORE_METHODS
from demo.compare.session import FinishedExplanation, choose_class
from demo.service.models import Models
from demo.service.opening import Opening

PARAMETERS = ("example", "class", "definition", "effort", "fit", "methods", "model")
_MAX_CLASS_CHARS = 80  # no name is longer, and a message may quote the name


def to_query(models: Models, finished: FinishedExplanation, examples: Sequence[str]) -> str:
    """Return the query of a link to the same explanation, "?" included. Only a photo that is an example is named."""
    request = finished.request
    values = (
        example_of(request.path, examples), finished.explanations[0].class_idx, request.options.definition,
        request.options.effort, request.options.resize_mode, ",".join(request.more_methods) or None,
        request.model or models.first,
    )  # fmt: skip
    parameters = zip(PARAMETERS, values, strict=True)
    return "?" + urlencode({name: value for name, value in parameters if value is not None})


def example_of(path: str | None, examples: Sequence[str]) -> str | None:
    """Return the name of the example whose bytes equal those of a photo, or None. The photo's own name is ignored."""
    try:
        return next((Path(name).stem for name in examples if path and filecmp.cmp(path, name, shallow=False)), None)
    except OSError:  # the upload was deleted
        return None


def from_query(params: Mapping[str, str], models: Models, examples: Sequence[str]) -> Opening:
    """Return what the query of a page asks for, without the values that do not exist here.

    A class is left out if its model is not here, because another model may have another class of the same index.
    """
    paths = {Path(example).stem: example for example in reversed(examples)}
    path, manifests = paths.get(params.get("example", "")), models.manifests
    more_methods = tuple(name for name in MORE_METHODS if name in params.get("methods", "").split(","))
    model = params.get("model", models.first)
    class_idx, message = None, ""
    if model in manifests and params.get("class"):
        class_idx, message = choose_class(manifests[model].labels, params["class"][:_MAX_CLASS_CHARS])
    return Opening(
        path=path,
        class_idx=class_idx,
        definition=next((name for name in DEFINITIONS if name == params.get("definition")), None),
        resize_mode=next((name for name in RESIZE_MODES if name == params.get("fit")), None),
        effort=next((name for name in NAMED_EFFORTS if name == params.get("effort")), None),
        model=model if "model" in params and model in manifests else None,
        message=message,
        more_methods=more_methods if more_methods or path else None,
    )
