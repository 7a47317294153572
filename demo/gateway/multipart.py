"""The check of an upload while its bytes come in: it may have nothing but files, and must fit on the disk."""

import shutil
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from demo.gateway.errors import BAD_UPLOAD, RefusedRequest

MIN_FREE = 1_000_000_000  # bytes of the disk
_DISK_FULL = "The disk is too full for uploads: try again in an hour, when old ones are deleted."


class MultipartChecker:
    """Parses an upload in multipart/form-data, and refuses parts other than files in a field named `files`.

    Gradio keeps other fields in memory, fails to process them, and leaves files of other names, or files sent in part,
    on the disk. `folder` is where Gradio stores uploads: many at once could fill the disk.
    """

    def __init__(self, content_type: str, folder: Path):
        media_type, options = parse_options_header(content_type)
        if media_type != b"multipart/form-data" or b"boundary" not in options:
            raise RefusedRequest(400, BAD_UPLOAD)
        self._folder = folder
        self._name = self._value = self._disposition = b""
        try:
            self._parser = MultipartParser(options[b"boundary"], {
                "on_header_field": self._add_name, "on_header_value": self._add_value,
                "on_header_end": self._end_header, "on_headers_finished": self._check_part,
            })  # fmt: skip
        except FormParserError as error:  # of a boundary that is too long
            raise RefusedRequest(400, BAD_UPLOAD) from error

    def check_chunk(self, chunk: bytes, last: bool) -> None:
        """Refuse the next bytes of an upload if they are not part of files, or if the disk is nearly full."""
        if shutil.disk_usage(self._folder).free < MIN_FREE:
            raise RefusedRequest(507, _DISK_FULL)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise RefusedRequest(400, BAD_UPLOAD) from error
        if last and self._parser.state != MultipartState.END:
            raise RefusedRequest(400, BAD_UPLOAD)

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _check_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._disposition = b""
        if options.get(b"name") != b"files" or b"filename" not in options:
            raise RefusedRequest(400, BAD_UPLOAD)
