"""Decoding in processes of their own: the same pixels, limits on time and memory, and a pool that survives."""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from pebble.common import stop_process
from PIL import Image
from pillow_heif import register_heif_opener

from camcore.errors import PhotoError
from camcore.images import worker
from camcore.images.decoder import PhotoDecoder
from camcore.images.photo import MAX_PIXELS, MAX_SIDE, open_photo
from camcore.images.preprocess import make_view
from camcore.model.manifest import Preprocessing
from tests.hostile_photos import KINDS
from tests.test_boundaries import ROOT

pytestmark = pytest.mark.slow

STEPS = Preprocessing(256, (224, 224), "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
TOO_MUCH = "this photo takes too much memory or time to open: save it again as a plain JPEG"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and read on Linux only")


@pytest.fixture(scope="module")
def decoder() -> Iterator[PhotoDecoder]:
    with PhotoDecoder() as decoder:
        yield decoder


def jpeg(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("resize_mode", ["crop", "squash"])
def test_view_equals_the_one_made_in_this_process(decoder: PhotoDecoder, tmp_path: Path, resize_mode: str) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg((640, 480)))
    expected = make_view(open_photo(photo), STEPS, resize_mode)  # type: ignore[arg-type]
    for source in (photo, photo.read_bytes()):
        view = decoder.view(source, STEPS, resize_mode)  # type: ignore[arg-type]
        np.testing.assert_array_equal(np.asarray(view.image), np.asarray(expected.image))
        assert (view.box, view.photo_size) == (expected.box, expected.photo_size)


def test_display_copy_is_a_jpeg_of_limited_size_without_metadata(decoder: PhotoDecoder) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0110] = "camera of the nest"
    Image.new("RGB", (4_000, 1_000), "red").save(buffer, "TIFF", exif=exif)
    copy = Image.open(io.BytesIO(decoder.display_copy(buffer.getvalue())))
    assert (copy.format, copy.size, dict(copy.getexif())) == ("JPEG", (2_000, 500), {})


@pytest.mark.parametrize("content", [b"", b"dear bird", b"%PDF-1.7", jpeg((64, 64))[:300]])
def test_unreadable_photo_is_refused_as_in_this_process(decoder: PhotoDecoder, content: bytes) -> None:
    with pytest.raises(PhotoError) as expected:
        open_photo(content)
    with pytest.raises(PhotoError) as refusal:
        decoder.view(content, STEPS)
    assert str(refusal.value) == str(expected.value)


@LINUX
def test_thin_photo_takes_little_memory(decoder: PhotoDecoder) -> None:
    """A column of 29,000 pixels, enlarged to the model's 224, would take 22 GB if it were resized as a whole."""
    column = np.linspace(0, 255, MAX_SIDE - 1).astype(np.uint8)[:, None, None].repeat(3, axis=2)
    for pixels in (column, column.transpose(1, 0, 2)):
        view = make_view(Image.fromarray(np.ascontiguousarray(pixels)), STEPS)
        assert np.asarray(view.image).mean() == pytest.approx(127.5, abs=1)


@pytest.mark.parametrize("size", [(1, MAX_SIDE + 1), (MAX_SIDE + 1, 1)])
def test_photo_with_too_long_a_side_is_refused_with_its_size(size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, "PNG")
    with pytest.raises(PhotoError, match=rf"{size[0]:,} × {size[1]:,} pixels, and no side may have more than 30,000"):
        open_photo(buffer.getvalue())


def test_process_that_hangs_is_ended_and_replaced(decoder: PhotoDecoder) -> None:
    start = time.monotonic()
    with pytest.raises(PhotoError, match=TOO_MUCH):
        decoder.view(KINDS["gif_comments"]("large"), STEPS)
    assert time.monotonic() - start < worker.MAX_SECONDS + 6
    assert decoder.view(jpeg((64, 64)), STEPS).photo_size == (64, 64)


def test_another_photo_is_decoded_while_a_process_hangs(decoder: PhotoDecoder) -> None:
    with ThreadPoolExecutor(1) as threads:
        hostile = threads.submit(decoder.view, KINDS["gif_comments"]("large"), STEPS)
        time.sleep(0.5)
        assert decoder.view(jpeg((64, 64)), STEPS).photo_size == (64, 64)
        assert not hostile.done(), "the other process still tries"
        with pytest.raises(PhotoError):
            hostile.result(timeout=30)


