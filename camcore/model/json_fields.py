"""Dataclasses read from JSON by pydantic: each value must have the type and the range that its field states."""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError


def _check_text(value: str) -> str:
    if "\0" in value:  # it would end a C library's text
        raise ValueError("it has a NUL character")
    return value


Text = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_check_text)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]
Pixels = Annotated[int, Field(ge=1, le=4096)]  # of a side of an input or of a map
Finite = Annotated[float, Field(ge=-1e6, le=1e6)]
AboveZero = Annotated[float, Field(ge=1e-9, le=1e9)]
NotNegative = Annotated[float, Field(ge=0, le=1e9)]


def read_json(kind: Any, text: str, name: str = "") -> Any:
    """Return the value of the type `kind` that a JSON text describes; lists become tuples, objects dataclasses.

    `name` is that of the value in messages, "" for the whole. Raise ValueError, with the place and the reason of the
    first fault, if the text does not fit.
    """
    try:
        return _adapter(kind).validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, (*filter(None, [name]), *first["loc"])))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
