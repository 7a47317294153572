"""What a program asks of an endpoint, checked in full before the model is run."""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from camcore.drawing.overlay import COLOUR_MAPS, ColourMap
from camcore.errors import ClassError, PhotoError
from camcore.images.photo import open_photo
from camcore.images.preprocess import RESIZE_MODES, ResizeMode
from camcore.methods.grad_cam import MethodName
from camcore.methods.score_cam import DEFINITIONS
from camcore.metrics.localisation import Box
from camcore.options import ExplainOptions
from demo.api.arguments import (
    about,
    read_boxes,
    read_choice,
    read_class,
    read_effort_of,
    read_flag,
    read_methods,
    read_number,
    read_upload,
)
from demo.service import messages
from demo.service.models import Models
from demo.service.study import StudyRequest
from demo.service.uploads import is_zip

_MOST = 1000  # classes to be predicted at once
_DECODING = Lock()  # one photo at a time: the largest take 150 MB


@dataclass(frozen=True)
class Predict:
    """What `/predict` was asked for."""

    photo: Path
    model: str
    fit: ResizeMode
    top: int

    @property
    def uploads(self) -> tuple[Path, ...]:
        """The files that must be photos."""
        return (self.photo,)


@dataclass(frozen=True)
class Drawing:
    """How the pictures are drawn, and whether the heatmaps are wanted as numbers too."""

    colour_map: ColourMap
    opacity: float
    save_maps: bool


@dataclass(frozen=True)
class Explain:
    """What `/explain` was asked for; `class_idx` None means the most probable class."""

    photo: Path
    model: str
    options: ExplainOptions
    methods: tuple[MethodName, ...]
    boxes: tuple[Box, ...]
    sanity: bool
    drawing: Drawing

    @property
    def uploads(self) -> tuple[Path, ...]:
        """The files that must be photos."""
        return (self.photo,)


class Reader:
    """Reads what is asked, of these models and of files in the `uploads` folder.

    Each method takes the arguments of the endpoint of its name, in their order, and raises ArgumentError.
    """

    def __init__(self, models: Models, uploads: Path):
        self._models = models
        self._uploads = uploads

    def predict(self, photo: object, model: object, fit: object, top: object) -> Predict:
        """Of `/predict`."""
        path = read_upload("photo", photo, self._uploads)
        return Predict(
            path, self._model(model), read_choice("fit", fit, RESIZE_MODES), int(read_number("top", top, 1, _MOST))
        )

    def explain(  # noqa: PLR0917
        self,
        photo: object,
        wanted_class: object,
        rather_than: object,
        methods: object,
        box: object,
        definition: object,
        effort: object,
        fit: object,
        model: object,
        sanity: object,
        colour_map: object,
        opacity: object,
        save_maps: object,
    ) -> Explain:
        """Of `/explain`."""
        path, name = read_upload("photo", photo, self._uploads), self._model(model)
        labels = self._models.manifests[name].labels
        class_idx = read_class("wanted_class", wanted_class, labels)
        against = read_class("rather_than", rather_than, labels)
        with about("rather_than"):
            if against is not None and against == class_idx:
                raise ClassError(messages.against_itself(labels[against]))
        drawing = Drawing(
            read_choice("colour_map", colour_map, COLOUR_MAPS),
            read_number("opacity", opacity, 0, 1),
            read_flag("save_maps", save_maps),
        )
        options = ExplainOptions(
            class_idx,
            against,
            read_choice("definition", definition, DEFINITIONS),
            read_effort_of(effort),
            read_choice("fit", fit, RESIZE_MODES),
        )
        return Explain(
            path,
            name,
            options,
            read_methods(methods),
            read_boxes(box),
            read_flag("sanity", sanity),
            drawing,
        )

    def study(self, photos: object, boxes: object, model: object) -> StudyRequest:
        """Of `/study`."""
        uploads = read_upload("photos", photos, self._uploads)
        marked = None if boxes is None else read_upload("boxes", boxes, self._uploads)
        return StudyRequest((uploads,), marked, self._model(model))

    def _model(self, value: object) -> str:
        return self._models.first if value is None else read_choice("model", value, self._models.manifests)


def check_photo(parameter: str, path: Path) -> None:
    """Refuse, before it waits for the model, a file that is no photo that can be read; a zip is looked at later."""
    if is_zip(path):
        return
    with about(parameter), _DECODING:
        try:
            data = path.read_bytes()
        except OSError:
            raise PhotoError(messages.UPLOAD_GONE) from None
        open_photo(data)