def test_wait_for_a_photo_ends_at_its_timeout(decoder: PhotoDecoder) -> None:
    with pytest.raises(TimeoutError):
        decoder.view(KINDS["gif_comments"]("large"), STEPS, timeout=0.5)
    assert decoder.view(jpeg((64, 64)), STEPS).photo_size == (64, 64)


@LINUX
def test_processes_killed_from_outside_are_replaced() -> None:
    with PhotoDecoder() as decoder:
        decoder.view(jpeg((64, 64)), STEPS)
        for process in multiprocessing.active_children():
            os.kill(process.pid or 0, signal.SIGKILL)
        time.sleep(1)
        assert decoder.view(jpeg((64, 64)), STEPS).photo_size == (64, 64)


@LINUX
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16", "LA", "1"])
def test_largest_accepted_photo_takes_300_mb(mode: str, tmp_path: Path) -> None:
    side = int(MAX_PIXELS**0.5)
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    image = Image.new(mode, (side, side), 1 if mode in {"1", "L", "P", "I;16"} else None)  # type: ignore[arg-type]
    image.save(path, compress_level=1) if path.suffix == ".png" else image.save(path)
    del image
    script = (
        "import sys; from pathlib import Path; from camcore.images import worker;"
        "from camcore.model.manifest import Preprocessing;"
        "steps = Preprocessing(256, (224, 224), 'bilinear', (0.5, 0.5, 0.5), (0.5, 0.5, 0.5));"
        "worker.limit_memory();"
        "worker.make_view_within_limits(worker.ViewRequest(Path(sys.argv[1]), steps, 'crop'));"
        "print(Path('/proc/self/status').read_text())"
    )
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    peak = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("VmHWM"))
    assert 1024 * int(peak) < 300_000_000, "Pillow keeps 4 bytes per pixel"


def test_worker_imports_pillow_and_numpy_alone() -> None:
    script = "import sys, camcore.images.worker; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    modules = set(done.stdout.split())
    assert {"PIL", "numpy"} <= modules
    assert modules.isdisjoint({"torch", "onnxruntime", "gradio", "matplotlib", "jinja2", "scipy", "tqdm"})


@LINUX
@pytest.mark.parametrize(
    ("file_format", "options"), [("AVIF", {"speed": 10}), ("JPEG2000", {}), ("HEIF", {"quality": 10})]
)
def test_other_codecs_stay_within_the_limits(file_format: str, options: dict[str, int]) -> None:
    if file_format == "HEIF":
        register_heif_opener()
    buffer = io.BytesIO()
    Image.effect_noise((60, 40), 80).resize((2400, 1800)).convert("RGB").save(buffer, file_format, **options)
    with PhotoDecoder(1) as decoder:
        view = decoder.view(buffer.getvalue(), STEPS)
    assert view.photo_size == (2400, 1800)
    assert view.box == pytest.approx((409, 112, 1991, 1688), abs=12)


@pytest.mark.slow
def test_a_large_jpeg_2000_is_decoded_at_half_its_size() -> None:
    buffer = io.BytesIO()
    ramp = Image.linear_gradient("L").resize((4000, 3000)).convert("RGB")
    ramp.save(buffer, "JPEG2000", irreversible=True, quality_layers=[100])
    with PhotoDecoder(1) as decoder:
        view = decoder.view(buffer.getvalue(), STEPS)
    assert view.photo_size == (4000, 3000)
    assert view.box == pytest.approx((687.5, 187.5, 3312.5, 2812.5), abs=8)
    brightness = np.asarray(view.image.convert("L"), float).mean(axis=1)
    np.testing.assert_allclose(brightness, np.linspace(16, 239, brightness.size), atol=3)


def test_a_script_without_a_main_guard_is_not_imported_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "print('imported', __name__)\n"
        "from camcore.images.decoder import PhotoDecoder\n"
        "from camcore.model.manifest import Preprocessing\n"
        "steps = Preprocessing(256, (224, 224), 'bilinear', (0.5,) * 3, (0.5,) * 3)\n"
        "with PhotoDecoder() as decoder:\n"
        f"    print(decoder.view({jpeg((64, 64))!r}, steps).photo_size)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert done.stdout.splitlines() == ["imported __main__", "(64, 64)"]


def test_processes_that_are_ended_while_they_start_print_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop_slowly(process: BaseProcess) -> None:
        time.sleep(0.5)
        stop_process(process)

    monkeypatch.setattr("pebble.pool.process.stop_process", stop_slowly)
    with PhotoDecoder() as decoder, pytest.raises(TimeoutError):
        decoder.view(jpeg((64, 64)), STEPS, timeout=0.001)
    assert capfd.readouterr() == ("", "")
