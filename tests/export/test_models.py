"""The table of models: complete, cut in two without a bit's difference, and preprocessed as it was trained."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from camcore.images.photo import open_photo
from camcore.images.preprocess import preprocess
from export.models import ARCHITECTURES, RESNETS
from export.pretrained import PACKAGE, default_weights, pretrained
from export.trace import SplitClassifier, activation_shape
from export.weights import load_weights

LAYERS = ("layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def whole_lite0() -> nn.Module:
    model = ARCHITECTURES["efficientnet_lite0"].build(1000)
    load_weights(model, pretrained("efficientnet_lite0", PACKAGE), "efficientnet_lite0")
    return model


def test_the_table_holds_every_resnet_of_torchvision() -> None:
    families = ["resnet*", "resnext*", "wide_resnet*"]
    assert set(RESNETS) == set(torchvision.models.list_models(module=torchvision.models, include=families))
    assert set(ARCHITECTURES) == {*RESNETS, "efficientnet_lite0"}


@pytest.mark.parametrize("name", RESNETS)
def test_every_resnet_can_be_cut_at_each_of_its_layers(name: str) -> None:
    architecture = ARCHITECTURES[name]
    assert architecture.layers == LAYERS
    with torch.device("meta"):
        model = architecture.build(7)
        x = torch.zeros(2, 3, 224, 224)
        widening = 1 if name in ("resnet18", "resnet34") else 4
        for stage, layer in enumerate(LAYERS):
            split = SplitClassifier(*architecture.split(model, layer))
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
    model = ARCHITECTURES[name].build(5)
    _shake_batch_norms(model)
    seen: list[Tensor] = []
    model.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: seen.append(output.clone()))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits = model(x)
        split = SplitClassifier(*ARCHITECTURES[name].split(model, layer)).eval()
        activations = split.features(x)
        untouched = activations.clone()
        assert torch.equal(split.head(activations), logits)
    assert torch.equal(activations, untouched), "the head works in place on its input"
    assert torch.equal(activations, seen[0])


def test_lite0_equals_the_package_exactly(whole_lite0: nn.Module, animal_photos: list[Path]) -> None:
    architecture = ARCHITECTURES["efficientnet_lite0"]
    steps = architecture.preprocessing(None)
    photos = [torch.from_numpy(preprocess(open_photo(path), steps)[0]) for path in animal_photos]
    split = SplitClassifier(*architecture.split(whole_lite0, "features")).eval()
    for x in (torch.cat(photos), torch.randn(1, 3, 224, 224)):
        with torch.no_grad():
            logits, activations = split(x)
            assert torch.equal(logits, whole_lite0(x))
            assert torch.equal(activations, whole_lite0.extract_features(x))  # type: ignore[operator]
    assert whole_lite0(torch.cat(photos)).argmax(1).tolist() == [291, 293]  # lion, cheetah: real weights


def test_lite0_has_one_layer_after_its_last_activation(whole_lite0: nn.Module) -> None:
    architecture = ARCHITECTURES["efficientnet_lite0"]
    assert architecture.layers == ("features",)
    split = SplitClassifier(*architecture.split(whole_lite0, "features")).eval()
    assert activation_shape(split, 224) == (1280, 7, 7)
    activations = split.features(torch.randn(1, 3, 224, 224))
    assert activations.min() == 0
    assert activations.max() <= 6


def test_lite0_is_preprocessed_as_it_was_trained() -> None:
    steps = ARCHITECTURES["efficientnet_lite0"].preprocessing(None)
    assert (steps.resize, steps.crop, steps.interpolation) == (256, 224, "bicubic")
    for pixel in (0, 127, 255):
        assert (pixel / 255 - steps.mean[0]) / steps.std[0] == pytest.approx((pixel - 127) / 128, abs=1e-12)
    assert len(set(steps.mean)) == len(set(steps.std)) == 1


@pytest.mark.parametrize("name", RESNETS)
def test_each_pretrained_resnet_is_preprocessed_by_its_own_weights(name: str) -> None:
    for entry in torchvision.models.get_model_weights(name):
        steps = ARCHITECTURES[name].preprocessing(entry.name)
        expected = entry.transforms()
        assert [steps.resize] == expected.resize_size
        assert [steps.crop] == expected.crop_size
        assert steps.interpolation == expected.interpolation.value
        assert list(steps.mean) == list(expected.mean)
        assert list(steps.std) == list(expected.std)


def test_v1_and_v2_of_resnet50_differ_in_their_resize() -> None:
    preprocessing = ARCHITECTURES["resnet50"].preprocessing
    assert preprocessing("IMAGENET1K_V1").resize == 256
    assert preprocessing("IMAGENET1K_V2").resize == 232
    assert preprocessing(None) == preprocessing("IMAGENET1K_V2")


def test_default_weights_are_v2_where_torchvision_has_them() -> None:
    assert default_weights("resnet50") == "IMAGENET1K_V2"
    assert default_weights("resnet18") == "IMAGENET1K_V1"
    assert default_weights("efficientnet_lite0") == PACKAGE


def _shake_batch_norms(model: nn.Module) -> None:
    """Random statistics, so that a stage left out or in another order cannot go unnoticed."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.1 * torch.randn(module.num_features)
            module.running_var = 0.5 + torch.rand(module.num_features)
            nn.init.normal_(module.bias, std=0.1)
