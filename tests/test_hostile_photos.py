"""Crafted photos, from the upload to the answer: each is read or refused in one sentence, and the next one is read.

Every kind comes to `/predict` small and large, and to the page and to the two commands, which decode it in the same
way, in one size; with `make soak`, to each of them in all sizes.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from PIL import Image

from camcore import Explainer
from camcore.cli.main import main
from camcore.images import worker
from camcore.images.decoder import WORKERS, shared_decoder
from demo.app import build
from demo.compare.explain import explain
from demo.compare.session import ExplainRequest, PageState, Session
from demo.server import serve
from demo.service import messages
from demo.service.models import Models
from tests.demo.api.conftest import call_by_name, events, upload
from tests.hostile_photos import KINDS, SIZES
from tests.worker_memory import watched_children

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("within_the_limits")]

TOO_MUCH = "this photo takes too much memory or time to open: save it again as a plain JPEG"
PATIENCE = 3.0  # seconds that another visitor's hostile photo may cost
LIMIT = worker.MAX_SECONDS + PATIENCE  # seconds until a photo is answered


def sizes_or(*some: str) -> Sequence[str]:
    """Return some of the sizes, or all of them for `make soak`."""
    return SIZES if "SOAK" in os.environ else some


@pytest.fixture
def within_the_limits() -> Iterator[None]:
    """Check the memory of the processes, whatever they decode."""
    with watched_children() as peak:
        yield
    assert peak.memory < worker.MAX_MEMORY


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """A file of each kind and size."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = {}
    for kind, craft in KINDS.items():
        for size in SIZES:
            paths[kind, size] = folder / f"{kind}-{size}.jpg"
            paths[kind, size].write_bytes(craft(size))
    return paths


