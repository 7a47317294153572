"""JSON files of any size: small ones are read whole, and large ones in a stream if the package ijson is installed."""

import codecs
import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from camcore.errors import BoxesError

DETECTORS = "MegaDetector or SpeciesNet"
STREAMED_FROM = 20_000_000  # bytes
# The values that are kept whole of a large file; of all others, only arrays can be read, one element after another.
_FIELDS = {"info", "detection_categories", "categories", "classification_categories",
           "classification_category_descriptions"}  # fmt: skip
_STARTS, _ENDS = {"start_map", "start_array"}, {"end_map", "end_array"}


class JsonFile:
    """The content of a JSON file: a list, an object, or neither.

    `fields` are the small values of an object, by key. Raises BoxesError if the file is missing or damaged.
    """

    def __init__(self, path: Path):
        self._path = path
        self._loaded: Any = None
        self.is_list = self.is_object = False
        self.fields: Mapping[str, Any] = {}
        self._arrays: set[str] = set()  # the keys of arrays
        self._is_large = False
        try:
            self._is_large = path.stat().st_size >= STREAMED_FROM and path.is_file() and find_spec("ijson") is not None
            if self._is_large:
                self._survey()
            else:
                self._load()
        except FileNotFoundError:
            raise BoxesError(f"there is no file {path}: give the JSON file that {DETECTORS} wrote") from None
        except OSError as error:
            raise BoxesError(f"{path} cannot be read ({error.strerror}): give a JSON file with boxes") from error
        except (ValueError, RecursionError) as error:
            if self._is_large and any(f"{name}" in str(error) for name in ("NaN", "Infinity")):
                remedy = "write null in its place"
                raise BoxesError(f"{path} has NaN or Infinity, which JSON does not have: {remedy}") from None
            raise BoxesError(f"{path} is not valid JSON: give the complete JSON file that {DETECTORS} wrote") from None

    def has_array(self, key: str) -> bool:
        """Return whether the value of a key is an array."""
        return key in self._arrays

    def items(self, key: str | None = None) -> Iterator[Any]:
        """Yield the elements of the array of a key, or those of the list if `key` is None."""
        if not self._is_large:
            yield from (self._loaded if key is None else self._loaded[key])
            return
        import ijson

        with self._path.open("rb") as file:
            yield from ijson.items(_as_utf_8(file), "item" if key is None else f"{key}.item", use_float=True)

    def objects(self, key: str) -> Iterator[dict[str, Any]]:
        """Yield the elements of the array of a key that are objects."""
        return (item for item in self.items(key) if isinstance(item, dict))

    def _load(self) -> None:
        self._loaded = json.loads(self._path.read_bytes())
        self.is_list, self.is_object = isinstance(self._loaded, list), isinstance(self._loaded, dict)
        if self.is_object:
            self.fields = self._loaded
            self._arrays = {key for key, value in self._loaded.items() if isinstance(value, list)}

    def _survey(self) -> None:
        """Read the file once, and keep its fields and the keys of its arrays; raise ValueError if it is damaged."""
        import ijson

        fields: dict[str, Any] = {}
        depth, key, builder = 0, "", None
        with self._path.open("rb") as file:
            for event, value in _events(file):
                if depth == 0:
                    self.is_list, self.is_object = event == "start_array", event == "start_map"
                elif depth == 1 and event == "map_key":
                    key, builder = value, ijson.ObjectBuilder() if value in _FIELDS else None
                    self._arrays.discard(key)  # of a key that occurs twice, the last value counts
                    continue
                elif depth == 1 and event == "start_array" and self.is_object:
                    self._arrays.add(key)
                if event in _ENDS:
                    depth -= 1
                if depth and builder is not None:
                    builder.event(event, value)
                    fields[key] = getattr(builder, "value", None)
                if event in _STARTS:
                    depth += 1
        self.fields = fields


def _events(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    import ijson

    try:
        yield from ijson.basic_parse(_as_utf_8(file), use_float=True)
    except ijson.JSONError as error:
        raise ValueError(str(error)) from error


class _Recoded:
    """The text of a file as UTF-8."""

    def __init__(self, text: IO[str]):
        self._text = text

    def read(self, size: int = -1) -> bytes:
        """Return the next characters, at most `size`."""
        return self._text.read(size).encode()


def _as_utf_8(file: IO[bytes]) -> IO[bytes] | _Recoded:
    """Return a JSON file as UTF-8 without a byte order mark, whatever program saved it."""
    start = file.read(4)
    file.seek(0)
    encoding = json.detect_encoding(start)
    if encoding == "utf-8" and not start.startswith(codecs.BOM_UTF8):
        return file
    return _Recoded(TextIOWrapper(file, encoding=encoding))
