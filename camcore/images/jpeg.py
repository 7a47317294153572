"""Damaged JPEG files, as memory cards and interrupted copies leave them: cut short, or overwritten inside.

A decoder fills what is missing with grey, or shifts the rest of the picture, without an error. So the structure of the
file is read here (ITU-T T.81, annex B), without decoding it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

START, END = b"\xff\xd8\xff", b"\xff\xd9"
MAX_LOST = 0.1  # share of a photo that may be missing
_GREY = 2  # how far the value of a missing pixel may be from 128

_SECTOR = 512  # bytes: the least that a damaged memory card loses
_MAX_SCANS = 200  # a progressive file has about ten; with more, the structure is not read
_NEXT_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # inside a scan, FF00 and RST0 to RST7 are data
_ZEROS = re.compile(rb"\x00{%d,}" % _SECTOR)
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE, _TABLES, _LAST, _SCAN = frozenset({0xC2, 0xCA}), 0xC4, 0xD9, 0xDA
_DNL = 0xDC  # the number of lines, which may follow the first scan
_BLOCK = 64  # of a block


class _Coefficients(NamedTuple):
    """Part of the coefficients of a picture: some components, a range of frequencies, and the lowest bit sent."""

    components: tuple[int, ...]
    first: int
    last: int
    bit: int


@dataclass(frozen=True)
class Scan:
    """One scan of a JPEG file: where its data begin and end, in bytes, and what they describe."""

    start: int
    end: int
    part: _Coefficients


@dataclass
class JpegStructure:
    """The structure of a JPEG file, as far as it could be read."""

    scans: list[Scan] = field(default_factory=list)
    is_complete: bool = False  # whether the file has its end
    is_overwritten: bool = False  # whether a scan contains what no encoder writes
    components: tuple[int, ...] = ()
    is_progressive: bool = False

    @property
    def has_one_scan(self) -> bool:
        """Return whether the only scan has all components, so that it is the picture row by row."""
        return not self.is_progressive and len(self.scans) == 1 and self.scans[0].part.components == self.components

    @property
    def lacks_scans(self) -> bool:
        """Return whether any coefficient would still lack bits if the last scan were complete."""
        bits = {(component, index): 1 for component in self.components for index in range(_BLOCK)}
        for scan in self.scans:
            for component in scan.part.components:
                for index in range(scan.part.first, scan.part.last + 1):
                    bits[component, index] = scan.part.bit
        return any(bits.values())

    def add_scan(self, data: bytes, segment: "_Segment", zero_codes: Mapping[int, int]) -> None:
        """Add a scan; `zero_codes` has the symbol of each Huffman table whose code has only zeros."""
        fields = data[segment.start : segment.end]
        count = fields[0] if fields else 0
        if len(fields) < 2 * count + 4:
            return
        components, tables = tuple(fields[1 : 2 * count : 2]), fields[2 : 2 * count + 1 : 2]
        first, last, approximation = fields[2 * count + 1 : 2 * count + 4]
        part = _Coefficients(components, first, min(last, _BLOCK - 1), approximation & 15)
        self.scans.append(Scan(segment.end, segment.scan_end, part))
        # Where the picture is flat, a scan with first coefficients may hold many zeros, if a zero bit changes nothing.
        # The other scans of a progressive file skip flat blocks by the thousand.
        used = [zero_codes.get(table >> 4) for table in tables] * (first == 0)
        used += [zero_codes.get(16 + (table & 15)) for table in tables] * (last > 0)
        changes_nothing = all(symbol is not None and _changes_nothing(symbol) for symbol in used)
        may_be_zero = first == 0 and (approximation >> 4 > 0 or changes_nothing)
        first_zero = data.find(bytes(_SECTOR), segment.end, segment.scan_end)
        runs = _ZEROS.finditer(data, first_zero, segment.scan_end) if first_zero >= 0 else ()
        self.is_overwritten |= segment.has_foreign or any(
            not may_be_zero or (run.start() % _SECTOR == run.end() % _SECTOR == 0) for run in runs
        )


class _Segment(NamedTuple):
    """A marker, and where its content begins and ends; of a scan, also where its data end."""

    marker: int
    start: int
    end: int
    scan_end: int
    has_foreign: bool = False  # whether the data of the scan contain markers that no encoder writes there


def read_structure(data: bytes) -> JpegStructure:
    """Return the structure of a JPEG file; what follows its end, such as the other pictures of an MPO, is ignored."""
    structure, zero_codes = JpegStructure(), dict[int, int]()
    data = data.rstrip(b"\0")
    for segment in _segments(data):
        if len(structure.scans) == _MAX_SCANS:
            return JpegStructure(is_complete=True)
        content = data[segment.start : segment.end]
        if segment.marker in _FRAME_MARKERS and len(content) >= 6:
            structure.is_progressive = segment.marker in _PROGRESSIVE
            structure.components = tuple(content[6 : 6 + 3 * content[5] : 3])
        elif segment.marker == _TABLES:
            zero_codes.update(_zero_codes(content))
        elif segment.marker == _SCAN:
            structure.add_scan(data, segment, zero_codes)
        elif segment.marker == _LAST:
            structure.is_complete = True
    return structure


def _segments(data: bytes) -> Iterator[_Segment]:
    position = 2
    while position + 2 <= len(data):
        if data[position] != 0xFF:  # what is no marker is skipped, as decoders do
            position = data.find(b"\xff", position)
            if position < 0:
                return
            continue
        marker = data[position + 1]
        if marker == _LAST:
            yield _Segment(marker, position, position, position)
            return
        if marker == 0xFF:  # padding
            position += 1
            continue
        start, length = position + 4, int.from_bytes(data[position + 2 : position + 4])
        position = max(position + 2 + length, start)
        if marker == _SCAN:
            end, has_foreign = _end_of_scan(data, position)
            yield _Segment(marker, start, position, end, has_foreign)
            position = end
        else:
            yield _Segment(marker, start, position, position)


def _end_of_scan(data: bytes, start: int) -> tuple[int, bool]:
    """Return where the data of a scan end, and whether they contain markers that no encoder writes there."""
    has_foreign = False
    for match in _NEXT_MARKER.finditer(data, start):
        if _is_expected(match[1][0]):
            return match.end() - 2, has_foreign
        has_foreign = True
    return len(data), has_foreign


def _is_expected(marker: int) -> bool:
    """Return whether a marker may follow the data of a scan."""
    return marker in {_TABLES, _LAST, _SCAN, _DNL, 0xDB, 0xDD, 0xFE} or 0xE0 <= marker <= 0xEF


def _changes_nothing(symbol: int) -> bool:
    """Return whether a Huffman symbol stands for no change of a coefficient: a size of 0 bits."""
    return symbol & 15 == 0


def _zero_codes(segment: bytes) -> dict[int, int]:
    """Return the symbol whose code has only zeros, for each Huffman table by class * 16 + number."""
    symbols, position = {}, 0
    while position + 17 < len(segment):
        symbols[segment[position]] = segment[position + 17]  # the first symbol has the first code
        position += 17 + sum(segment[position + 1 : position + 17])
    return symbols


def complete(data: bytes, structure: JpegStructure) -> bytes:
    """Return a JPEG file with the end that it lacks, so that a decoder reads what is there."""
    if structure.is_complete or not structure.scans:
        return data
    return data[: structure.scans[-1].end] + END


def grey_rows(image: Image.Image) -> int:
    """Return how many rows at the end of a decoded photo are missing, at most a little more than `MAX_LOST` of all.

    A decoder fills them with the middle of the range of values.
    """
    rows = min(int(image.height * MAX_LOST) + 1, image.height)
    pixels = np.asarray(image.crop((0, image.height - rows, image.width, image.height)))
    distance = np.abs(pixels.reshape(rows, -1).astype(np.int16) - 128)
    is_grey: NDArray[np.bool_] = distance.max(axis=1) <= _GREY
    return rows if is_grey.all() else int(is_grey[::-1].argmin())


def changed_rows(before: Image.Image, after: Image.Image) -> int:
    """Return how many rows, from the first, a scan has changed."""
    box = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox()
    return box[3] if box else 0


def lost_bytes(structure: JpegStructure, share_of_rows: float) -> float:
    """Return the share of the bytes of all scans that is missing, if the last scan reaches a share of the rows."""
    if share_of_rows == 0:
        return 1.0
    last = structure.scans[-1]
    lost = (last.end - last.start) * (1 / share_of_rows - 1)
    return lost / (lost + sum(scan.end - scan.start for scan in structure.scans))
