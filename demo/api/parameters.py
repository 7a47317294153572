"""The parameters of the endpoints, as pydantic models.

A field is the only place that has the name, type, default and description of a parameter. `demo.api.endpoints`
describes the endpoints to programs by these models, and checks every call against them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import BeforeValidator, PlainValidator, WrapValidator

from camcore.drawing.overlay import OPACITY, ColourMap
from camcore.errors import BoxesError
from camcore.images.formats import ACCEPTED_FORMATS
from camcore.images.preprocess import View
from camcore.methods.definitions import DefinitionName
from camcore.methods.effort import Effort, read_effort
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MethodName
from camcore.metrics.localisation import Target
from camcore.model.classes import find_class_pair
from camcore.model.manifest import ResizeMode
from camcore.types import Box
from demo.api.parameter_errors import errors_of, not_a_value, parameter_error
from demo.service import messages
from demo.service.gradio_internals import FileDataMeta, is_served_file
from demo.service.models import Models
from demo.service.photos import UPLOAD_GONE
from demo.service.queue import Deadline
from demo.service.uploads import MAX_PHOTOS, is_zip

_MAX_CLASSES = 1000  # that `/predict` returns
_MAX_CHARS = 200  # of a class or an effort
_PHOTO = f"an uploaded {ACCEPTED_FORMATS}, up to 50 megapixels (JPEG: 100); over MCP also a data URI"
_FIT = (
    "crop shows the model the centre of the photo, squash all of it, squeezed into the shape of its input, and pad all "
    "of it with plain borders; as the model was exported if null"
)
_MODEL = "which of the exported models; the first if null"
_METHODS = f"some of {', '.join(METHODS)}; the first {len(DEFAULT_METHODS)} if null"


class Upload(NamedTuple):
    """An uploaded file, as gradio_client's `handle_file` and HTTP's `/gradio_api/upload` describe it."""

    path: str
    meta: FileDataMeta


def view_of(
    models: Models,
    upload: Upload,
    model: str | None,
    resize_mode: ResizeMode | None,
    deadline: Deadline,
    *,
    boxes: Sequence[Box] = (),
    with_whole: bool = True,
) -> View:
    """Return a model's view of an uploaded photo, in which `boxes` mark the animal.

    Raise PhotoError or RequestTimeoutError as `Photos.view` does.
    """
    path, steps = Path(upload.path), models.manifests[model or models.first].preprocessing
    return models.photos.view(path, path, steps, resize_mode, deadline, boxes=boxes, with_whole=with_whole)


def _check_upload(value: object) -> Upload:
    """Return an uploaded file as the client describes it. No other file of this server may be read."""
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not is_served_file(path):
        raise ValueError(messages.NOT_UPLOADED)
    if not Path(path).is_file():
        raise ValueError(UPLOAD_GONE)
    return Upload(path, {"_type": "gradio.FileData"})


def _check_class(value: object, info: ValidationInfo) -> str | int | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > _MAX_CHARS:
        raise ValueError(not_a_value(info.field_name, "give the name of a class, or its index"))
    return value


def _check_box(value: object, parse: Callable[[object], list[float] | None]) -> list[float] | None:
    try:
        box = parse(value)
        if box:
            Target.of_boxes([Box(*box)])
    except (ValidationError, TypeError, BoxesError) as error:  # TypeError: not exactly four numbers
        remedy = "give four numbers, left, top, right and bottom as fractions of the photo, 0 to 1, left before right"
        raise ValueError(not_a_value("box", remedy)) from error
    return box


def _check_model(value: object, info: ValidationInfo) -> object:
    names = list(cast(Models, info.context).manifests)
    if value is None or value in names:
        return value
    raise ValueError(not_a_value("model", f"choose {' or '.join(names)}"))


_Upload = Annotated[Upload, PlainValidator(_check_upload)]
# May be None too, but MCP does not recognise a file in the type `Upload | None`.
_OptionalUpload = Annotated[Upload, PlainValidator(lambda value: None if value is None else _check_upload(value))]
_ClassName = Annotated[str | int | None, BeforeValidator(_check_class)]
_BoxEdges = Annotated[list[float] | None, WrapValidator(_check_box)]
_EffortText = Annotated[Effort, BeforeValidator(lambda value: read_effort(str(value)[:_MAX_CHARS]))]
_ModelName = Annotated[str | None, BeforeValidator(_check_model)]


class Parameters(BaseModel):
    """The parameters of an endpoint, of which the first is an uploaded file."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)
    needs_whole: ClassVar[bool] = True  # whether the model is asked about the whole photo too

    @property
    def target_boxes(self) -> tuple[Box, ...]:
        """Return the box that marks the animal in the photo, if there is one."""
        return ()

    @classmethod
    def parse(cls, values: Sequence[object], models: Models) -> Self:
        """Return the parameters, from values in the order of the fields, or raise ParameterError about one of them."""
        try:
            return cls.model_validate(dict(zip(cls.model_fields, values, strict=True)), context=models)
        except ValidationError as error:
            raise parameter_error(error, cls.model_fields) from error

    def check_photo(self, models: Models) -> None:
        """Raise ParameterError if the file is not a photo that can be read, nor a zip, which the study unpacks."""
        (parameter, upload), *_ = values = list(self)
        if not is_zip(Path(upload.path)):
            options = dict(values)
            with errors_of(parameter):
                view_of(
                    models,
                    upload,
                    options["model"],
                    options.get("fit"),
                    models.queue.deadline(),
                    boxes=self.target_boxes,
                    with_whole=self.needs_whole,
                )


