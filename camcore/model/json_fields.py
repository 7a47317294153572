"""Dataclasses read from JSON: each value must be of the type, and in the range, of its field's annotation."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Between:
    """The range of a number, or of the length of a text or a list, both ends included."""

    least: float
    most: float

    def check(self, value: Any, name: str) -> Any:
        """Return the value; raise ValueError if it is not in the range."""
        is_number = isinstance(value, int | float)
        if not self.least <= (value if is_number else len(value)) <= self.most:
            actual = _text(value) if is_number else f"of length {len(value)}"
            raise ValueError(f"{name} is {actual}, not between {self.least:,.16g} and {self.most:,.16g}")
        return value


Text = Annotated[str, Between(1, 10_000)]
Count = Annotated[int, Between(0, 1e9)]
Positive = Annotated[int, Between(1, 1e9)]
Pixels = Annotated[int, Between(1, 4096)]  # of a side of an input or of a map
Finite = Annotated[float, Between(-1e6, 1e6)]
AboveZero = Annotated[float, Between(1e-9, 1e9)]
Share = Annotated[float, Between(0, 1)]
NotNegative = Annotated[float, Between(0, 1e300)]


def read_value(kind: Any, value: Any, name: str) -> Any:
    """Return a value that JSON has as one of the type `kind`: lists become tuples, and objects become dataclasses.

    `name` is that of the value in messages, "" for the whole. Raise ValueError if the value does not fit.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return arguments[1].check(read_value(arguments[0], value, name), name)
    if origin in (UnionType, Union):
        return None if value is None else read_value(arguments[0], value, name)
    if is_dataclass(kind):
        return _read_dataclass(kind, value, name)
    if origin is not None:
        return _COLLECTIONS[origin](arguments, value, name)
    return _read_scalar(kind, value, name)


def _read_dataclass(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(name, value, "an object")
    kinds = get_type_hints(kind, include_extras=True)
    if unknown := value.keys() - kinds.keys():
        raise ValueError(f"{name or 'it'} has an unknown field {_text(min(unknown))}")
    required = (field.name for field in fields(kind) if field.default is MISSING)
    if missing := [field for field in required if field not in value]:
        raise ValueError(f"{name or 'it'} has no {missing[0]!r}")
    return kind(**{key: read_value(kinds[key], entry, f"{name}.{key}".lstrip(".")) for key, entry in value.items()})


def _read_tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(name, value, "a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise ValueError(f"{name} has {len(value)} values, not {len(kinds)}")
    return tuple(
        read_value(kind, entry, f"{name}[{number}]")
        for number, (kind, entry) in enumerate(zip(kinds, value, strict=True))
    )


def _read_mapping(kinds: tuple[Any, ...], value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, value, "an object")
    entries = ((read_value(kinds[0], key, name), entry) for key, entry in value.items())
    return {key: read_value(kinds[1], entry, f"{name}.{key}") for key, entry in entries}


def _read_choice(choices: tuple[Any, ...], value: Any, name: str) -> Any:
    if not isinstance(value, str) or value not in choices:
        raise _wrong(name, value, f"one of {', '.join(map(str, choices))}")
    return value


_COLLECTIONS: dict[Any, Callable[[tuple[Any, ...], Any, str], Any]] = {
    tuple: _read_tuple, Mapping: _read_mapping, Literal: _read_choice,
}  # fmt: skip


def _read_scalar(kind: Any, value: Any, name: str) -> Any:
    """Return a text, a number or a boolean; a boolean is no number here, though it is one in Python."""
    if kind is float and type(value) in (int, float):
        return value
    if kind is Any or (type(value) is kind and _is_unicode(value)):
        return value
    raise _wrong(name, value, {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}[kind])


def _is_unicode(value: Any) -> bool:
    """Return False for a text with a NUL, which ends a C library's text, or with half a character of UTF-16."""
    return not isinstance(value, str) or not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value)


def _wrong(name: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"{name} is {_text(value)}, not {expected}")


def _text(value: Any) -> str:
    """Return the start of a value as Python writes it, in ASCII."""
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else ascii(value)[:40]
