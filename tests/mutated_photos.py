"""Small photos of every accepted format and mode, mutated at random, and what becomes of them in a decoder."""

import io
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from PIL import Image

from camcore.errors import PhotoError
from camcore.images.decoder import WORKERS, PhotoDecoder
from camcore.images.photo import read_size
from camcore.model.manifest import Preprocessing
from tests.worker_memory import watched_children

STEPS = Preprocessing(40, (32, 32), "bilinear", (0.5,) * 3, (0.5,) * 3)
_SIZE = (40, 30)
_BATCH = 100  # photos, after each of which a good one must be read
_LIMITS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\1\0")  # of a length, a size or an offset
_HEADER = 64  # bytes, of which every other mutation spares so many
_MODES = {  # of each format, with what it is saved with
    "JPEG": [("RGB", {}), ("L", {}), ("CMYK", {}), ("RGB", {"progressive": True}), ("RGB", {"subsampling": 0})],
    "PNG": [("RGB", {}), ("RGBA", {}), ("L", {}), ("LA", {}), ("P", {"transparency": 3}), ("1", {}), ("I;16", {})],
    "WEBP": [("RGB", {}), ("RGBA", {}), ("RGB", {"lossless": True}), ("RGBA", {"lossless": True})],
    "BMP": [("RGB", {}), ("RGBA", {}), ("L", {}), ("P", {}), ("1", {})],
    "TIFF": [
        ("RGB", {}), ("RGBA", {}), ("L", {}), ("LA", {}), ("P", {}), ("1", {}), ("CMYK", {}), ("I;16", {}),
        ("LAB", {}), ("RGB", {"compression": "tiff_lzw"}), ("RGB", {"compression": "jpeg"}),
        ("RGB", {"compression": "tiff_adobe_deflate"}), ("L", {"compression": "packbits"}),
        ("1", {"compression": "group3"}), ("1", {"compression": "group4"}),
    ],
    "GIF": [("P", {}), ("L", {}), ("P", {"transparency": 3, "comment": b"a nest"}), ("P", {"save_all": True})],
    "MPO": [("RGB", {"save_all": True})],
    "AVIF": [("RGB", {}), ("RGBA", {})],
    "JPEG2000": [("RGB", {}), ("RGBA", {}), ("L", {})],
}  # fmt: skip


@dataclass
class Outcome:
    """What became of mutated photos: how many were opened, of which some were read, and why the others were refused."""

    opened: int = 0
    read: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest: float = 0  # seconds
    memory: int = 0  # bytes, of the largest process; 0 where the system does not tell

    @property
    def total(self) -> int:
        return self.read + self.refused.total()


def samples() -> dict[str, bytes]:
    """Return a small photo of each format and mode, with EXIF data where the format has any."""
    photos = {}
    for format_name, modes in _MODES.items():
        for number, (mode, options) in enumerate(modes):
            exif = Image.Exif()
            exif[0x0112], exif[0x0110] = 6, "camera of the nest"
            frames = {"append_images": [_image(mode)]} if "save_all" in options else {}
            buffer = io.BytesIO()
            metadata = {} if format_name in {"BMP", "GIF"} else {"exif": exif}
            _image(mode).save(buffer, format_name, **options, **frames, **metadata)
            photos[f"{format_name} {number} {mode}"] = buffer.getvalue()
    return photos


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """Yield so many mutated photos, the same ones for the same seed."""
    photos, chance = list(samples().values()), random.Random(seed)
    for number in range(count):
        yield _mutated(photos[number % len(photos)], chance)


def decode_mutations(count: int, seed: int) -> Outcome:
    """Decode so many mutated photos, as many at a time as a decoder has processes.

    Any error but a PhotoError is raised, also if a good photo is not read after a hundred mutated ones.
    """
    outcome = Outcome()
    (good, *_) = samples().values()
    with PhotoDecoder() as decoder, ThreadPoolExecutor(WORKERS) as threads, watched_children() as peak:

        def decode(photo: bytes) -> tuple[str | None, float]:
            start = time.monotonic()
            try:
                decoder.view(photo, STEPS)
            except PhotoError as error:
                return str(error), time.monotonic() - start
            return None, time.monotonic() - start

        remaining = mutations(count, seed)
        while photos := list(islice(remaining, _BATCH)):
            outcome.opened += sum(map(_is_opened, photos))
            for refusal, seconds in threads.map(decode, photos):
                outcome.slowest = max(outcome.slowest, seconds)
                if refusal is None:
                    outcome.read += 1
                else:
                    outcome.refused[refusal] += 1
            decoder.view(good, STEPS)
    outcome.memory = peak.memory
    return outcome


def _image(mode: str) -> Image.Image:
    """Return noise, which compresses badly: most bytes of its file are pixels."""
    noise = Image.frombytes("RGB", _SIZE, random.Random(0).randbytes(3 * _SIZE[0] * _SIZE[1]))
    if mode == "I;16":
        return Image.frombytes(mode, _SIZE, noise.tobytes()[: 2 * _SIZE[0] * _SIZE[1]])
    if mode == "LAB":
        return Image.frombytes(mode, _SIZE, noise.tobytes())
    return noise.convert(mode)


def _mutated(photo: bytes, chance: random.Random) -> bytes:
    """Return a photo after one to four mutations; half of them spare its first bytes."""
    data = bytearray(photo)
    first = _HEADER if chance.random() < 0.5 else 0
    for _ in range(chance.randint(1, 4)):
        if len(data) <= first + 1:
            break
        start = chance.randrange(first, len(data))
        end = min(start + chance.randint(1, 64), len(data))
        match chance.choice(("flip", "flip", "cut", "end", "insert", "repeat", "number")):
            case "flip":
                data[start] ^= 1 << chance.randrange(8)
            case "cut":
                del data[start:end]
            case "end":
                del data[max(start, len(data) // 2) :]
            case "insert":
                data[start:start] = chance.randbytes(end - start)
            case "repeat":
                data[start:start] = data[start:end] * chance.choice((1, 10, 1000))
            case "number":
                data[start : start + 4] = chance.choice(_LIMITS)
    return bytes(data)


def _is_opened(photo: bytes) -> bool:
    """Return whether Pillow accepts the header: the photo is small, so this takes little in this process."""
    with suppress(PhotoError):
        read_size(photo)
        return True
    return False
