"""The image classifiers of transformers: seeded ones in folders, beside what transformers itself returns."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from camcore.images.preprocess import preprocess
from camcore.model.manifest import Preprocessing, read_manifest
from export.__main__ import main
from export.errors import ExportError, WeightsError
from export.image_processors import measure_steps
from export.models import find_source, torchvision_models
from export.pipeline import ExportOptions, export_artifact
from export.traced import ClassifierGraph
from export.tracing import trace_graph

transformers = pytest.importorskip("transformers")

BIRDS = {0: "eagle", 1: "thrush", 2: "bulbul"}
CONVOLUTIONAL = ("resnet", "convnext", "efficientnet")
TOKENS = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
STAGES = {"hidden_sizes": [4, 8], "depths": [1, 1]}
CONFIGS: dict[str, Callable[..., Any]] = {
    "resnet": lambda **options: transformers.ResNetConfig(embedding_size=4, **STAGES, **options),
    "convnext": lambda **options: transformers.ConvNextConfig(num_stages=2, **STAGES, **options),
    "efficientnet": lambda **options: transformers.EfficientNetConfig(
        width_coefficient=0.1, depth_coefficient=0.1, hidden_dim=128, image_size=32, in_channels=[32, 16],
        out_channels=[16, 24], kernel_sizes=[3, 3], strides=[1, 2], num_block_repeats=[1, 1], expand_ratios=[1, 6],
        depthwise_padding=[], **options,
    ),
    "vit": lambda **options: transformers.ViTConfig(intermediate_size=32, **TOKENS, **options),
    "deit": lambda **options: transformers.DeiTConfig(intermediate_size=32, **TOKENS, **options),
    "dinov2": lambda **options: transformers.Dinov2Config(mlp_ratio=2, **TOKENS, **options),
    "swin": lambda **options: transformers.SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[2, 1], num_heads=[1, 2], window_size=4, **options
    ),
}  # fmt: skip


def save(folder: Path, kind: str = "resnet", **options: Any) -> nn.Module:
    """Save a seeded classifier of three birds into a folder, with weights of a size that keeps its logits apart."""
    torch.manual_seed(0)
    names = {"id2label": BIRDS, "architectures": []}  # without architectures, DeiT's class is not found
    config = CONFIGS[kind](**names | options)
    auto = transformers.AutoModelForImageClassification
    model: nn.Module = auto.from_config(config, attn_implementation="eager").eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
        elif name.endswith("weight"):
            nn.init.ones_(parameter)
    model.save_pretrained(folder)  # type: ignore[operator]
    return model


def edit(folder: Path, name: str = "config.json", **changes: object) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a small ResNet."""
    save(tmp_path / "birds")
    return tmp_path / "birds"


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_folder_is_traced_with_the_logits_and_the_names_of_transformers(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = save(tmp_path / kind, kind)
    capfd.readouterr()
    source = find_source(str(tmp_path / kind))
    loaded = source.load()
    assert capfd.readouterr() == ("", "")
    assert (source.name, source.folder) == (kind, kind)
    assert (loaded.weights, loaded.labels, loaded.note) == ("transformers", ("eagle", "thrush", "bulbul"), "")
    assert (loaded.module.training, loaded.multi_label) == (False, False)
    x = torch.randn(2, 3, 32, 32)
    graph = ClassifierGraph(loaded.module, (32, 32))
    with torch.no_grad():
        logits = model(x).logits
        assert logits.std() > 1e-3
        assert torch.equal(loaded.module(x), logits)
        assert torch.equal(graph.module(x), logits)
    modules = {name for name, _ in model.named_modules() if name}
    assert {name.rpartition(".")[0] for name, _ in graph.module.named_parameters()} <= modules
    assert all(cut.name in modules or cut.name.rpartition(".")[0] in modules for cut in graph.cuts)
    if kind in CONVOLUTIONAL:
        assert graph.default.name == f"{kind}.encoder"


def test_positions_are_interpolated_for_another_size(tmp_path: Path) -> None:
    model = save(tmp_path / "vit", "vit")
    x = torch.randn(2, 3, 48, 32)
    with torch.no_grad():
        expected = model(x, interpolate_pos_encoding=True).logits
        assert torch.equal(trace_graph(find_source(str(tmp_path / "vit")).load().module, x)(x), expected)


PROCESSORS: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("ViT", {"size": 32}, (32, "squash")),
    ("ViT", {"size": {"height": 32, "width": 48}, "resample": 3}, (32, "squash")),
    ("ViT", {"size": 32, "do_rescale": False}, (32, "squash")),
    ("ViT", {"size": 32, "rescale_factor": 1 / 127.5}, (32, "squash")),
    ("ViT", {"size": 32, "do_normalize": False}, (32, "squash")),
    ("ViT", {"size": 32, "resample": 1}, (32, "squash")),
    ("ViT", {"size": 32, "resample": 0}, (32, "squash")),
    ("ConvNext", {"size": {"shortest_edge": 224}}, (256, "crop")),
    ("ConvNext", {"size": {"shortest_edge": 64}, "crop_pct": 0.95}, (67, "crop")),
    ("ConvNext", {"size": {"shortest_edge": 384}}, (384, "squash")),
    ("EfficientNet", {"size": 32}, (32, "squash")),
    ("EfficientNet", {"size": 32, "include_top": False, "image_std": [0.2, 0.3, 0.4]}, (32, "squash")),
    ("EfficientNet", {"size": 32, "rescale_factor": 1 / 127.5, "rescale_offset": True}, (32, "squash")),
    ("Bit", {"size": {"shortest_edge": 72}, "crop_size": 64}, (72, "crop")),
    ("CLIP", {"size": {"shortest_edge": 64}, "crop_size": 64}, (64, "crop")),
    ("Levit", {"size": {"shortest_edge": 64}, "crop_size": 64}, (73, "crop")),
    ("PoolFormer", {"size": {"shortest_edge": 64}, "crop_size": 64}, (71, "crop")),
    ("MobileNetV2", {"size": {"shortest_edge": 72}, "crop_size": 64}, (72, "crop")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "expected"), PROCESSORS, ids=str)
