"""Files of class names: lines, numbered lines, CSV and JSON, each read as what it is."""

import ast
import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from export.errors import LabelsError

FORMATS = "one class per line, in the model's order; or a number and a name per line; or CSV or JSON with both"
_NAME_COLUMNS = ("name", "label", "class", "class_name", "label_name", "common_name", "species", "category", "title")
_NUMBER_COLUMNS = ("index", "idx", "id", "number", "class_id", "class_idx", "class_index", "label_id", "label_idx", "")
# What holds the names in the JSON files of Hugging Face, PyTorch's tools, fastai and COCO.
_JSON_KEYS = ("id2label", "label2id", "class_to_idx", "idx_to_class", "index_to_name", "labels", "classes",
              "class_names", "names", "categories", "vocab")  # fmt: skip
MAX_BYTES = 2_000_000
_NUMBER_FIRST = re.compile(r"(?P<number>[0-9]{1,9})(?:\s*[,;:\t]\s*|\s*[.)]\s+|\s+)(?P<name>.+)")
_NUMBER_LAST = re.compile(r"\s*[,;:\t]\s*(?P<number>[0-9]{1,9})$")
_FOREIGN = re.compile(r"(names|nc|train|val|path|item|---)\s*(:|\{|$)|<[?!\w]", re.IGNORECASE)
_WORDNET_FIRST = re.compile(r"n[0-9]{8}\s+(.+)")  # as in ImageNet's synset_words.txt


def read_label_file(path: Path) -> tuple[str, ...]:
    """Return the names of a file in the order of their classes.

    A text file has one name per line, with or without the number of its class before or behind it. CSV, separated by
    commas, semicolons or tabs, has a header. JSON has a list, or an object from numbers to names or from names to
    numbers, which may lie in another object under a usual key. Numbers start at 0 or 1. Raise LabelsError if the file
    cannot be read, or its numbers are not those of all classes.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig").strip("\0\r\n \t")
    except FileNotFoundError:
        raise LabelsError(f"there is no labels file {path}: name a file with {FORMATS}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"{path} cannot be read as UTF-8 text: save it as UTF-8, with {FORMATS}") from error
    if len(content) > MAX_BYTES:
        raise LabelsError(
            f"{path} has {len(content) / 1e6:.0f} MB, too much for class names: name a file with {FORMATS}"
        )
    try:
        if path.suffix.lower() == ".json" or text[:1] in {"{", "["}:
            return _names_of_json(text)
        lines = [line.strip() for line in re.split(r"\r\n|\n|\r", text)] if text else []
        has_header = path.suffix.lower() == ".csv" and bool(lines) and lines[0].strip('"').casefold() in _NAME_COLUMNS
        return _names_of_lines(lines[has_header:])
    except LabelsError as error:
        raise LabelsError(f"{path} {error}") from None


def names_in_text(text: str) -> tuple[str, ...]:
    """Return the names in a text of JSON, or of Python's literals; raise LabelsError if it has none, or is damaged."""
    with suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # then it is JSON, or damaged
        text = json.dumps(ast.literal_eval(text))
    return _names_of_json(text)


def _names_of_json(text: str) -> tuple[str, ...]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise LabelsError(f"looks like JSON, but is damaged: save it again, with {FORMATS}") from None
    if isinstance(content, dict):
        content = next((content[key] for key in _JSON_KEYS if isinstance(content.get(key), list | dict)), content)
    if isinstance(content, list):
        if all(isinstance(entry, str) for entry in content):
            return tuple(content)
        return _in_order([(_number(_number_in(entry)), _name(entry)) for entry in content])
    if isinstance(content, dict) and content and all(_is_number(value) for value in content.values()):
        return _in_order([(_number(number), name) for name, number in content.items()])
    if isinstance(content, dict):
        return _in_order([(_number(number), _name(entry)) for number, entry in content.items()])
    raise LabelsError(f"is JSON without class names: write {FORMATS}")


def _number_in(entry: Any) -> Any:
    """Return the number of a class that an entry of a JSON list has, as COCO's categories do."""
    if isinstance(entry, dict):
        return next((entry[key] for key in _NUMBER_COLUMNS if key in entry), None)
    return entry[0] if isinstance(entry, list) and len(entry) == 2 else None


