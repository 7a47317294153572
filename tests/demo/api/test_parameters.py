"""Values that the endpoints refuse: one sentence each."""

import io
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import ValidationError
from PIL import Image

from tests.demo.api.conftest import call, call_by_name, explain_defaults, upload


def unreadable_photos() -> dict[str, bytes]:
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


UNREADABLE_PHOTOS = unreadable_photos()
NAME = "secret nest of 2026.jpg"


def sentence_of(answer: httpx.Response) -> tuple[str, str]:
    """Return the parameter that a refusal is about, and its sentence."""
    assert answer.status_code == 422, answer.text
    (refusal,) = [entry for entry in answer.json()["detail"] if not entry["is_valid"]]
    return refusal["parameter_name"], refusal["message"]


def is_one_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][^\n]{10,200}[.]", text)) and "Error" not in text


@pytest.mark.parametrize("kind", UNREADABLE_PHOTOS)
@pytest.mark.parametrize("endpoint", ["predict", "explain"])
def test_unreadable_photo_is_refused_in_one_sentence_that_names_no_file(address: str, endpoint: str, kind: str) -> None:
    photo = upload(address, UNREADABLE_PHOTOS[kind], NAME)
    answer = call(address, endpoint, photo, *([None, "crop", 5] if endpoint == "predict" else explain_defaults()))
    parameter, sentence = sentence_of(answer)
    assert parameter == "photo"
    assert is_one_sentence(sentence), sentence
    assert "secret" not in answer.text
    assert str(Path(photo["path"]).parent) not in answer.text


@pytest.mark.parametrize(
    ("values", "parameter", "part"),
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
        ({"fit": "stretch"}, "fit", "squash"),
        ({"model": "../../etc"}, "model", "efficientnet_lite0"),
        ({"box": [0.1, 0.2, 0.3]}, "box", "four numbers"),
        ({"box": [0.5, 0.2, 0.3, 0.4]}, "box", "four numbers"),
        ({"box": [0.5, 0.2, "0.6", None]}, "box", "four numbers"),
        ({"effort": True}, "effort", "exact"),
        ({"box": [0.5, 0.2, 0.6, 1e300]}, "box", "four numbers"),
        ({"opacity": 2}, "opacity", "from 0 to 1"),
        ({"opacity": "0.5"}, "opacity", "from 0 to 1"),
        ({"colour_map": "rainbow"}, "colour_map", "viridis"),
        ({"sanity": "yes"}, "sanity", "true or false"),
        ({"save_maps": 1}, "save_maps", "true or false"),
        ({"layer": "conv9"}, "layer", "exported without the layer"),
        ({"layer": 5}, "layer", "give a text"),
        ({"photo": None}, "photo", "upload"),
        ({"photo": "lion.jpg"}, "photo", "upload"),
        ({"photo": {"path": "/etc/passwd"}}, "body", "upload"),
        ({"photo": {"path": "../../etc/passwd", "meta": None}}, "body", "upload"),
        ({"photo": {"path": ["a"]}}, "photo", "upload"),
    ],
)
def test_wrong_value_is_refused_in_one_sentence(
    address: str, eagle: Path, values: dict[str, Any], parameter: str, part: str
) -> None:
    answer = call_by_name(address, "explain", **{"photo": upload(address, eagle.read_bytes()), **values})
    assert sentence_of(answer)[0] == parameter
    assert part in sentence_of(answer)[1]
    assert is_one_sentence(sentence_of(answer)[1])


def test_file_that_was_not_uploaded_is_not_read(address: str) -> None:
    photo = {"path": str(Path(__file__).resolve()), "meta": {"_type": "gradio.FileData"}}
    answer = call_by_name(address, "predict", photo=photo)
    assert answer.status_code in {400, 422}
    assert Path(__file__).stem not in answer.text


def test_upload_that_does_not_exist_is_refused_in_one_sentence(address: str) -> None:
    folder = Path(upload(address, b"")["path"]).parent
    answer = call_by_name(address, "predict", photo={"path": str(folder / "gone.jpg")})
    assert sentence_of(answer) == (
        "photo", "This upload is no longer there, because uploads are kept for an hour: upload it again.",
    )  # fmt: skip


@pytest.mark.parametrize("top", [0, 1001, 2.5, True, "5", None])
def test_wrong_number_of_classes_is_refused_with_the_range(address: str, eagle: Path, top: Any) -> None:
    answer = call_by_name(address, "predict", photo=upload(address, eagle.read_bytes()), top=top)
    assert sentence_of(answer) == ("top", "This is not a value for top: give a whole number from 1 to 1000.")


def test_gradio_client_raises_the_sentence_and_the_next_photo_works(
    client: Client, eagle: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "note.jpg"
    wrong.write_text("dear bird")
    with pytest.raises(ValidationError, match="photo: This file is not a photo, whatever its name says"):
        client.predict(handle_file(wrong), api_name="/explain")
    assert client.predict(handle_file(eagle), api_name="/predict")["predictions"][0]["class_idx"] == 22


def test_damaged_zip_is_refused_in_one_sentence(client: Client, tmp_path: Path) -> None:
    wrong = tmp_path / "birds.zip"
    wrong.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(Exception, match=r"^[^\n]*damaged[^\n]*$"):
        client.predict(handle_file(wrong), api_name="/study")