def test_the_input_is_that_of_transformers_own_processor(
    name: str, options: dict[str, Any], expected: tuple[int, str], animal_photos: list[Path]
) -> None:
    processor = getattr(transformers, f"{name}ImageProcessorPil")(**options)
    steps, origin = measure_steps(processor, "its processor")
    assert (steps.resize, steps.resize_mode, origin) == (*expected, "its processor")
    for width, height in ((512, 384), (300, 413)):
        with Image.open(animal_photos[0]) as file:
            photo = file.convert("RGB").resize((width, height))
        x, _ = preprocess(photo, steps)
        target = np.asarray(processor(photo, return_tensors="np")["pixel_values"])
        scale = max(1, float(np.abs(target).max()))  # without rescaling, values go up to 510
        left, top = (_later(side, min(photo.size), steps) for side in photo.size)
        x, target = x[..., : x.shape[2] - top, : x.shape[3] - left], target[..., top:, left:]
        np.testing.assert_allclose(x, target, rtol=0, atol=1e-5 * scale)


def _later(side: int, shorter: int, steps: Preprocessing) -> int:
    """Return how many pixels after transformers' crop that of camcore begins: half a pixel is rounded, not cut off."""
    excess = int(steps.resize * side / shorter) - steps.size[0] if steps.resize_mode == "crop" else 0
    return round(excess / 2) - excess // 2


