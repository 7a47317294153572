"""Files made for a visitor, in the folder that Gradio serves and clears."""

from pathlib import Path
from tempfile import mkdtemp

from camcore.errors import PhotoError
from camcore.images.photo import open_photo
from demo.service.gradio_internals import upload_folder

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def new_folder() -> Path:
    """Create a folder of its own for the files of one answer, and return its path."""
    return Path(mkdtemp(dir=upload_folder()))


def displayable_copy(path: str) -> str | None:
    """Return the path of a JPEG copy of a readable TIFF, which few browsers show, or None for any other file."""
    try:
        with Path(path).open("rb") as file:
            if file.read(4) not in _TIFF_SIGNATURES:
                return None
        copy = new_folder() / f"{Path(path).name}.jpg"
        open_photo(Path(path)).save(copy, "JPEG", quality=90)
    except (PhotoError, OSError):
        return None
    return str(copy)
