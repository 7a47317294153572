"""File formats of photos: those accepted, and the names of those refused."""

from importlib.util import find_spec
from typing import IO, Literal

from camcore.errors import PhotoError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000")  # as Pillow names them; MPO is JPEG
ACCEPTED_FORMATS = "JPEG, PNG, WebP, BMP, TIFF, AVIF, JPEG 2000, MPO or GIF"  # for messages
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".mpo", ".gif",
                            ".avif", ".jp2", ".j2k", ".jpx"})  # fmt: skip
# Suffixes of files that are studied too, so that each gets a message about its format.
REFUSED_SUFFIXES = frozenset({".heic", ".heif", ".hif", ".jxl", ".svg", ".eps", ".pdf", ".psd",
                              ".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".srw", ".raf", ".rw2",
                              ".orf", ".pef", ".3fr", ".iiq", ".x3f", ".mrw", ".erf", ".kdc", ".dcr"})  # fmt: skip
HEADER_BYTES = 4096  # that `refusal` looks at
PNG = b"\x89PNG\r\n\x1a\n"

DAMAGED = "this photo is damaged or cut short: save or download it again"
_EXPORT = "export it as JPEG"
_FOREIGN = (  # first bytes of refused formats
    (b"%PDF", "a PDF"),
    (b"%!PS", "an EPS or PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"PK\x03\x04", "a zip archive"),
)
_RAW = (  # first bytes of raw photos that are not TIFF files, and their usual suffixes
    (b"FUJIFILMCCD-RAW", "RAF"),
    (b"IIU\0", "RW2"),
    (b"IIRO", "ORF"),
    (b"IIRS", "ORF"),
    (b"MMOR", "ORF"),
    (b"II\x1a\0\0\0HEAPCCDR", "CRW"),
    (b"FOVb", "X3F"),
    (b"\0MRM", "MRW"),
)
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
# Three letters of the brand that follows "ftyp" in ISO media files.
_HEIC = {b"hei": "a HEIC photo", b"hev": "a HEIC photo", b"mif": "a HEIF photo", b"msf": "a HEIF photo"}
_JPEG_2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_BIG_TIFF = (b"II+\0", b"MM\0+")
_ACCEPTED_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF", b"BM", *_JPEG_2000)
_TIFF: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_SUBFILE, PHOTOMETRIC, _SUB_DIRECTORIES, _DNG_VERSION = 254, 262, 330, 50706  # TIFF tags
_RAW_PHOTOMETRIC = (32803, 34892)  # colour filter array, and linear raw
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt")


def refusal(header: bytes) -> str:
    """Return the message for a file that Pillow does not open, from its first bytes."""
    if not header:
        return "this file is empty (0 bytes): choose another photo"
    if not header.strip(b"\0"):
        return "this file begins with zeros only, as a damaged memory card leaves it: copy it again"
    brand = header[8:11] if header[4:8] == b"ftyp" else b""
    if photo := _photo_of_refused_format(header, brand):
        return f"this is {photo}"
    kind = next((name for start, name in _FOREIGN if header.startswith(start)), None)
    if b"<svg" in header.lower():
        kind = "an SVG drawing"
    if brand and brand not in (b"avi", *_HEIC):
        kind = "a video"
    if kind:
        return f"this is {kind}, which is not accepted: use {ACCEPTED_FORMATS}"
    if header.startswith(_ACCEPTED_STARTS) or brand:
        return DAMAGED
    return f"this file is not a photo, whatever its name says: use {ACCEPTED_FORMATS}"


def _photo_of_refused_format(header: bytes, brand: bytes) -> str:
    """Return what a photo is that another program can convert, and the remedy; "" for any other file."""
    raw = "CR3" if brand == b"crx" else next((suffix for start, suffix in _RAW if header.startswith(start)), "")
    if raw:
        return f"a raw photo ({raw}): {_EXPORT}"
    if header.startswith(_JPEG_XL):
        return f"a JPEG XL photo: {_EXPORT}"
    if brand in _HEIC and not has_heif():
        return f"{_HEIC[brand]}: {_EXPORT}, or install pillow-heif where this program runs"
    return ""


def has_heif() -> bool:
    """Return whether pillow-heif, which reads HEIC photos, is installed."""
    return find_spec("pillow_heif") is not None


def formats_for(header: bytes) -> tuple[str, ...]:
    """Return the formats as which Pillow may open a file with these first bytes: HEIC too, with pillow-heif."""
    if header[4:8] != b"ftyp" or header[8:11] not in _HEIC or not has_heif():
        return FORMATS
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return ("HEIF",)


def is_hidden_by_browsers(header: bytes) -> bool:
    """Return whether a file, of which these are the first 12 bytes or more, is of a format that few browsers show."""
    is_heic = header[4:8] == b"ftyp" and header[8:11] in _HEIC
    return is_heic or header.startswith((*_TIFF, *_BIG_TIFF, *_JPEG_2000))


def check_tiff(header: bytes, file: IO[bytes]) -> None:
    """Raise PhotoError if a file is a raw photo or its first picture is a preview, which Pillow would read instead."""
    if header[:4] not in _TIFF:
        return
    if header[8:10] == b"CR":
        raise PhotoError(f"this is a raw photo (CR2): {_EXPORT}")
    tags = read_tiff_tags(header, file)
    is_preview = tags.get(_SUBFILE, 0) & 1 == 1
    if _DNG_VERSION in tags or tags.get(PHOTOMETRIC) in _RAW_PHOTOMETRIC or (is_preview and _SUB_DIRECTORIES in tags):
        raise PhotoError(f"this is a raw photo: {_EXPORT}")
    if is_preview:
        raise PhotoError(f"the first picture of this TIFF is a preview of the photo: {_EXPORT}")


def read_tiff_tags(header: bytes, file: IO[bytes]) -> dict[int, int]:
    """Return the tags of a TIFF file's first directory, those with numbers of 8, 16 or 32 bits with their first."""
    order, lengths = _TIFF[header[:4]], {1: 1, 3: 2, 4: 4, 13: 4}  # in bytes, by type
    file.seek(int.from_bytes(header[4:8], order))
    count = int.from_bytes(file.read(2), order)
    entries = file.read(12 * count)
    file.seek(0)
    tags = {}
    for start in range(0, len(entries) - 11, 12):
        tag, kind = (int.from_bytes(entries[start + at : start + at + 2], order) for at in (0, 2))
        tags[tag] = int.from_bytes(entries[start + 8 : start + 8 + lengths.get(kind, 0)], order)
    return tags


def without_text(png: bytes) -> bytes:
    """Return a PNG file without its texts: Pillow refuses a photo with much text."""
    if not any(kind in png for kind in _PNG_TEXT):
        return png
    kept, position = [png[:8]], 8
    while position < len(png):
        end = position + 12 + int.from_bytes(png[position : position + 4])
        if png[position + 4 : position + 8] not in _PNG_TEXT:
            kept.append(png[position:end])
        position = end
    return b"".join(kept)