def test_what_camcore_cannot_follow_is_named() -> None:
    deit = transformers.DeiTImageProcessorPil()
    steps, origin = measure_steps(deit, "DeiT's processor")
    assert steps.size == (224, 224)
    assert origin.startswith(
        "the nearest to DeiT's processor, which camcore cannot follow exactly: do_resize True, size {"
    )
    assert "'height': 256" in origin
    steps, origin = measure_steps(transformers.ViTImageProcessorPil(do_resize=False), "it", 96)
    assert (steps.size, "do_resize False" in origin) == ((96, 96), True)
    steps, origin = measure_steps(transformers.CLIPImageProcessorPil(do_center_crop=False), "it")
    assert (steps.resize_mode, steps.size, "do_center_crop False" in origin) == ("crop", (224, 224), True)
    _, origin = measure_steps(transformers.ViTImageProcessorPil(size=32, resample=5), "it")
    assert "resample 5" in origin


def test_a_processor_of_another_order_of_colours_is_refused() -> None:
    with pytest.raises(
        ExportError, match="MobileViT's changes the order of the colours, or inverts them: write a funct"
    ):
        measure_steps(transformers.MobileViTImageProcessorPil(), "MobileViT's")


def test_the_processor_of_a_folder_is_read(folder: Path) -> None:
    assumed = find_source(str(folder))
    assert assumed.preprocessing.size == (224, 224)
    assert assumed.origin.startswith("assumed, for want of a preprocessor_config.json: what most models trained on")
    transformers.ConvNextImageProcessor(size={"shortest_edge": 64}).save_pretrained(folder)
    source = find_source(str(folder))
    assert (source.preprocessing.resize, source.origin) == (73, "birds's ConvNextImageProcessor")
    assert find_source(str(folder), "a.pth").origin.startswith(
        "assumed: that of birds's ConvNextImageProcessor; if the"
    )


@pytest.mark.parametrize("name", ["preprocessor_config.json", "config.json"])
def test_damaged_json_is_one_sentence(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / name).write_text("{")
    assert main(["--model", str(folder), "--out", str(folder / "out")]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert name in message


def test_without_transformers_one_sentence_has_the_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # what makes `import transformers` fail
    assert main(["--model", "hf/microsoft/resnet-50", "--out", str(tmp_path / "out")]) == 1
    needs = "the models of transformers need the package transformers: run `pip install transformers`"
    assert capsys.readouterr().err == f"error: {needs}\n"


def test_a_name_of_torchvision_takes_precedence_over_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "resnet18")
    monkeypatch.chdir(tmp_path)
    assert "resnet18" in torchvision_models()
    assert find_source("resnet18").origin == "torchvision's IMAGENET1K_V1"
    assert find_source("./resnet18").load().weights == "transformers"
    monkeypatch.chdir("resnet18")
    assert (find_source(".").name, find_source(".").folder) == ("resnet18", "resnet18")


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=r"has no config\.json: name a folder that `save_pretrained` of an image classif"
    ):
        find_source(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "is no image classifier, but BertForMaskedLM: "),
        ({"model_type": "detr", "architectures": []}, "is no image classifier, but detr: "),
        ({"model_type": "unheard"}, r"the config\.json of .* cannot be read \(.*unheard"),
        (
            {"auto_map": {"AutoConfig": "own.Config"}},
            r"has code of its own, which is not run: .*--model FILE\.py:FUNCTION",
        ),
        ({"problem_type": "regression"}, "was trained for regression, and returns no score of a class"),
    ],
    ids=str,
)
def test_what_is_no_image_classifier_is_refused(changes: dict[str, Any], problem: str, folder: Path) -> None:
    edit(folder, **changes)
    with pytest.raises(ExportError, match=problem):
        find_source(str(folder))


def test_a_model_of_timm_is_named_in_another_way(folder: Path) -> None:
    edit(folder, model_type="timm_wrapper", architecture="resnet18", num_classes=3)
    with pytest.raises(ExportError, match="is a model of timm: name it with --model timm/NAME"):
        find_source(str(folder))