class PredictParameters(Parameters):
    """The parameters of `/predict`."""

    needs_whole: ClassVar[bool] = False

    photo: _Upload = Field(description=_PHOTO)
    model: _ModelName = Field(None, description=_MODEL)
    fit: ResizeMode | None = Field(None, description=_FIT)
    top: int = Field(5, ge=1, le=_MAX_CLASSES, description="how many classes")


class ExplainParameters(Parameters):
    """The parameters of `/explain`."""

    photo: _Upload = Field(description=_PHOTO)
    wanted_class: _ClassName = Field(None, description="class to explain, by name or index; the most probable if null")
    rather_than: _ClassName = Field(
        None, description="name or index of a class to set it against: what speaks for the one and against the other"
    )
    methods: list[MethodName] | None = Field(None, description=_METHODS)
    box: _BoxEdges = Field(
        None,
        description="left, top, right and bottom edge of the animal, as fractions of the photo: is the heat on it?",
    )
    definition: DefinitionName = Field("paper", description="Score-CAM variant")
    effort: _EffortText = Field("fast", description="fast, exact (every channel), or a number of forwards of Score-CAM")
    fit: ResizeMode | None = Field(None, description=_FIT)
    model: _ModelName = Field(None, description=_MODEL)
    sanity: bool = Field(False, description="also compare with the maps of a classifier that has learnt nothing")
    colour_map: ColourMap = Field("inferno", description="colour map of the pictures")
    opacity: float = Field(OPACITY, ge=0, le=1, description="opacity of the hottest pixels in the pictures, 0 to 1")
    save_maps: bool = Field(False, description="also give the heatmaps as numbers")
    layer: str | None = Field(None, description="layer of the model to explain, by name; its target layer if null")

    @property
    def target_boxes(self) -> tuple[Box, ...]:
        """Return the box that marks the animal in the photo, if there is one."""
        return (Box(*self.box),) if self.box else ()

    @model_validator(mode="after")
    def _check_classes(self, info: ValidationInfo) -> Self:
        models = cast(Models, info.context)
        manifest = models.manifests[self.model or models.first]
        labels = manifest.labels
        with errors_of("layer"):
            manifest.at_layer(self.layer or manifest.layer.name)
        with errors_of("wanted_class"):
            find_class_pair(labels, self.wanted_class, None)
        with errors_of("rather_than"):
            find_class_pair(labels, self.wanted_class, self.rather_than)
        return self


class StudyParameters(Parameters):
    """The parameters of `/study`."""

    photos: _Upload = Field(
        description=f"an uploaded zip of up to {MAX_PHOTOS} photos, with one folder per species if you like, or a photo"
    )
    boxes: _OptionalUpload = Field(  # type: ignore[assignment]
        None,
        description="an uploaded JSON file that marks the animals, of MegaDetector, AddaxAI, SpeciesNet or COCO",
    )
    model: _ModelName = Field(None, description=_MODEL)
    methods: list[MethodName] | None = Field(None, description=_METHODS)
