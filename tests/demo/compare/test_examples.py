"""The examples, on a page that runs where the gradio package lies outside the working directory, as on a Space."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from camcore import Explainer
from demo.app import build
from demo.compare import layout as compare_layout
from demo.compare.layout import example_photos
from demo.compare.links import example_of, from_query
from demo.server import serve
from demo.service.expiry import Expiry
from demo.service.gradio_internals import upload_folder
from demo.service.models import Models
from demo.service.photos import new_folder


@pytest.fixture(scope="module")
def models(stand_in_artifacts: Path, stand_in: Explainer) -> Models:
    return Models(stand_in, stand_in_artifacts / "efficientnet_lite0")


@pytest.fixture(scope="module")
def blocks(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    """The page, served from elsewhere; the folder of temporary files holds neither the photos nor the uploads."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    own_photos = tmp_path_factory.mktemp("photos")
    shutil.copy(example_photos()[0], own_photos / "A lion, again.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setattr("tempfile.tempdir", str(elsewhere))
        patch.setattr(compare_layout, "_OWN_PHOTOS", own_photos)
        patch.chdir(elsewhere)
        page = build(models)
        serve(page, None, None)
        yield page
        page.close(verbose=False)


@pytest.fixture(scope="module")
def http(blocks: gr.Blocks) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=str(blocks.local_url).rstrip("/"), trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def config(http: httpx.Client) -> Any:
    """What the browser learns of the page."""
    return http.get("/config").json()


def button_of(config: Any, name: str) -> Any:
    (button,) = [part for part in config["components"] if part["type"] == "button" and part["props"]["value"] == name]
    return button


def click(config: Any, http: httpx.Client, button: Any) -> httpx.Response:
    events = [event for event in config["dependencies"] if [button["id"], "click"] in event["targets"]]
    (event,) = [event for event in events if event["backend_fn"]]
    body = {"data": [], "fn_index": event["id"], "session_hash": "visitor"}
    return http.post("/gradio_api/run/predict", json=body)


@pytest.mark.parametrize("name", ["lion", "cheetah1", "A lion, again"])
def test_a_click_puts_the_example_on_the_page(config: Any, http: httpx.Client, name: str) -> None:
    photos = {path.stem: path for path in (*example_photos(), *compare_layout._OWN_PHOTOS.iterdir())}
    answer = click(config, http, button_of(config, name))
    assert answer.status_code == 200, answer.text
    (photo,) = answer.json()["data"]
    assert Path(photo["path"]).name == photos[name].name
    assert http.get(photo["url"]).content == photos[name].read_bytes()
    assert example_of(photo["path"], [str(photos[name])]) == name


@pytest.mark.parametrize("name", ["lion", "cheetah1", "A lion, again"])
def test_the_picture_of_a_button_is_served_even_after_old_files_are_deleted(
    blocks: gr.Blocks, config: Any, http: httpx.Client, name: str
) -> None:
    button, expiry, left = button_of(config, name), Expiry(blocks, upload_folder(), kept=0), new_folder()
    click(config, http, button)
    expiry.sweep()
    assert not left.exists()
    icon = http.get(button["props"]["icon"]["url"])
    assert icon.status_code == 200
    assert icon.headers["content-type"] == "image/jpeg"
    assert click(config, http, button).status_code == 200


def test_a_link_opens_the_example(models: Models, config: Any, http: httpx.Client) -> None:
    paths = [part["props"]["icon"]["path"] for part in config["components"] if part["props"].get("icon")]
    assert len(paths) == 3
    opening = from_query({"example": "lion"}, models, paths)
    assert opening.path == paths[0]
    (event,) = [
        event
        for event in config["dependencies"]
        if [kind for _, kind in event["targets"]] == ["load"] and event["backend_fn"]
    ]
    body = {"data": [None], "fn_index": event["id"], "session_hash": "guest"}
    answer = http.post("/gradio_api/run/predict?example=lion", json=body)
    assert answer.status_code == 200, answer.text