def test_a_backbone_without_a_head_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    transformers.ViTModel(CONFIGS["vit"]()).save_pretrained(tmp_path)
    source = find_source(str(tmp_path))
    capfd.readouterr()
    with pytest.raises(
        WeightsError, match=r"do not fit its classifier \(they lack classifier\.bias, classifier\.weight\)"
    ):
        source.load()
    assert capfd.readouterr() == ("", "")


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    edit(folder, hidden_sizes=[4, 16])
    with pytest.raises(
        WeightsError, match=r"do not fit its classifier \(other shapes for classifier\.1\.weight, resnet"
    ):
        find_source(str(folder)).load()


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = save(tmp_path)
    model.classifier[1].bias.data[0] = torch.nan  # type: ignore[union-attr, index]
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    with pytest.raises(WeightsError, match=r"holds values that are not finite numbers \(in classifier\.1\.bias\)"):
        find_source(str(tmp_path)).load()


def test_damaged_or_missing_weights_are_one_sentence(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:100])
    with pytest.raises(WeightsError, match=r"the weights of .* cannot be read \(.*\): save them again with") as error:
        find_source(str(folder)).load()
    assert "\n" not in str(error.value)
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        WeightsError, match=r"has no weights of torch \(model\.safetensors or pytorch_model\.bin\): name a"
    ):
        find_source(str(folder)).load()


class Payload:
    """An object whose unpickling would write a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_is_loaded_without_its_code(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    assert torch.equal(find_source(str(folder)).load().module.classifier[1].weight, state["classifier.1.weight"])  # type: ignore[union-attr, index]
    torch.save({**state, "more": Payload(tmp_path / "run")}, folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"the weights of .* cannot be read"):
        find_source(str(folder)).load()
    assert not (tmp_path / "run").exists()


def test_weights_that_the_classifier_does_not_have_are_named(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    save_file({**state, "decoder.weight": torch.ones(2)}, folder / "model.safetensors", {"format": "pt"})
    assert find_source(str(folder)).load().note == "left out: decoder.weight"


@pytest.mark.parametrize(
    ("options", "labels", "multi_label"),
    [
        ({"id2label": {0: "LABEL_0", 1: "LABEL_1"}}, None, False),
        ({"id2label": {1: "b", 0: "a"}}, ("a", "b"), False),
        ({"id2label": {0: "animal"}}, ("animal",), False),
        ({"problem_type": "multi_label_classification"}, ("eagle", "thrush", "bulbul"), True),
        ({"problem_type": "single_label_classification"}, ("eagle", "thrush", "bulbul"), False),
    ],
    ids=str,
)
def test_classes_are_those_of_the_configuration(
    options: dict[str, Any], labels: tuple[str, ...] | None, multi_label: bool, tmp_path: Path
) -> None:
    save(tmp_path, **options)
    loaded = find_source(str(tmp_path)).load()
    assert (loaded.labels, loaded.multi_label) == (labels, multi_label)


@pytest.mark.parametrize(("kind", "wrap"), [("resnet", "model."), ("vit", "")])
def test_a_checkpoint_of_other_classes_takes_the_architecture_of_a_folder(
    kind: str, wrap: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The names are those of the module for one, and for the other those that transformers saves."""
    from safetensors.torch import load_file

    save(tmp_path / "of_birds", kind)
    model = save(tmp_path / "of_five", kind, id2label={index: f"LABEL_{index}" for index in range(5)})
    state = model.state_dict() if wrap else load_file(tmp_path / "of_five" / "model.safetensors")
    torch.save({"state_dict": {wrap + name: tensor for name, tensor in state.items()}}, tmp_path / "five.pth")
    capfd.readouterr()
    loaded = find_source(str(tmp_path / "of_birds"), str(tmp_path / "five.pth")).load()
    assert capfd.readouterr() == ("", "")
    assert (loaded.weights, loaded.labels) == ("five.pth", None)
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded.module(x), model(x).logits)


