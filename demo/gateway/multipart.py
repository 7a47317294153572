"""What an upload may hold, looked at while it passes, and whether there is room for it."""

import shutil
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from demo.gateway.errors import RefusedRequest
from demo.service import messages

MIN_FREE = 1_000_000_000  # bytes of the disk


class MultipartChecker:
    """The parts of an upload: nothing but files, each in a field named `files`.

    gradio keeps a field that is no file in memory, stumbles over it, and forgets on the disk what it was given under
    another name or only in part. `folder` is where it puts them; many at once could fill the disk.
    """

    def __init__(self, content_type: str, folder: Path):
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise RefusedRequest(400, messages.BAD_UPLOAD)
        self._folder = folder
        self._whole = False
        self._name = self._value = self._disposition = b""
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_header_field": self._add_name,
                "on_header_value": self._add_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._check_part,
                "on_end": self._end,
            },
        )

    def look_at(self, chunk: bytes, last: bool) -> None:
        """Look at the next bytes of an upload.

        Raises:
            RefusedRequest: if they are not what an upload may hold, or the disk is nearly full.
        """
        if shutil.disk_usage(self._folder).free < MIN_FREE:
            raise RefusedRequest(507, messages.NO_ROOM)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise RefusedRequest(400, messages.BAD_UPLOAD) from error
        if last and not self._whole:
            raise RefusedRequest(400, messages.BAD_UPLOAD)

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
            raise RefusedRequest(400, messages.BAD_UPLOAD)

    def _end(self) -> None:
        self._whole = True
