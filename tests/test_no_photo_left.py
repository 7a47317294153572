"""A page that is ended at any moment: no photo of its visitors is left after the next start, and none is printed."""

import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import ExifTags, Image

from tests.demo.api.conftest import call_by_name, events, upload
from tests.processes import END
from tests.test_boundaries import ROOT

MOMENTS = 20 if "SOAK" in os.environ else 1  # of each signal
LONGEST = 2.5  # seconds after the first upload: by then, the page has answered several times
START = 120.0  # seconds from the start to the address
NAME = "kingfisher-at-its-secret-nest.jpg"
PLACE = b"N 47 deg 33 min 17.31 sec, planted"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Page:
    """A page in a folder of its own, `process`, with everything that it prints in the file `printed`."""

    process: "subprocess.Popen[bytes]"
    address: str
    printed: Path


@dataclass(frozen=True)
class Place:
    """Where pages run: their working directory and the folder of their temporary files, both empty before."""

    artifacts: Path
    work: Path
    temporary: Path

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Start a page, and kill it at the end if it still runs."""
        printed = self.work.parent / f"printed-{time.monotonic_ns()}.txt"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GRADIO_TEMP")},
            "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        command = [sys.executable, "-m", "demo", "--artifacts", str(self.artifacts)]
        with printed.open("wb") as file:
            process = subprocess.Popen(command, cwd=self.work, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield Page(process, _address(process, printed), printed)
        finally:
            process.kill()
            process.wait(END)

    def left(self) -> list[Path]:
        """Return the files of both folders, without the one in which onnxruntime notes its session."""
        files = [path for folder in (self.work, self.temporary) for path in folder.rglob("*") if path.is_file()]
        return [path for path in files if path != self.temporary / ".ses"]


@pytest.fixture
def place(quick_artifacts: Path, tmp_path: Path) -> Place:
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    return Place(quick_artifacts, tmp_path / "work", tmp_path / "temporary")


@pytest.fixture(scope="module")
def photo() -> bytes:
    """A JPEG that says where it was taken, with noise that is in no other file."""
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = PLACE.decode()
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitude] = (47.0, 33.0, 17.31)
    gps[ExifTags.GPS.GPSProcessingMethod] = b"ASCII\0\0\0" + PLACE
    buffer = io.BytesIO()
    Image.frombytes("RGB", (160, 120), random.Random(13).randbytes(57_600)).save(buffer, "JPEG", exif=exif)
    assert buffer.getvalue().count(PLACE) == 2
    return buffer.getvalue()


@pytest.mark.timeout(120 * MOMENTS + 180)
def test_a_page_that_is_killed_or_ended_leaves_nothing_after_the_next_start(place: Place, photo: bytes) -> None:
    """Each page is killed, and the next one, which must delete what is left, ended by SIGTERM."""
    pictures, kept = 0, 0
    for number, (killed, ended) in enumerate(zip(moments(seed=2), moments(seed=1), strict=True), start=1):
        with place.page() as page:
            pictures += use_until(page, photo, killed, signal.SIGKILL, at_least=number == MOMENTS)
        wait_for_the_end_of_children(place)
        check_printed(page, photo)
        kept += len(photos_left(place, photo))
        with place.page() as page:
            assert photos_left(place, photo) == [], "what the page before has left is deleted"
            pictures += use_until(page, photo, ended, signal.SIGTERM, at_least=number == MOMENTS)
            assert page.process.returncode == 0
        assert place.left() == []
        assert list(place.temporary.glob("camcore-*")) == []
        check_printed(page, photo)
        assert "Traceback" not in page.printed.read_text()
    assert kept > 0, "a killed page cannot delete what it has"
    assert pictures > 1


def moments(seed: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.uniform(0, LONGEST) for _ in range(MOMENTS)]


def use_until(page: Page, photo: bytes, moment: float, ending: signal.Signals, at_least: int = 0) -> int:
    """Use a page, and end it after so many seconds, and when it has given at least so many pictures.

    Return how many it gave, all of them without metadata.
    """
    pictures: list[bytes] = []
    with ThreadPoolExecutor(1) as visitor:
        visit = visitor.submit(visit_until_the_end, page, photo, pictures)
        time.sleep(moment)
        end = time.monotonic() + START
        while len(pictures) < at_least and time.monotonic() < end:
            time.sleep(0.05)
        page.process.send_signal(ending)
        page.process.wait(END)
        visit.result(timeout=60)
    for picture in pictures:
        check_bytes(picture, photo)
        image = Image.open(io.BytesIO(picture))
        assert dict(image.getexif()) == {}
        assert image.info.keys().isdisjoint({"exif", "xmp", "comment", "XML:com.adobe.xmp"})
    return len(pictures)


def visit_until_the_end(page: Page, photo: bytes, pictures: list[bytes]) -> None:
    """Upload the photo, ask `/predict` and `/explain` about it, and fetch the pictures, again until the page is gone.

    The queue of a page that ends may close a stream without an answer, or answer with an error.
    """
    with suppress(httpx.HTTPError, LookupError, TypeError, ValueError):
        while page.process.poll() is None:
            upload_photo = upload(page.address, photo, NAME)
            for endpoint, values in (("predict", {}), ("explain", {"effort": "64"})):
                response = call_by_name(page.address, endpoint, photo=upload_photo, **values)
                *_, (_, data) = events(page.address, endpoint, response.json()["event_id"])
                files = [value["url"] for value in data if isinstance(value, dict) and "url" in value]
                pictures += [httpx.get(url, timeout=END).raise_for_status().content for url in files]


def photos_left(place: Place, photo: bytes) -> list[Path]:
    """Return the files that have the uploaded photo's name, its metadata or its bytes."""
    return [path for path in place.left() if path.name == NAME or has_photo(path.read_bytes(), photo)]


def has_photo(data: bytes, photo: bytes) -> bool:
    middle = photo[len(photo) // 2 :][:64]
    return PLACE in data or middle in data


def check_bytes(data: bytes, photo: bytes) -> None:
    """Check that something that a page gave away has neither the photo's metadata nor its name."""
    assert not has_photo(data, photo)
    assert NAME.encode() not in data
    assert Path(NAME).stem.encode() not in data


def check_printed(page: Page, photo: bytes) -> None:
    check_bytes(page.printed.read_bytes(), photo)


def wait_for_the_end_of_children(place: Place) -> None:
    """Wait until the processes that a killed page has started are gone: they end when they notice."""
    end, mark = time.monotonic() + END, f"TMPDIR={place.temporary}".encode()
    while time.monotonic() < end:
        running = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # it has ended, or is another user's
                running += [path.parent.name] if mark in path.read_bytes() else []
        if not running:
            return
        time.sleep(0.2)
    raise AssertionError(f"processes of a killed page still run: {running}")


def _address(process: "subprocess.Popen[bytes]", printed: Path) -> str:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        if match := re.search(r"page is at (http\S+?)/?\s", printed.read_text()):
            return match[1]
        time.sleep(0.1)
    raise AssertionError(f"the page was not served: {printed.read_text()}")