def _name(entry: Any) -> str:
    """Return the name in an entry of a JSON file: itself, the last of a list, or under a usual key of an object."""
    if isinstance(entry, dict):
        entry = next((entry[key] for key in _NAME_COLUMNS if key in entry), None)
    if isinstance(entry, list) and entry:
        entry = entry[-1]
    if not isinstance(entry, str):
        raise LabelsError(f"has an entry without a class name, {json.dumps(entry)[:60]}: write {FORMATS}")
    return entry.strip()


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> int:
    if _is_number(value):
        return int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        return int(value)
    raise LabelsError(f"has {json.dumps(value)[:60]} where the number of a class is needed: write {FORMATS}")


def _names_of_lines(lines: Sequence[str]) -> tuple[str, ...]:
    if lines and (start := _FOREIGN.match(lines[0])):
        raise LabelsError(f"begins with {start[0].strip()!r}, as YAML, XML or a label map does: write {FORMATS}")
    columns = [cell.casefold() for cell in _cells(lines[0])] if lines else []
    name_column = next((columns.index(name) for name in _NAME_COLUMNS if name in columns), None)
    if len(columns) > 1 and name_column is not None:
        return _names_of_table([_cells(line, lines[0]) for line in lines[1:] if line], columns, name_column)
    numbered = _numbered_first(lines)
    if None not in numbered and len({entry[1] for entry in numbered if entry}) > 1:  # not "1 euro", "2 euro"
        return _in_order([entry for entry in numbered if entry])
    if None in numbered and numbered.count(None) < len(lines) / 2:
        if numbered.index(None) == 0 and numbered.count(None) == 1 and len(columns) == 2:  # a header of other words
            return _in_order([entry for entry in numbered if entry])
        raise LabelsError(f"has numbered lines, but line {numbered.index(None) + 1} has no number: write {FORMATS}")
    matches = [_NUMBER_LAST.search(line) for line in lines]
    numbered_last = [
        (int(match["number"]), line[: match.start()].strip(' "'))
        for line, match in zip(lines, matches, strict=True)
        if match
    ]
    if len(numbered_last) == len(lines) and _are_all_numbers([number for number, _ in numbered_last]):
        return _in_order(numbered_last)
    wordnet = [_WORDNET_FIRST.fullmatch(line) for line in lines]
    return tuple(match[1] for match in wordnet if match) if all(wordnet) else tuple(lines)


def _numbered_first(lines: Sequence[str]) -> list[tuple[int, str] | None]:
    """Return the number and the name of each line, None for a line that does not begin with a number."""
    matches = [_NUMBER_FIRST.fullmatch(line) for line in lines]
    return [match and (int(match["number"]), match["name"].strip(' "')) for match in matches]


def _cells(line: str, like: str | None = None) -> list[str]:
    """Return the cells of a line of CSV, whose separator is the most frequent one in the line `like`."""
    separator = max(",;\t", key=(like or line).count)
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error as error:
        raise LabelsError(f"is not valid CSV ({error}): save it again, with {FORMATS}") from None


def _names_of_table(rows: Iterable[Sequence[str]], columns: Sequence[str], name_column: int) -> tuple[str, ...]:
    number_column = next((columns.index(name) for name in _NUMBER_COLUMNS if name in columns), None)
    names: list[tuple[int, str]] = []
    for line, row in enumerate(rows, 2):
        if len(row) != len(columns):
            raise LabelsError(f"has {len(row)} values on line {line}, for {len(columns)} columns: mend that line")
        names.append((len(names) if number_column is None else _number(row[number_column]), row[name_column]))
    return _in_order(names)


def _are_all_numbers(numbers: Sequence[int]) -> bool:
    return sorted(numbers) in [list(range(len(numbers))), list(range(1, len(numbers) + 1))]


def _in_order(numbered: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """Return names by their numbers, which must be 0, 1, 2, ... or 1, 2, 3, ... in any order."""
    names = dict(numbered)
    if not _are_all_numbers([number for number, _ in numbered]):
        repeated = [number for number, count in Counter(number for number, _ in numbered).items() if count > 1]
        start = 0 if 0 in names else 1
        missing = next(number for number in range(start, start + len(names) + 1) if number not in names)
        problem = f"has class {repeated[0]} more than once" if repeated else f"has no class {missing}"
        raise LabelsError(f"numbers its classes, but {problem}: number every class once, from 0 or from 1")
    return tuple(names[number] for number in sorted(names))
