"""The models of timm: without the package, with a stand-in that describes its inputs, and with the package itself."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from camcore.model.manifest import Preprocessing, read_manifest
from export.__main__ import main
from export.errors import ExportError, WeightsError
from export.models import find_source
from export.traced import ClassifierGraph

CONFIG: dict[str, Any] = {
    "input_size": (3, 224, 224), "interpolation": "bicubic", "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25),
    "crop_pct": 0.875, "crop_mode": "center",
}  # fmt: skip


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Preprocessing]:
    """Return the preprocessing that becomes of timm's description of an input."""

    def preprocessing(**changes: object) -> Preprocessing:
        stand_in = ModuleType("timm")
        stand_in.is_model = lambda name: name == "net"  # type: ignore[attr-defined]
        stand_in.list_models = lambda: ["net"]  # type: ignore[attr-defined]
        stand_in.get_pretrained_cfg = lambda _name: None  # type: ignore[attr-defined]
        steps = {**CONFIG, **changes}
        stand_in.data = SimpleNamespace(resolve_data_config=lambda _args, pretrained_cfg: steps)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "timm", stand_in)
        return find_source("timm/net").preprocessing

    return preprocessing


def test_without_timm_one_sentence_has_the_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)  # what makes `import timm` fail
    assert main(["--model", "timm/resnet18", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == "error: the models of timm need the package timm: run `pip install timm`\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "resize", "mode", "interpolation"),
    [
        ({}, 256, "crop", "bicubic"),
        ({"crop_mode": "squash"}, 256, "squash", "bicubic"),
        ({"crop_mode": "border"}, 256, "pad", "bicubic"),
        ({"crop_mode": ""}, 256, "crop", "bicubic"),
        ({"crop_pct": 1.0}, 224, "crop", "bicubic"),
        ({"crop_pct": 0.9}, 248, "crop", "bicubic"),
        ({"interpolation": "bilinear"}, 256, "crop", "bilinear"),
        ({"interpolation": "lanczos"}, 256, "crop", "lanczos"),
        ({"interpolation": "random"}, 256, "crop", "bicubic"),
        ({"input_size": (3, 256, 320)}, 292, "crop", "bicubic"),
    ],
    ids=str,
)
def test_timms_description_becomes_the_steps(
    changes: dict[str, object], resize: int, mode: str, interpolation: str, described: Callable[..., Preprocessing]
) -> None:
    steps = described(**changes)
    assert (steps.resize, steps.resize_mode, steps.interpolation) == (resize, mode, interpolation)
    assert steps.size == tuple((*CONFIG["input_size"],) if "input_size" not in changes else changes["input_size"])[1:]  # type: ignore[arg-type]
    assert (steps.mean, steps.std, steps.view) == ((0.5,) * 3, (0.25,) * 3, "photo")


def test_a_name_that_timm_does_not_have_is_refused(described: Callable[..., Preprocessing]) -> None:
    described()
    with pytest.raises(ExportError, match="timm has no model 'nets': similar names are timm/net"):
        find_source("timm/nets")
    with pytest.raises(ExportError, match=r"timm has no model 'xyz': `timm\.list_models\(\)` prints all names"):
        find_source("timm/xyz")


@pytest.mark.parametrize("name", ["resnet50.a1_in1k", "mobilenetv3_small_050.lamb_in1k", "vit_base_patch16_224"])
def test_a_resized_photo_is_that_of_timms_own_transform(name: str, animal_photos: list[Path]) -> None:
    timm = pytest.importorskip("timm")
    from camcore import open_photo
    from camcore.images.preprocess import preprocess

    config = timm.data.resolve_data_config({}, pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    photo = open_photo(animal_photos[0])
    x, _ = preprocess(photo, find_source(f"timm/{name}").preprocessing)
    torch.testing.assert_close(
        torch.from_numpy(x[0]), timm.data.create_transform(**config, is_training=False)(photo), rtol=0, atol=1e-5
    )


def test_weights_of_a_file_are_those_of_the_model(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model("mobilenetv3_small_050", num_classes=3)
    torch.save(model.state_dict(), tmp_path / "birds.pth")
    source = find_source("timm/mobilenetv3_small_050", str(tmp_path / "birds.pth"))
    loaded = source.load()
    assert (source.name, source.folder) == ("timm/mobilenetv3_small_050", "timm-mobilenetv3_small_050")
    assert (loaded.weights, loaded.labels) == ("birds.pth", ("class 0", "class 1", "class 2"))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.module(x), model.eval()(x))


def test_names_of_weights_are_not_torchvisions() -> None:
    pytest.importorskip("timm")
    with pytest.raises(WeightsError, match="timm/resnet18 has no weights IMAGENET1K_V1: leave out --weights, or give"):
        find_source("timm/resnet18", "IMAGENET1K_V1").load()


def test_without_a_network_the_weights_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm")
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(
        WeightsError, match=r"the weights of timm/resnet18\.a1_in1k could not be downloaded \("
    ) as error:
        find_source("timm/resnet18.a1_in1k").load()
    assert str(error.value).endswith("): connect to the network, or give a checkpoint with --weights")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("resnet50", "layer4", (2048, 7, 7)),
        ("convnext_tiny", "stages", (768, 7, 7)),
        ("mobilenetv4_conv_small", "blocks", (960, 7, 7)),
    ],
)
def test_the_last_feature_map_is_taken(name: str, layer: str, shape: tuple[int, ...]) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        cut = ClassifierGraph(timm.create_model(name).eval(), (224, 224)).default
    assert (cut.name, cut.shape) == (layer, shape)


@pytest.mark.slow
def test_a_small_one_is_exported_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    checkpoint, out = tmp_path / "birds.pth", tmp_path / "out"
    torch.save(timm.create_model("mobilenetv3_small_050", num_classes=3).state_dict(), checkpoint)
    options = ["--weights", str(checkpoint), "--size", "64", "--no-int8", "--out", str(out)]
    assert main(["--model", "timm/mobilenetv3_small_050", *options]) == 0
    messages = capsys.readouterr().err
    assert "(assumed: that of timm's configuration; if the training had another mean or deviation" in messages
    assert "except --size)" in messages
    manifest = read_manifest(out)
    assert (manifest.model, manifest.weights, len(manifest.labels)) == ("timm/mobilenetv3_small_050", "birds.pth", 3)
    assert manifest.parity["worst_share_of_range"] <= 1e-4
