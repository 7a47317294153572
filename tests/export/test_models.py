"""The models that have names: cut without a bit's difference, preprocessed as they were trained, or not found."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from camcore.images.photo import open_photo
from camcore.images.preprocess import preprocess
from export.errors import ExportError
from export.models import find_source, torchvision_models
from export.pretrained import PACKAGE, default_weights
from tests.conftest import split_at, untrained

LAYERS = ("layer1", "layer2", "layer3", "layer4")
RESNETS = torchvision.models.list_models(module=torchvision.models, include=["resnet*", "resnext*", "wide_resnet*"])


@pytest.fixture(scope="module")
def whole_lite0() -> nn.Module:
    return find_source("efficientnet_lite0").load().module


def test_every_classifier_of_torchvision_is_a_source() -> None:
    assert set(RESNETS) < set(torchvision_models()) == set(torchvision.models.list_models(module=torchvision.models))
    for name in torchvision_models():
        source = find_source(name)
        assert (source.name, source.folder) == (name, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", RESNETS)
def test_every_resnet_can_be_cut_at_each_of_its_layers(name: str) -> None:
    with torch.device("meta"):
        model = untrained(name, num_classes=7)
        x = torch.zeros(2, 3, 224, 224)
        widening = 1 if name in ("resnet18", "resnet34") else 4
        for stage, layer in enumerate(LAYERS):
            split = split_at(model, layer)
            logits, activations = split(x)
            assert activations.shape == (2, 64 * widening * 2**stage, 56 // 2**stage, 56 // 2**stage)
            assert logits.shape == (2, 7)
            assert sum(map(torch.numel, split.parameters())) == sum(map(torch.numel, model.parameters()))


@pytest.mark.parametrize(
    ("name", "layer"),
    [*(("resnet18", layer) for layer in LAYERS), ("resnext50_32x4d", "layer2"), ("wide_resnet50_2", "layer3"),
     ("resnet101", "layer4")],
)  # fmt: skip
def test_head_of_features_equals_the_whole_model(name: str, layer: str) -> None:
    torch.manual_seed(1)
    model = untrained(name, num_classes=5)
    _shake_batch_norms(model)
    seen: list[Tensor] = []
    model.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: seen.append(output.clone()))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits = model(x)
        split = split_at(model, layer, size=64)
        activations = split.features(x)
        untouched = activations.clone()
        assert torch.equal(split.head(activations), logits)
    assert torch.equal(activations, untouched), "the head works in place on its input"
    assert torch.equal(activations, seen[0])


def test_lite0_equals_the_package_exactly(whole_lite0: nn.Module, animal_photos: list[Path]) -> None:
    steps = find_source("efficientnet_lite0").preprocessing
    photos = [torch.from_numpy(preprocess(open_photo(path), steps)[0]) for path in animal_photos]
    split = split_at(whole_lite0)
    for x in (torch.cat(photos), torch.randn(1, 3, 224, 224)):
        with torch.no_grad():
            logits, activations = split(x)
            assert torch.equal(logits, whole_lite0(x))
            assert torch.equal(activations, whole_lite0.extract_features(x))  # type: ignore[operator]
    assert whole_lite0(torch.cat(photos)).argmax(1).tolist() == [291, 293]  # lion, cheetah: real weights


def test_lite0_is_cut_after_its_last_activation(whole_lite0: nn.Module) -> None:
    activations = split_at(whole_lite0).features(torch.randn(1, 3, 224, 224))
    assert activations.shape == (1, 1280, 7, 7)
    assert activations.min() == 0
    assert activations.max() <= 6


def test_lite0_is_preprocessed_as_it_was_trained() -> None:
    steps = find_source("efficientnet_lite0").preprocessing
    assert (steps.resize, steps.size, steps.interpolation, steps.resize_mode) == (256, (224, 224), "bicubic", "crop")
    for pixel in (0, 127, 255):
        assert (pixel / 255 - steps.mean[0]) / steps.std[0] == pytest.approx((pixel - 127) / 128, abs=1e-12)
    assert len(set(steps.mean)) == len(set(steps.std)) == 1


def test_each_pretrained_model_is_preprocessed_by_its_own_weights() -> None:
    for name in torchvision_models():
        for entry in torchvision.models.get_model_weights(name):
            steps, expected = find_source(name, entry.name).preprocessing, entry.transforms()
            assert [steps.resize] == expected.resize_size
            assert steps.size == tuple(expected.crop_size * 2)
            assert steps.interpolation == expected.interpolation.value
            assert list(steps.mean) == list(expected.mean)
            assert list(steps.std) == list(expected.std)


def test_v1_and_v2_of_resnet50_differ_in_their_resize() -> None:
    assert find_source("resnet50", "IMAGENET1K_V1").preprocessing.resize == 256
    newest = find_source("resnet50", "IMAGENET1K_V2").preprocessing
    assert newest.resize == 232
    assert find_source("resnet50").preprocessing == find_source("resnet50", "birds.pth").preprocessing == newest


def test_default_weights_are_v2_where_torchvision_has_them() -> None:
    assert default_weights("resnet50") == "IMAGENET1K_V2"
    assert default_weights("resnet18") == "IMAGENET1K_V1"
    assert default_weights("vit_b_16") == "IMAGENET1K_V1"
    assert default_weights("efficientnet_lite0") == PACKAGE


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_a_checkpoint_of_any_family_tells_its_number_of_classes(name: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    model = untrained(name, num_classes=3)
    torch.save(model.state_dict(), tmp_path / "birds.pth")
    loaded = find_source(name, str(tmp_path / "birds.pth")).load()
    assert (loaded.weights, loaded.labels) == ("birds.pth", ("class 0", "class 1", "class 2"))
    state = loaded.module.state_dict()
    assert all(torch.equal(state[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_an_inception_scales_its_input_and_loses_its_auxiliary_classifiers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    tuned = torchvision.models.get_model(
        name, weights=None, num_classes=3, aux_logits=True, transform_input=True, init_weights=False
    ).eval()
    torch.save(tuned.state_dict(), tmp_path / "birds.pth")
    x = torch.randn(1, 3, 299, 299)
    with torch.no_grad():
        assert torch.equal(find_source(name, str(tmp_path / "birds.pth")).load().module(x), tuned(x))


def test_a_model_that_nobody_has_is_refused_with_similar_names() -> None:
    with pytest.raises(ExportError, match=r"there is no model 'resnet5': choose a name of torchvision.*resnet50"):
        find_source("resnet5")
    with pytest.raises(
        ExportError, match=r"there is no model 'birds': .* or FILE\.py:FUNCTION for a model of your own"
    ):
        find_source("birds")


def _shake_batch_norms(model: nn.Module) -> None:
    """Random statistics, so that a stage left out or in another order cannot go unnoticed."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.1 * torch.randn(module.num_features)
            module.running_var = 0.5 + torch.rand(module.num_features)
            nn.init.normal_(module.bias, std=0.1)
