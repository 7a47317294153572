"""File formats of photos: those accepted, and the names of those refused."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")  # as Pillow names them; it opens MPO as JPEG
ACCEPTED_FORMATS = "JPEG, PNG, WebP, BMP, TIFF, MPO or GIF"  # for messages
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".mpo", ".gif"})
HEADER_BYTES = 4096  # that `refusal` looks at

DAMAGED = "this photo is damaged or cut short: save or download it again"
_FOREIGN = (  # first bytes of refused formats
    (b"%PDF", "a PDF"),
    (b"%!PS", "an EPS or PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"PK\x03\x04", "a zip archive"),
)
# Three letters of the brand that follows "ftyp" in ISO media files.
_ISO_MEDIA = {b"hei": "a HEIC photo", b"hev": "a HEIC photo", b"mif": "a HEIF photo", b"msf": "a HEIF photo",
              b"avi": "an AVIF photo", b"crx": "a Canon raw photo"}  # fmt: skip
_ACCEPTED_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF", b"BM")


def refusal(header: bytes) -> str:
    """Return the message for a file that Pillow does not open, from its first bytes."""
    if not header:
        return "this file is empty (0 bytes): choose another photo"
    kind = next((name for start, name in _FOREIGN if header.startswith(start)), None)
    if header[4:8] == b"ftyp":
        kind = _ISO_MEDIA.get(header[8:11], "a video")
    if b"<svg" in header.lower():
        kind = "an SVG drawing"
    if kind:
        return f"this is {kind}, which is not accepted: use {ACCEPTED_FORMATS}"
    if header.startswith(_ACCEPTED_STARTS):
        return DAMAGED
    return f"this file is not a photo, whatever its name says: use {ACCEPTED_FORMATS}"