def test_a_checkpoint_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    from torchvision.models import mobilenet_v3_small

    torch.save(mobilenet_v3_small().state_dict(), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth is not a checkpoint of .*birds"):
        find_source(str(folder), str(tmp_path / "other.pth")).load()
    with pytest.raises(WeightsError, match="has no weights IMAGENET1K_V1: leave out --weights, or give a file"):
        find_source(str(folder), "IMAGENET1K_V1").load()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache of the hub, on a computer without a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    return tmp_path / "hub"


def _cache(hub: Path, folder: Path, repo: str) -> None:
    """Put a folder into the cache as the hub's own client lays it out."""
    place = hub / f"models--{repo.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)


def test_a_model_in_the_cache_of_the_hub_needs_no_network(
    hub: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers.ConvNextImageProcessor(size={"shortest_edge": 64}).save_pretrained(folder)
    _cache(hub, folder, "birds/net")
    monkeypatch.setattr("export.pretrained.require_network", lambda _url: pytest.fail("the network was tried"))
    source = find_source("hf/birds/net")
    assert (source.name, source.folder) == ("hf/birds/net", "hf-birds-net")
    assert source.origin == "hf/birds/net's ConvNextImageProcessor"
    assert source.load().labels == ("eagle", "thrush", "bulbul")


def test_without_a_network_only_the_preprocessing_is_assumed(hub: Path, folder: Path) -> None:
    _cache(hub, folder, "birds/net")
    assert find_source("hf/birds/net").origin.startswith("assumed, for want of a preprocessor_config.json")


def test_the_hub_is_asked_for_weights_only_when_they_are_loaded(
    hub: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the hub's client puts the files that match into the cache."""
    transformers.ConvNextImageProcessor(size={"shortest_edge": 64}).save_pretrained(folder)
    shutil.copy(folder / "model.safetensors", folder / "pytorch_model.bin")
    place = hub / "models--birds--net" / "snapshots" / ("0" * 40)

    def snapshot_download(repo: str, *, allow_patterns: list[str]) -> None:
        assert repo == "birds/net"
        if not place.exists():
            _cache(hub, folder, repo)
            for path in place.iterdir():
                path.unlink()
        for path in [path for pattern in allow_patterns for path in folder.glob(pattern)]:
            shutil.copy(path, place)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("export.pretrained.require_network", lambda _url: None)
    source = find_source("hf/birds/net")
    assert {path.name for path in place.iterdir()} == {"config.json", "preprocessor_config.json"}
    assert source.preprocessing.resize == 73
    assert source.load().weights == "transformers"
    expected = {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert {path.name for path in place.iterdir()} == expected


@pytest.mark.parametrize("is_offline", [False, True])
def test_a_model_that_is_not_cached_is_one_sentence(
    is_offline: bool, hub: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", is_offline)
    started = time.monotonic()
    assert main(["--model", "hf/birds/net", "--out", str(hub / "out")]) == 1
    assert time.monotonic() - started < 10
    output, message = capfd.readouterr()
    assert (output, message.count("\n")) == ("", 1)
    assert message.startswith("error: hf/birds/net could not be downloaded (")
    assert ("HF_HUB_OFFLINE is set" in message) == is_offline
    assert message.endswith("): connect to the network, or name a folder with its files\n")


@pytest.mark.parametrize("name", ["hf/", "hf/a/b/c", "hf/a b"])
def test_a_name_that_the_hub_cannot_have_is_refused(name: str, hub: Path) -> None:
    with pytest.raises(ExportError, match="cannot be a name of the hub: write hf/ORG/NAME"):
        find_source(name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CONVOLUTIONAL)
def test_a_small_one_is_exported(kind: str, tmp_path: Path) -> None:
    """The export compares TorchScript and ONNX with the eager model."""
    save(tmp_path / kind, kind, problem_type="multi_label_classification")
    transformers.ViTImageProcessor(size=64).save_pretrained(tmp_path / kind)
    out = export_artifact(ExportOptions(str(tmp_path / kind), out=tmp_path / "out", int8=False))
    manifest = read_manifest(out)
    assert (manifest.model, manifest.weights, manifest.head) == (kind, "transformers", "multi-label")
    assert manifest.labels == ("eagle", "thrush", "bulbul")
    assert (manifest.layer.name, manifest.preprocessing.size) == (f"{kind}.encoder", (64, 64))
    assert 0 < manifest.parity["worst_share_of_range"] <= 1e-4
