"""What an ONNX file refers to, read from its bytes: the package onnx would take longer, and copy all of its weights."""

import mmap
from collections.abc import Iterator
from pathlib import Path

# The messages of onnx.proto through which tensors are reached, by the numbers of their fields.
_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # fields of a tensor: where its values are, and whether in another file
_MAX_VARINT = 10  # bytes


def has_external_data(path: Path) -> bool:
    """Return whether a tensor of an ONNX file has its values in another file; raise ValueError if it is damaged."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        messages = [("model", 0, len(data))]
        while messages:
            kind, start, end = messages.pop()
            for number, first, last in _fields(data, start, end):
                if kind == "tensor" and number in (_EXTERNAL_DATA, _DATA_LOCATION):
                    if number == _EXTERNAL_DATA or data[first] != 0:
                        return True
                elif part := _PARTS[kind].get(number):
                    messages.append((part, first, last))
    return False


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each field of a message of Protocol Buffers, and where its value begins and ends."""
    while start < end:
        tag, start = _varint(data, start, end)
        match tag & 7:
            case 0:
                first, start = start, _varint(data, start, end)[1]
            case 2:
                length, first = _varint(data, start, end)
                start = first + length
            case 1 | 5 as width:
                first, start = start, start + (8 if width == 1 else 4)
            case _:
                raise ValueError("it is not a file of Protocol Buffers")
        if start > end:
            raise ValueError("it ends too soon")
        yield tag >> 3, first, start


def _varint(data: mmap.mmap, start: int, end: int) -> tuple[int, int]:
    """Return the number at a position, seven bits in a byte, and the position after it."""
    value = 0
    for position in range(start, min(start + _MAX_VARINT, end)):
        byte = data[position]
        value |= (byte & 127) << 7 * (position - start)
        if byte < 128:
            return value, position + 1
    raise ValueError("it ends too soon")
