"""A photo to be opened in the tab Compare, with its class and settings, by a link or by a row of the table."""

from dataclasses import dataclass

from camcore.methods.definitions import DefinitionName
from camcore.methods.effort import Effort
from camcore.methods.method_table import MethodName
from camcore.model.manifest import ResizeMode
from camcore.types import Box


@dataclass(frozen=True)
class Opening:
    """What to open in Compare, None where nothing is to be changed, and what is wrong with its class, if any."""

    path: str | None = None
    class_idx: int | None = None
    definition: DefinitionName | None = None
    resize_mode: ResizeMode | None = None
    effort: Effort | None = None
    model: str | None = None
    message: str = ""
    boxes: tuple[Box, ...] = ()
    more_methods: tuple[MethodName, ...] | None = None