@pytest.fixture(scope="module")
def bird(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "bird.jpg"
    Image.effect_noise((320, 240), 80).convert("RGB").save(path)
    return path


@pytest.fixture(scope="module")
def models(quick_artifacts: Path) -> Models:
    return Models(Explainer.load(quick_artifacts / "finches"), quick_artifacts / "finches")


@pytest.fixture(scope="module")
def address(models: Models) -> Iterator[str]:
    blocks = build(models)
    yield serve(blocks, None, None).rstrip("/")
    blocks.close(verbose=False)


@pytest.fixture
def commands(quick_artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the commands in an empty folder, and let new processes print to where this test looks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMCORE_ARTIFACTS", str(quick_artifacts))
    shared_decoder().close()


def predict(address: str, photo: bytes) -> str | None:
    """Upload a photo and ask for its classes; return why it is refused, or None if it is answered."""
    response = call_by_name(address, "predict", photo=upload(address, photo))
    if response.status_code == 422:
        (refusal,) = [check for check in response.json()["detail"] if not check["is_valid"]]
        assert refusal["parameter_name"] == "photo"
        return str(refusal["message"])
    assert response.status_code == 200
    name, data = list(events(address, "predict", response.json()["event_id"]))[-1]
    assert name == "complete", data
    assert len(data[0]["predictions"]) == 5
    return None


def duration(function: Callable[[], object]) -> float:
    start = time.monotonic()
    function()
    return time.monotonic() - start


def check_sentence(text: str) -> None:
    """Check that a message is one sentence, about the photo and not about what went wrong in the program."""
    assert text.lower().startswith("this photo "), text
    assert len(text) < 200
    assert not any(sign in text for sign in ("\n", "Error", "Traceback", "/", messages.FAILED)), text


@pytest.mark.parametrize("kind", KINDS)
def test_predict_answers_or_refuses_and_goes_on(
    address: str, photos: dict[tuple[str, str], Path], bird: Path, kind: str
) -> None:
    for size in sizes_or("small", "large"):
        start = time.monotonic()
        refusal = predict(address, photos[kind, size].read_bytes())
        is_large = (kind, size) == ("jpeg_scans", "large")  # the only accepted photo above 20 megapixels
        assert time.monotonic() - start < (worker.MAX_SECONDS_LARGE + PATIENCE if is_large else LIMIT)
        if refusal is not None:
            check_sentence(refusal)
        assert predict(address, bird.read_bytes() + size.encode()) is None, "the next photo is read"


@pytest.mark.parametrize("size", sizes_or("large"))
def test_page_shows_a_sentence_or_heatmaps_and_goes_on(
    models: Models, photos: dict[tuple[str, str], Path], bird: Path, size: str
) -> None:
    def final_state(path: Path) -> PageState:
        request = ExplainRequest(str(path))
        return list(explain(models, Session(request), request))[-1]

    def is_refused(path: Path) -> bool:
        state = final_state(path)
        if state.photo_message:
            check_sentence(state.photo_message)
            assert (state.status, state.view) == ("", None)
        else:
            assert state.explanations, path
        return bool(state.photo_message)

    def is_kind_refused(kind: str) -> bool:
        refused = is_refused(photos[kind, size])
        assert not is_refused(bird), "the next photo is read"
        return refused

    with ThreadPoolExecutor(WORKERS) as visitors:
        assert 0 < sum(visitors.map(is_kind_refused, KINDS)) <= len(KINDS)


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("size", sizes_or("small"))
def test_explain_reports_each_photo_in_a_line(
    photos: dict[tuple[str, str], Path], bird: Path, size: str, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = [str(path) for kind in KINDS for path in (photos[kind, size], bird)]
    assert main(["explain", "--json", "--method", "grad-cam", *paths]) == 1
    captured = capfd.readouterr()
    records = [json.loads(line) for line in captured.out.splitlines()]
    lines = captured.err.splitlines()
    assert len(records) == len(lines) == len(paths)
    for number, (path, record, line) in enumerate(zip(paths, records, lines, strict=True), start=1):
        start, _, message = line.partition(f"{path}: ")
        assert start == f"[{number}/{len(paths)}] "
        if "error" in record:
            assert message == record["error"]
            check_sentence(message)
    check_records(records[1::2], records[::2])


@pytest.mark.usefixtures("commands", "without_faithfulness")
@pytest.mark.parametrize("size", sizes_or("medium"))
def test_study_reports_each_photo_in_a_row(
    photos: dict[tuple[str, str], Path], bird: Path, size: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("birds").mkdir()
    for number, kind in enumerate(KINDS):
        Path("birds", f"{number:02}-bad.jpg").symlink_to(photos[kind, size])
        Path("birds", f"{number:02}-good.jpg").write_bytes(bird.read_bytes() + bytes([number]))
    assert main(["study", "birds", "--effort", "8"]) == 1
    captured = capfd.readouterr()
    records = json.loads(Path("study/study.json").read_text())["photos"]
    records = [{name: value for name, value in record.items() if value is not None} for record in records]
    assert len(records) == 2 * len(KINDS)
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if line.startswith("[")]
    assert len(lines) == len(records)
    for record, line in zip(records, lines, strict=True):
        if "error" in record:
            assert line.endswith(f"{record['file']}: {record['error']}")
            check_sentence(record["error"])
    others = [line for line in captured.err.splitlines() if line not in lines]
    assert [line.partition(":")[0] for line in others] == ["written"], others
    check_records(records[1::2], records[::2])


def check_records(good: list[dict[str, Any]], hostile: list[dict[str, Any]]) -> None:
    """Check that every good photo was explained, and some of the others refused."""
    assert not any("error" in record for record in good)
    refusals = [record["error"] for record in hostile if "error" in record]
    assert 0 < len(refusals) <= len(hostile)


@pytest.mark.parametrize("hostile_clients", range(1, WORKERS + 1))
def test_another_visitor_is_answered_while_hostile_photos_are_decoded(
    address: str, photos: dict[tuple[str, str], Path], bird: Path, hostile_clients: int
) -> None:
    good, hostile = bird.read_bytes(), photos["gif_comments", "large"].read_bytes()
    normal = median(duration(lambda number=number: predict(address, good + bytes([number]))) for number in range(5))
    allowed = PATIENCE if hostile_clients < WORKERS else LIMIT
    with ThreadPoolExecutor(hostile_clients) as clients:
        refusals = [clients.submit(predict, address, hostile + bytes([number])) for number in range(hostile_clients)]
        time.sleep(1)  # uploaded by then, and being decoded
        visits = 0
        while not all(refusal.done() for refusal in refusals):
            salt = f"{hostile_clients} {visits}".encode()
            assert duration(lambda salt=salt: predict(address, good + salt)) < normal + allowed
            visits += 1
        assert visits > 0
        for refusal in refusals:
            assert refusal.result() == messages.sentence(TOO_MUCH)
