"""The endpoints as programs use them: by gradio_client, by plain HTTP, and by an MCP client."""

import asyncio
import base64
import io
import json
import re
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import ValidationError
from gradio_client.utils import QueueError
from PIL import Image

from camcore import METHODS, Explainer, open_photo
from camcore.cli.explain import ExplainArguments
from camcore.cli.explain import run as run_command
from camcore.options import ExplainOptions
from demo.api import endpoints
from demo.api.endpoints import Endpoints
from demo.app import build
from demo.server import MAX_WAITING, serve
from demo.service.event_settings import ENDPOINTS
from demo.service.models import Models
from demo.service.queue import RECEIVED_AT
from tests.readme_examples import EXAMPLES

API = "/gradio_api"


@pytest.fixture(scope="module")
def models(lite0: Explainer, artifacts: Path) -> Models:
    return Models(lite0, artifacts / "efficientnet_lite0")


@pytest.fixture(scope="module")
def address(models: Models) -> Iterator[str]:
    blocks = build(models)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield serve(blocks, None, None, mcp=True).rstrip("/")
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(
        address, verbose=False, analytics_enabled=False, download_files=str(tmp_path_factory.mktemp("fetched"))
    )


@pytest.fixture(scope="module")
def eagle(imagenet_photos: list[Path]) -> Path:
    return next(path for path in imagenet_photos if path.stem.endswith("_22"))


def upload(address: str, data: bytes, name: str = "photo.jpg") -> dict[str, Any]:
    """What a plain HTTP client gives for a file that it has uploaded."""
    (path,) = httpx.post(f"{address}{API}/upload", files={"files": (name, data)}).json()
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def call(address: str, endpoint: str, *data: Any) -> httpx.Response:
    return httpx.post(f"{address}{API}/call/{endpoint}", json={"data": data}, timeout=60)


def call_by_name(address: str, endpoint: str, **data: Any) -> httpx.Response:
    return httpx.post(f"{address}{API}/call/v2/{endpoint}", json=data, timeout=60)


def events(address: str, endpoint: str, event_id: str) -> Iterator[tuple[str, Any]]:
    """Name and data of what the stream of a call says."""
    with httpx.stream("GET", f"{address}{API}/call/{endpoint}/{event_id}", timeout=60) as stream:
        name = ""
        for line in stream.iter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)


# What is public, and how it describes itself


def test_three_endpoints_are_public_and_nothing_else(address: str, client: Client) -> None:
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {f"/{name}" for name in ENDPOINTS}
    paths = httpx.get(f"{address}{API}/openapi.json").json()["paths"]
    assert {path.split("/")[4] for path in paths if "/call/v2/" in path} == set(ENDPOINTS)


