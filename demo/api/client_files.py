"""Files as programs send them to the endpoints and receive them."""

from pathlib import Path
from threading import Lock

from PIL import Image
from typing_extensions import TypedDict  # that of `typing` cannot be a type of pydantic before Python 3.12

from camcore.errors import PhotoError
from camcore.images.photo import open_photo
from demo.service import messages
from demo.service.gradio_internals import FileDataMeta, is_served_file

_GONE = "This upload is no longer there, because uploads are kept for an hour: upload it again."
_decoding = Lock()  # one photo at a time: the largest ones take 150 MB


class Upload(TypedDict):
    """An uploaded file, as gradio_client's `handle_file` and HTTP's `/gradio_api/upload` describe it."""

    path: str
    meta: FileDataMeta


class File(TypedDict):
    """A file that an endpoint returns, to be downloaded from its `url`."""

    path: str
    url: str | None
    meta: FileDataMeta


def check_upload(value: object) -> Upload:
    """Return an uploaded file as the client describes it. No other file of this server may be read.

    Raises:
        ValueError: if `value` does not describe an uploaded file, or if the file has been deleted since its upload.
    """
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not is_served_file(path):
        raise ValueError(messages.NOT_UPLOADED)
    if not Path(path).is_file():
        raise ValueError(_GONE)
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def open_upload(upload: Upload) -> Image.Image:
    """Decode an uploaded photo.

    Raises:
        PhotoError: if the file is not a photo that can be read, or has been deleted since its upload.
    """
    with _decoding:
        try:
            data = Path(upload["path"]).read_bytes()
        except OSError:
            raise PhotoError(_GONE) from None
        return open_photo(data)


def to_file(path: Path) -> File:
    """Return a file of this server for Gradio to serve, which adds the `url`."""
    return {"path": str(path), "url": None, "meta": {"_type": "gradio.FileData"}}
