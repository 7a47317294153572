"""What gradio serves: where it lies until it is cleared away, and pictures of what browsers do not show."""

from pathlib import Path
from tempfile import mkdtemp

from gradio.utils import get_upload_folder

from camcore.errors import PhotoError
from camcore.images.photo import open_photo

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_QUALITY = 90  # of a JPEG that is looked at, and no more


def upload_folder() -> Path:
    """The folder of uploads, and of all else that is served."""
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def new_folder() -> Path:
    """A new folder in it, for what is made for a visitor."""
    return Path(mkdtemp(dir=upload_folder()))


def displayable_copy(path: str) -> str | None:
    """Path of a picture to show in place of a TIFF, which few browsers show, of the same size; None for all else."""
    try:
        with Path(path).open("rb") as file:
            if file.read(4) not in _TIFF:
                return None
        picture = new_folder() / f"{Path(path).name}.jpg"
        open_photo(Path(path)).save(picture, "JPEG", quality=_QUALITY)
    except (PhotoError, OSError):  # whoever explains it says what is wrong
        return None
    return str(picture)