def test_openapi_tells_what_each_parameter_may_be(address: str) -> None:
    paths = httpx.get(f"{address}{API}/openapi.json").json()["paths"]
    described = paths[f"{API}/call/v2/explain"]["post"]
    properties = described["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert properties["definition"]["enum"] == ["paper", "probability", "pytorch-grad-cam", "torchcam"]
    assert {"photo", "wanted_class", "methods", "effort", "box", "opacity"} <= set(properties)
    assert "Grad-CAM" in described["summary"]


def test_the_answer_is_described_entry_by_entry(client: Client) -> None:
    record, *pictures = client.view_api(return_format="dict")["named_endpoints"]["/explain"]["returns"]
    assert {"model", "weights", "seconds", "predictions", "explanations"} <= set(record["type"]["properties"])
    assert len(pictures) == 2 + len(METHODS)


# What they answer


def test_predict_tells_what_the_model_sees(client: Client, lite0: Explainer, eagle: Path) -> None:
    record = client.predict(handle_file(eagle), top=3, api_name="/predict")
    found = lite0.predict(open_photo(eagle), top=3)
    assert record["predictions"] == [asdict(prediction) for prediction in found]
    assert record["model"] == "efficientnet_lite0"
    assert record["file"] is None
    assert record["seconds"] > 0


def test_explain_answers_the_json_of_the_command_and_the_pictures(
    client: Client, artifacts: Path, eagle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, comparison, *overlays, maps = client.predict(
        handle_file(eagle), save_maps=True, sanity=True, effort="40", api_name="/explain"
    )
    options = ExplainArguments(
        [str(eagle)], artifacts, None, None, None, None, tuple(METHODS), ExplainOptions(effort=40), tmp_path, 0.8,
        "inferno", save_maps=True, sanity=True, json=True,
    )  # fmt: skip
    assert run_command(options) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == record.keys() - {"verdict", "target"}
    for ours, theirs in zip(record["explanations"], said["explanations"], strict=True):
        timeless = {"seconds", "map"}
        assert {key: ours[key] for key in ours.keys() - timeless} == pytest.approx(
            {key: theirs[key] for key in theirs.keys() - timeless}
        )
    assert record["sanity"] == pytest.approx(said["sanity"])
    with np.load(maps) as found:
        for method in METHODS.values():
            written = np.load(tmp_path / f"{eagle.stem}.{method.file_name}.npy")
            np.testing.assert_allclose(found[method.file_name], written, atol=1e-6)
    for overlay, method in zip(overlays, METHODS.values(), strict=True):
        drawn = Image.open(tmp_path / f"{eagle.stem}.{method.file_name}.png")
        np.testing.assert_array_equal(np.asarray(Image.open(overlay)), np.asarray(drawn))
    assert Image.open(comparison).width > 4 * 224
    assert record["verdict"]["sentence"].startswith("Predicted bald eagle")


def test_explain_streams_while_score_cam_refines_and_ends_complete(client: Client, eagle: Path) -> None:
    job = client.submit(handle_file(eagle), effort="exact", api_name="/explain")
    answers = list(job)
    methods = [[each["method"] for each in answer[0]["explanations"]] for answer in answers]
    assert methods[:3] == [["grad-cam"], ["grad-cam", "grad-cam++"], ["grad-cam", "grad-cam++", "score-cam"]]
    forwards = [answer[0]["explanations"][2]["forwards"] for answer in answers[2:]]
    assert forwards == sorted(forwards)
    assert forwards[0] < forwards[-1] == answers[-1][0]["explanations"][2]["channels_alive"]
    drawn = {answer[4] for answer in answers if answer[4]}
    assert len(drawn) > 1, "the refining map was to be seen"
    assert all(answer[1] is None for answer in answers[:-1])
    assert answers[-1][1].endswith("compare.png")
    assert "verdict" in answers[-1][0]


def test_a_class_a_rival_a_method_and_a_box_are_heeded(client: Client, eagle: Path) -> None:
    record, _, first, *rest = client.predict(
        handle_file(eagle), wanted_class="kite", rather_than=22, methods=["grad-cam"], box=[0.1, 0.1, 0.6, 0.9],
        api_name="/explain",
    )  # fmt: skip
    (explanation,) = record["explanations"]
    assert (explanation["class_idx"], explanation["rather_than"]["class_idx"]) == (21, 22)
    assert Image.open(first).size == (224, 224)
    assert rest == [None, None, None]
    assert record["target"]["localisations"]["grad-cam"]["lift"] > 0


def test_a_study_answers_photo_by_photo_and_ends_with_report_and_figures(
    client: Client, imagenet_photos: list[Path], tmp_path: Path
) -> None:
    archive = tmp_path / "birds.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for index, photo in enumerate(imagenet_photos[:2]):
            file.write(photo, f"place-{index}/{photo.name}")
        file.writestr("place-0/broken.jpg", b"no photo")
    answers = list(client.submit(handle_file(archive), api_name="/study"))
    assert [(answer[0]["done"], answer[0]["total"]) for answer in answers] == [(1, 3), (2, 3), (3, 3), (3, 3)]
    assert [len(answer[0]["photos"]) for answer in answers] == [1, 1, 1, 3]
    record, report, figures = answers[-1]
    assert sorted(photo["error"] is None for photo in record["photos"]) == [False, True, True]
    assert record["model"]["model"] == "efficientnet_lite0"
    assert Path(report).read_text(encoding="utf-8").count("<img") >= 8
    assert len(Path(figures).read_text(encoding="utf-8").splitlines()) == 1 + 3 * len(METHODS)
    assert not re.search(r"/(tmp|home|root)/", json.dumps(record)), "no path of the server"


def test_plain_http_streams_too(address: str, eagle: Path) -> None:
    photo = upload(address, eagle.read_bytes())
    answer = call_by_name(address, "explain", photo=photo, methods=["grad-cam", "score-cam"])
    assert answer.status_code == 200
    told = list(events(address, "explain", answer.json()["event_id"]))
    assert [name for name, _ in told][-1] == "complete"
    assert {"generating", "complete"} <= {name for name, _ in told} <= {"generating", "complete", "heartbeat"}
    *_, (_, (record, comparison, *_pictures)) = told
    assert record["predictions"][0]["name"] == "bald eagle"
    fetched = httpx.get(comparison["url"])
    assert Image.open(io.BytesIO(fetched.content)).format == "PNG"


# What goes wrong


def photos_that_are_none() -> dict[str, bytes]:
    whole = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(whole, "JPEG")
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    return {
        "no image": b"\x00\x01\x02 nothing",
        "truncated": whole.getvalue()[: len(whole.getvalue()) // 2],
        "a text": b"dear bird",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "a bomb": bomb.getvalue(),
        "zero bytes": b"",
        "HEIC": b"\x00\x00\x00\x18ftypheic",
        "PDF": b"%PDF-1.7",
    }


PHOTOS_THAT_ARE_NONE = photos_that_are_none()
NAME = "secret nest of 2026.jpg"


def sentence_of(answer: httpx.Response) -> tuple[str, str]:
    """The parameter that a refusal is about, and its sentence."""
    assert answer.status_code == 422, answer.text
    (wrong,) = [each for each in answer.json()["detail"] if not each["is_valid"]]
    return wrong["parameter_name"], wrong["message"]


def is_one_sentence(said: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][^\n]{10,200}[.]", said)) and "Error" not in said


@pytest.mark.parametrize("kind", PHOTOS_THAT_ARE_NONE)
@pytest.mark.parametrize("endpoint", ["predict", "explain"])
def test_a_wrong_photo_is_refused_in_one_sentence_that_names_no_file(address: str, endpoint: str, kind: str) -> None:
    photo = upload(address, PHOTOS_THAT_ARE_NONE[kind], NAME)
    answer = call(address, endpoint, photo, *([None, "crop", 5] if endpoint == "predict" else explain_defaults()))
    parameter, said = sentence_of(answer)
    assert parameter == "photo"
    assert is_one_sentence(said), said
    assert "secret" not in answer.text
    assert str(Path(photo["path"]).parent) not in answer.text


def explain_defaults() -> list[Any]:
    return [None, None, None, None, "paper", "fast", "crop", None, False, "inferno", 0.8, False]


@pytest.mark.parametrize(
    ("given", "parameter", "said"),
    [
        ({"wanted_class": "bald eagel"}, "wanted_class", "bald eagle"),
        ({"wanted_class": 1000}, "wanted_class", "out of range"),
        ({"wanted_class": ["kite"]}, "wanted_class", "name of a class"),
        ({"wanted_class": "x" * 300}, "wanted_class", "name of a class"),
        ({"wanted_class": True}, "wanted_class", "name of a class"),
        ({"wanted_class": 22, "rather_than": "bald eagle"}, "rather_than", "against itself"),
        ({"methods": ["grad-cam", "lime"]}, "methods", "grad-cam++"),
        ({"methods": "grad-cam"}, "methods", "grad-cam++"),
        ({"definition": "mine"}, "definition", "torchcam"),
        ({"effort": "lots"}, "effort", "exact"),
        ({"effort": 0}, "effort", "1 or more"),
        ({"fit": None}, "fit", "squash"),
        ({"model": "../../etc"}, "model", "efficientnet_lite0"),
        ({"box": [0.1, 0.2, 0.3]}, "box", "four numbers"),
        ({"box": [0.5, 0.2, 0.3, 0.4]}, "box", "four numbers"),
        ({"box": [0.5, 0.2, "0.6", None]}, "box", "four numbers"),
        ({"opacity": 2}, "opacity", "from 0 to 1"),
        ({"opacity": "0.5"}, "opacity", "from 0 to 1"),
        ({"colour_map": "rainbow"}, "colour_map", "viridis"),
        ({"sanity": "yes"}, "sanity", "true or false"),
        ({"save_maps": 1}, "save_maps", "true or false"),
        ({"photo": None}, "photo", "upload"),
        ({"photo": "lion.jpg"}, "photo", "upload"),
        ({"photo": {"path": "/etc/passwd"}}, "body", "upload"),
        ({"photo": {"path": "../../etc/passwd", "meta": None}}, "body", "upload"),
        ({"photo": {"path": ["a"]}}, "photo", "upload"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_sentence(
    address: str, eagle: Path, given: dict[str, Any], parameter: str, said: str
) -> None:
    answer = call_by_name(address, "explain", **{"photo": upload(address, eagle.read_bytes()), **given})
    assert sentence_of(answer)[0] == parameter
    assert said in sentence_of(answer)[1]
    assert is_one_sentence(sentence_of(answer)[1])


def test_a_photo_that_was_not_uploaded_is_not_read(address: str) -> None:
    there = {"path": str(Path(__file__).resolve()), "meta": {"_type": "gradio.FileData"}}
    answer = call_by_name(address, "predict", photo=there)
    assert answer.status_code in {400, 422}
    assert Path(__file__).stem not in answer.text


def test_after_a_wrong_photo_the_next_one_works_and_gradio_client_tells_the_sentence(
    client: Client, eagle: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "note.jpg"
    wrong.write_text("dear bird")
    with pytest.raises(ValidationError, match="photo: This file is not a photo, whatever its name says"):
        client.predict(handle_file(wrong), api_name="/explain")
    assert client.predict(handle_file(eagle), api_name="/predict")["predictions"][0]["class_idx"] == 22


def test_a_zip_that_cannot_be_used_is_one_sentence(client: Client, tmp_path: Path) -> None:
    wrong = tmp_path / "birds.zip"
    wrong.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(Exception, match=r"^[^\n]*damaged[^\n]*$"):
        client.predict(handle_file(wrong), api_name="/study")


# One line


@dataclass
class Endless:
    """In place of `explain_photo`: a chunk every hundredth of a second, for ever, or until it is `over`."""

    chunks: int = 0
    ended: int = 0
    over: bool = False

    def __call__(self, *_given: Any) -> Iterator[Any]:
        try:
            while not self.over:
                self.chunks += 1
                time.sleep(0.01)
                yield {"explanations": self.chunks}, NoPictures()
        finally:
            self.ended += 1


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch, models: Models) -> Iterator[Endless]:
    steps = Endless()
    monkeypatch.setattr(endpoints, "explain_photo", steps)
    yield steps
    steps.over = True
    wait_for(lambda: len(models.queue) == 0)


class NoPictures:
    def files(self) -> tuple[None, ...]:
        return (None,) * 5


def wait_for(happened: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "this did not happen"
        time.sleep(0.01)


@pytest.fixture(params=["dropped", "cancelled"])
def left_in_the_middle(address: str, client: Client, eagle: Path, endless: Endless, request: Any) -> int:
    """An explanation that somebody has left: how many chunks it had then."""
    if request.param == "dropped":
        event_id = call_by_name(address, "explain", photo=upload(address, eagle.read_bytes())).json()["event_id"]
        stream = events(address, "explain", event_id)
        next(stream)
        next(stream)
        stream.close()
    else:
        job = client.submit(handle_file(eagle), api_name="/explain")
        wait_for(lambda: len(job.outputs()) > 1)
        assert job.cancel()
    return endless.chunks


def test_who_leaves_in_the_middle_frees_the_worker_at_the_next_chunk(
    left_in_the_middle: int, client: Client, models: Models, eagle: Path, endless: Endless
) -> None:
    wait_for(lambda: endless.ended)
    assert endless.chunks - left_in_the_middle < 100, "those that come while the news travels, of endlessly many"
    wait_for(lambda: len(models.queue) == 0)
    assert client.predict(handle_file(eagle), api_name="/predict")["predictions"]


def test_ten_clients_at_once_are_all_answered(address: str, imagenet_photos: list[Path]) -> None:
    def explain(photo: Path) -> dict[str, Any]:
        own = Client(address, verbose=False, analytics_enabled=False)
        record, *_ = own.predict(
            handle_file(photo), methods=["grad-cam", "score-cam"], effort="16", api_name="/explain"
        )
        return {"asked": int(photo.stem.split("_")[-1]), **record}

    with ThreadPoolExecutor(10) as pool:
        records = list(pool.map(explain, imagenet_photos[:10]))
    assert sum(record["predictions"][0]["class_idx"] == record["asked"] for record in records) >= 8
    assert all(record["explanations"][1]["forwards"] == 16 for record in records)


def test_a_full_line_says_that_it_is_busy_and_the_page_still_answers(
    address: str, client: Client, eagle: Path, endless: Endless
) -> None:
    photo = upload(address, eagle.read_bytes())
    answers = [call_by_name(address, "explain", photo=photo) for _ in range(MAX_WAITING + 10)]
    taken = [answer.json()["event_id"] for answer in answers if answer.status_code == 200]
    busy = [answer for answer in answers if answer.status_code == 503]
    assert len(taken) + len(busy) == len(answers)
    assert MAX_WAITING <= len(taken) <= MAX_WAITING + 2, "those that wait, and the one that is served"
    assert "busy" in busy[0].json()["detail"]
    assert int(busy[0].headers["retry-after"]) > 0
    with pytest.raises(QueueError):
        client.predict(handle_file(eagle), api_name="/predict")
    assert httpx.get(address).status_code == 200
    assert endless.ended == 0
    (explain,) = (index for index, endpoint in client.endpoints.items() if endpoint.api_name == "/explain")
    for event_id in reversed(taken):
        body = {"session_hash": event_id, "fn_index": explain, "event_id": event_id}
        assert httpx.post(f"{address}{API}/cancel", json=body).status_code == 200
    assert endless.ended == 1, "the one that was served, for those that waited have left the line"


def test_a_request_that_takes_too_long_is_stopped_with_a_sentence(
    lite0: Explainer, artifacts: Path, eagle: Path, address: str
) -> None:
    with gr.Blocks() as blocks:
        Endpoints(Models(lite0, artifacts / "efficientnet_lite0", timeout=30)).add(blocks)
    explain: Any = next(function.fn for function in blocks.fns.values() if function.api_name == "explain")
    http_request = SimpleNamespace(scope={RECEIVED_AT: time.monotonic() - 31})
    request = SimpleNamespace(request=http_request, headers={})
    steps = explain(upload(address, eagle.read_bytes()), *explain_defaults(), request)
    next(steps)
    with pytest.raises(gr.Error, match="longer than 30 seconds"):
        next(steps)


# MCP


def test_an_mcp_client_lists_the_tools_and_uses_them(address: str, eagle: Path) -> None:
    mcp = pytest.importorskip("mcp")
    from mcp.client.streamable_http import streamablehttp_client

    photo = "data:image/jpeg;base64," + base64.b64encode(eagle.read_bytes()).decode()
    there = f"{address}{API}/file={upload(address, eagle.read_bytes())['path']}"

    async def use() -> tuple[Any, ...]:
        async with (
            streamablehttp_client(f"{address}{API}/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            return (
                (await session.list_tools()).tools,
                await session.call_tool("predict", {"photo": there}),
                await session.call_tool("explain", {"photo": photo, "methods": ["grad-cam"]}),
                await session.call_tool("explain", {"photo": photo, "wanted_class": "bald eagel"}),
            )

    with ThreadPoolExecutor(1) as aside:  # the tests of the page, if they came before, have a loop on this thread
        tools, predicted, explained, refused = aside.submit(asyncio.run, use()).result()
    assert {tool.name for tool in tools} == set(ENDPOINTS)
    for tool in tools:
        assert len(tool.description) > 60
        assert all(entry.get("description") for entry in tool.inputSchema["properties"].values()), tool.name
    assert json.loads(predicted.content[0].text)["predictions"][0]["class_idx"] == 22
    assert json.loads(explained.content[0].text)["explanations"][0]["method"] == "grad-cam"
    pictures = [part for part in explained.content if part.type == "image"]
    assert [Image.open(io.BytesIO(base64.b64decode(part.data))).format for part in pictures] == ["PNG", "PNG"]
    assert refused.isError
    assert "the nearest are bald eagle" in refused.content[0].text


# The README


@pytest.fixture(scope="module")
def examples(address: str) -> list[tuple[str, str]]:
    """Language and text of the README files' examples that call a page, changed to call this one."""
    return [
        (example.language, example.text.replace("http://127.0.0.1:7860", address))
        for example in EXAMPLES
        if ":7860" in example.text
    ]


def test_the_readme_has_an_example_for_each_kind_of_program(examples: list[tuple[str, str]]) -> None:
    told = " ".join(block for _, block in examples)
    assert all(word in told for word in ("gradio_client", "curl", "ClientSession"))


@pytest.mark.parametrize("program", ["gradio_client", "curl", "ClientSession"])
def test_the_examples_of_the_readme_work(
    examples: list[tuple[str, str]], program: str, eagle: Path, tmp_path: Path
) -> None:
    (tmp_path / "eagle.jpg").write_bytes(eagle.read_bytes())
    ((kind, block),) = [each for each in examples if program in each[1]]
    if shutil.which(program := "curl" if kind == "sh" else sys.executable) is None:
        pytest.skip("curl is not installed")
    command = ["bash", "-eu", "-c", block] if kind == "sh" else [program, "-c", block]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "bald eagle" in done.stdout
    assert "grad-cam" in done.stdout
    assert kind != "sh" or "event: complete" in done.stdout
